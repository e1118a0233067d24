-- A data key for each holder (docs/adr/0034), wrapped under the key `kek` of the key store; what is sealed of theirs is under it. Holders from
-- before have none until a job gives them one; who was erased never has one again. Columns without a CHECK, as in migration 4.
ALTER TABLE holders ADD COLUMN kek TEXT;
ALTER TABLE holders ADD COLUMN wrapped_key BLOB;
ALTER TABLE holders ADD COLUMN erased_at INTEGER;
-- What the job that gives keys and the one that wraps them anew look for.
CREATE INDEX holders_without_key ON holders (id) WHERE wrapped_key IS NULL AND erased_at IS NULL;
CREATE INDEX holders_kek ON holders (kek) WHERE kek IS NOT NULL;

-- What was said to holders who had all of theirs erased, for the phone that asked for it.
CREATE TABLE erasures (
    holder_id TEXT PRIMARY KEY NOT NULL,
    device_jkt TEXT,
    receipt TEXT NOT NULL,
    erased_at INTEGER NOT NULL
) STRICT;
CREATE INDEX erasures_device_jkt ON erasures (device_jkt) WHERE device_jkt IS NOT NULL;

-- Whether a holder wants nothing to do with some relying party: read with each certificate, so that nobody looks for what is not there.
ALTER TABLE holders ADD COLUMN has_blocks INTEGER NOT NULL DEFAULT 0 CHECK (has_blocks IN (0, 1));

-- Relying parties that a holder wants nothing to do with.
CREATE TABLE blocks (
    holder_id TEXT NOT NULL,
    rp_id TEXT NOT NULL,
    blocked_at INTEGER NOT NULL,
    PRIMARY KEY (holder_id, rp_id)
) STRICT;

-- Consents that holders took back: towards whom, and for which purpose or all. A job tells the relying party, by `subject`, which is the
-- holder's there, and by the redemptions that it was about.
CREATE TABLE withdrawals (
    holder_id TEXT NOT NULL,
    id TEXT NOT NULL,
    rp_id TEXT NOT NULL,
    purpose TEXT,
    subject TEXT NOT NULL,
    redemptions TEXT NOT NULL,
    withdrawn_at INTEGER NOT NULL,
    told_at INTEGER,
    PRIMARY KEY (holder_id, id)
) STRICT;
CREATE INDEX withdrawals_waiting ON withdrawals (id) WHERE told_at IS NULL;

-- The same as relying parties see them, and what they say of it.
CREATE TABLE withdrawal_notices (
    rp_id TEXT NOT NULL,
    id TEXT NOT NULL,
    subject TEXT NOT NULL,
    purpose TEXT,
    redemptions TEXT NOT NULL,
    withdrawn_at INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    confirmed_at INTEGER,
    deleted_at INTEGER,
    PRIMARY KEY (rp_id, id),
    CHECK ((confirmed_at IS NULL) = (deleted_at IS NULL))
) STRICT;

-- What was issued to a holder is found by its certificate.
CREATE INDEX enrolments_certificate_id ON enrolments (certificate_id);

-- A program before this one can't open what is under a data key.
UPDATE schema_floor SET version = '20261123000023';
