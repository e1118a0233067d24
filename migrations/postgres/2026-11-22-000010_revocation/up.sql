-- A certificate may be suspended, with its template, and come back. `reason` is a word of RevocationReason, `note` what was said
-- beside it; in rows of a program before this one, `reason` is any text. The new CHECKs read each certificate once.
ALTER TABLE certificates ADD COLUMN suspended_at BIGINT;
ALTER TABLE certificates ADD COLUMN note TEXT;
ALTER TABLE certificates ADD COLUMN superseded_by TEXT;
ALTER TABLE certificates ADD COLUMN sponsorship_id TEXT COLLATE "C";
CREATE INDEX certificates_sponsorship_id ON certificates (sponsorship_id) WHERE sponsorship_id IS NOT NULL;

UPDATE certificates SET superseded_by = substr(reason, 15), reason = 'superseded'
    WHERE state = 'superseded' AND reason LIKE 'superseded by crt_%';
UPDATE certificates SET note = reason, reason = 'other' WHERE state = 'revoked';

ALTER TABLE certificates DROP CONSTRAINT certificates_state_check, DROP CONSTRAINT certificates_check;
ALTER TABLE certificates
    ADD CONSTRAINT certificates_state_check CHECK (state IN ('active', 'suspended', 'revoked', 'superseded')),
    ADD CONSTRAINT certificates_check CHECK ((state = 'active') = (reason IS NULL) AND (state = 'suspended') = (suspended_at IS NOT NULL) AND (state IN ('revoked', 'superseded')) = (ended_at IS NOT NULL));

-- A relying party's word for a person who is to enrol; its id is a random value, handed to that person.
CREATE TABLE sponsorships (
    id TEXT COLLATE "C" PRIMARY KEY NOT NULL,
    rp_id TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT,
    revoked_at BIGINT
);
CREATE INDEX sponsorships_rp_id ON sponsorships (rp_id);
ALTER TABLE enrolments ADD COLUMN sponsorship_id TEXT COLLATE "C";

-- The list as a CWT, and how often it was published.
ALTER TABLE status_lists ADD COLUMN cwt BYTEA;
ALTER TABLE status_lists ADD COLUMN version BIGINT NOT NULL DEFAULT 0;
