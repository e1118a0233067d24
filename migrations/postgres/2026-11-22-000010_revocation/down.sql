-- Nothing less than ended says that a certificate is not to be used.
ALTER TABLE certificates DROP CONSTRAINT certificates_state_check, DROP CONSTRAINT certificates_check;
UPDATE certificates SET state = 'revoked', ended_at = suspended_at, suspended_at = NULL WHERE state = 'suspended';
UPDATE certificates SET reason = 'superseded by ' || superseded_by WHERE superseded_by IS NOT NULL;
ALTER TABLE certificates
    ADD CONSTRAINT certificates_state_check CHECK (state IN ('active', 'revoked', 'superseded')),
    ADD CONSTRAINT certificates_check CHECK ((state = 'active') = (reason IS NULL AND ended_at IS NULL));
DROP INDEX certificates_sponsorship_id;
ALTER TABLE certificates DROP COLUMN sponsorship_id;
ALTER TABLE certificates DROP COLUMN superseded_by;
ALTER TABLE certificates DROP COLUMN note;
ALTER TABLE certificates DROP COLUMN suspended_at;
ALTER TABLE enrolments DROP COLUMN sponsorship_id;
ALTER TABLE status_lists DROP COLUMN version;
ALTER TABLE status_lists DROP COLUMN cwt;
DROP TABLE sponsorships;
