-- Terminals of relying parties (docs/adr/0028): a till or tablet with a key of its own, which may redeem and nothing else. Until it is activated it has no key. The token
-- that takes the place of the present one waits in `next_token_hash`, as a device's does. `purposes` is a JSON array, or nothing where all are allowed.
CREATE TABLE terminals (
    rp_id TEXT NOT NULL,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    purposes TEXT,
    created_at INTEGER NOT NULL,
    activation_hash BLOB NOT NULL,
    activation_expires_at INTEGER NOT NULL,
    activated_at INTEGER,
    jkt TEXT,
    public_key BLOB,
    token_hash BLOB,
    token_expires_at INTEGER,
    next_token_hash BLOB,
    next_token_expires_at INTEGER,
    revoked_at INTEGER,
    PRIMARY KEY (rp_id, id),
    CHECK ((activated_at IS NULL) = (jkt IS NULL)),
    CHECK ((activated_at IS NULL) = (public_key IS NULL)),
    CHECK ((activated_at IS NULL) = (token_hash IS NULL)),
    CHECK ((activated_at IS NULL) = (token_expires_at IS NULL))
) STRICT;
CREATE UNIQUE INDEX terminals_activation_hash ON terminals (activation_hash);
CREATE UNIQUE INDEX terminals_token_hash ON terminals (token_hash) WHERE token_hash IS NOT NULL;
CREATE UNIQUE INDEX terminals_next_token_hash ON terminals (next_token_hash) WHERE next_token_hash IS NOT NULL;

-- Which terminal opened it; nothing where an API key did.
ALTER TABLE redemptions ADD COLUMN terminal_id TEXT;
