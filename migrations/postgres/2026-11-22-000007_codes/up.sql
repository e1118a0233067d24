-- A key for each handle: two codes that are signed by one key can be linked by whoever recovers it. NULL is the certificate's device
-- key, for handles from before and for the row by which a certificate that shows itself (Q3) is found. `issued_at` is the order in which
-- the wallet made the keys: the oldest are retired first. Stored uncompressed (65 bytes), since each redemption reads one.
ALTER TABLE handles ADD COLUMN public_key BYTEA;
ALTER TABLE handles ADD COLUMN issued_at BIGINT NOT NULL DEFAULT 0;
CREATE INDEX handles_certificate ON handles (certificate_id, issued_at);
