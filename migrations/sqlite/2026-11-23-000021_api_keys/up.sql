-- What a relying party calls a key, and until when it is good; for ever without an end.
ALTER TABLE api_keys ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE api_keys ADD COLUMN expires_at INTEGER;

-- Whose keys there are.
CREATE INDEX api_keys_of_rp ON api_keys (rp_id);

-- Why a relying party is suspended, in an admin's words.
ALTER TABLE relying_parties ADD COLUMN suspended_why TEXT;
