-- A certificate may be suspended, with its template, and come back. `reason` is a word of RevocationReason, `note` what was said
-- beside it; in rows of a program before this one, `reason` is any text.
ALTER TABLE certificates ADD COLUMN suspended_at INTEGER;
ALTER TABLE certificates ADD COLUMN note TEXT;
ALTER TABLE certificates ADD COLUMN superseded_by TEXT;
ALTER TABLE certificates ADD COLUMN sponsorship_id TEXT;
CREATE INDEX certificates_sponsorship_id ON certificates (sponsorship_id) WHERE sponsorship_id IS NOT NULL;

UPDATE certificates SET superseded_by = substr(reason, 15), reason = 'superseded'
    WHERE state = 'superseded' AND reason LIKE 'superseded by crt_%';
UPDATE certificates SET note = reason, reason = 'other' WHERE state = 'revoked';

-- SQLite has no statement for changing a CHECK. This is the way that its manual gives where nothing stored changes
-- (https://www.sqlite.org/lang_altertable.html, §8); the statements that follow make other connections read the tables anew.
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(replace(sql,
    'CHECK (state IN (''active'', ''revoked'', ''superseded''))',
    'CHECK (state IN (''active'', ''suspended'', ''revoked'', ''superseded''))'),
    'CHECK ((state = ''active'') = (reason IS NULL AND ended_at IS NULL))',
    'CHECK ((state = ''active'') = (reason IS NULL) AND (state = ''suspended'') = (suspended_at IS NOT NULL) AND (state IN (''revoked'', ''superseded'')) = (ended_at IS NOT NULL))')
    WHERE type = 'table' AND name = 'certificates';
PRAGMA writable_schema = RESET;

-- A relying party's word for a person who is to enrol; its id is a random value, handed to that person.
CREATE TABLE sponsorships (
    id TEXT PRIMARY KEY NOT NULL,
    rp_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at INTEGER,
    revoked_at INTEGER
) STRICT;
CREATE INDEX sponsorships_rp_id ON sponsorships (rp_id);
ALTER TABLE enrolments ADD COLUMN sponsorship_id TEXT;

-- The list as a CWT, and how often it was published.
ALTER TABLE status_lists ADD COLUMN cwt BLOB;
ALTER TABLE status_lists ADD COLUMN version INTEGER NOT NULL DEFAULT 0;
