ALTER TABLE relying_parties DROP COLUMN suspended_why;
DROP INDEX api_keys_of_rp;
ALTER TABLE api_keys DROP COLUMN expires_at;
ALTER TABLE api_keys DROP COLUMN name;
