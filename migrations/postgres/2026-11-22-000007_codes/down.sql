DROP INDEX handles_certificate;
DELETE FROM handles WHERE public_key IS NOT NULL;
ALTER TABLE handles DROP COLUMN issued_at;
ALTER TABLE handles DROP COLUMN public_key;
