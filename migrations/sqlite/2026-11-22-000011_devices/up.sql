-- A recovery is an enrolment by another way (docs/adr/0020): `kind` is then `recovery`, else nothing. The answer of an approved one is
-- kept, sealed, for an hour, so that the same device can ask for it again. Columns without a CHECK, as in migration 4.
ALTER TABLE enrolments ADD COLUMN kind TEXT;
ALTER TABLE enrolments ADD COLUMN sealed_answer BLOB;
ALTER TABLE enrolments ADD COLUMN answer_until INTEGER;
CREATE INDEX enrolments_answer_until ON enrolments (answer_until) WHERE sealed_answer IS NOT NULL;

-- Whose device it is, since when and until when, how it seemed when it last began something, and the token that takes the place of
-- the present one as soon as it is used.
ALTER TABLE devices ADD COLUMN holder_id TEXT;
ALTER TABLE devices ADD COLUMN since INTEGER;
ALTER TABLE devices ADD COLUMN ended_at INTEGER;
ALTER TABLE devices ADD COLUMN ended_why TEXT;
ALTER TABLE devices ADD COLUMN risk TEXT;
ALTER TABLE devices ADD COLUMN sealed_signals BLOB;
ALTER TABLE devices ADD COLUMN next_token_hash BLOB;
ALTER TABLE devices ADD COLUMN next_token_expires_at INTEGER;
CREATE INDEX devices_holder_id ON devices (holder_id) WHERE holder_id IS NOT NULL;
CREATE UNIQUE INDEX devices_next_token_hash ON devices (next_token_hash) WHERE next_token_hash IS NOT NULL;

-- What a holder is told of on their next visit.
CREATE TABLE notices (
    holder_id TEXT NOT NULL,
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (holder_id, id)
) STRICT;
