-- Nothing less than ended says that a certificate is not to be used.
UPDATE certificates SET state = 'revoked', ended_at = suspended_at, suspended_at = NULL WHERE state = 'suspended';
UPDATE certificates SET reason = 'superseded by ' || superseded_by WHERE superseded_by IS NOT NULL;
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(replace(sql,
    'CHECK (state IN (''active'', ''suspended'', ''revoked'', ''superseded''))',
    'CHECK (state IN (''active'', ''revoked'', ''superseded''))'),
    'CHECK ((state = ''active'') = (reason IS NULL) AND (state = ''suspended'') = (suspended_at IS NOT NULL) AND (state IN (''revoked'', ''superseded'')) = (ended_at IS NOT NULL))',
    'CHECK ((state = ''active'') = (reason IS NULL AND ended_at IS NULL))')
    WHERE type = 'table' AND name = 'certificates';
PRAGMA writable_schema = RESET;
DROP INDEX certificates_sponsorship_id;
ALTER TABLE certificates DROP COLUMN sponsorship_id;
ALTER TABLE certificates DROP COLUMN superseded_by;
ALTER TABLE certificates DROP COLUMN note;
ALTER TABLE certificates DROP COLUMN suspended_at;
ALTER TABLE enrolments DROP COLUMN sponsorship_id;
ALTER TABLE status_lists DROP COLUMN version;
ALTER TABLE status_lists DROP COLUMN cwt;
DROP TABLE sponsorships;
