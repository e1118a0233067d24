-- Times are microseconds since 1970 UTC, ids are prefixed ULIDs, `sealed_*` is encrypted by the server's vault,
-- `*_mac` and `*_hash` stand in for what is never stored. The same file for SQLite says INTEGER and BLOB.

CREATE TABLE admins (
    id TEXT PRIMARY KEY NOT NULL,
    name TEXT NOT NULL,
    token_hash BYTEA NOT NULL UNIQUE,
    created_at BIGINT NOT NULL
);

CREATE TABLE relying_parties (
    id TEXT PRIMARY KEY NOT NULL,
    name TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('active', 'suspended')),
    created_at BIGINT NOT NULL
);

CREATE TABLE api_keys (
    id TEXT PRIMARY KEY NOT NULL,
    rp_id TEXT NOT NULL REFERENCES relying_parties (id),
    secret_hash BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    revoked_at BIGINT
);

CREATE TABLE purposes (
    rp_id TEXT NOT NULL REFERENCES relying_parties (id),
    name TEXT NOT NULL,
    attributes TEXT NOT NULL,
    PRIMARY KEY (rp_id, name)
);

CREATE TABLE subscriptions (
    rp_id TEXT NOT NULL REFERENCES relying_parties (id),
    service TEXT NOT NULL,
    since BIGINT NOT NULL,
    PRIMARY KEY (rp_id, service)
);

CREATE TABLE prices (
    version TEXT NOT NULL,
    service TEXT NOT NULL,
    valid_from BIGINT NOT NULL,
    currency TEXT NOT NULL,
    micros BIGINT NOT NULL CHECK (micros >= 0),
    PRIMARY KEY (service, valid_from)
);

-- One device key, one access token.
CREATE TABLE devices (
    jkt TEXT PRIMARY KEY NOT NULL,
    public_key BYTEA NOT NULL,
    token_hash BYTEA NOT NULL UNIQUE,
    token_expires_at BIGINT NOT NULL
);

-- DPoP proofs already used, until they are stale.
CREATE TABLE proofs (
    jkt TEXT NOT NULL,
    jti TEXT NOT NULL,
    stale_at BIGINT NOT NULL,
    PRIMARY KEY (jkt, jti)
);
CREATE INDEX proofs_stale_at ON proofs (stale_at);

CREATE TABLE enrolments (
    id TEXT PRIMARY KEY NOT NULL,
    device_jkt TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('started', 'document_read', 'challenged', 'approved', 'referred', 'refused')),
    sealed_document BYTEA,
    nonce BYTEA,
    deadline BIGINT,
    reason TEXT,
    certificate_id TEXT,
    tries BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    CHECK ((state IN ('document_read', 'challenged', 'referred')) = (sealed_document IS NOT NULL)),
    CHECK ((state = 'challenged') = (nonce IS NOT NULL AND deadline IS NOT NULL)),
    CHECK ((state = 'approved') = (certificate_id IS NOT NULL)),
    CHECK ((state IN ('referred', 'refused')) = (reason IS NOT NULL))
);
CREATE INDEX enrolments_device_jkt ON enrolments (device_jkt);

CREATE TABLE consents (
    id TEXT PRIMARY KEY NOT NULL,
    enrolment_id TEXT NOT NULL UNIQUE REFERENCES enrolments (id),
    text_version TEXT NOT NULL,
    receipt TEXT NOT NULL,
    agreed_at BIGINT NOT NULL
);

CREATE TABLE register_entries (
    person_mac BYTEA PRIMARY KEY NOT NULL,
    added_at BIGINT NOT NULL
);

CREATE TABLE holders (
    id TEXT PRIMARY KEY NOT NULL,
    eid BYTEA NOT NULL UNIQUE,
    created_at BIGINT NOT NULL
);

CREATE TABLE certificates (
    id TEXT PRIMARY KEY NOT NULL,
    holder_id TEXT NOT NULL REFERENCES holders (id),
    device_jkt TEXT NOT NULL,
    device_key BYTEA NOT NULL,
    status_list BIGINT NOT NULL,
    status_index BIGINT NOT NULL,
    assurance TEXT NOT NULL,
    sealed_attributes BYTEA NOT NULL,
    sealed_template BYTEA NOT NULL,
    revocation_code_hash BYTEA NOT NULL UNIQUE,
    state TEXT NOT NULL CHECK (state IN ('active', 'revoked', 'superseded')),
    reason TEXT,
    ended_at BIGINT,
    issued_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    UNIQUE (status_list, status_index),
    CHECK ((state = 'active') = (reason IS NULL AND ended_at IS NULL))
);
CREATE INDEX certificates_holder_id ON certificates (holder_id);
CREATE INDEX certificates_device_jkt ON certificates (device_jkt);

CREATE TABLE handles (
    handle_hash BYTEA PRIMARY KEY NOT NULL,
    certificate_id TEXT NOT NULL REFERENCES certificates (id)
);

CREATE TABLE numeric_codes (
    code_mac BYTEA PRIMARY KEY NOT NULL,
    certificate_id TEXT NOT NULL REFERENCES certificates (id),
    share TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    spent BIGINT NOT NULL CHECK (spent IN (0, 1))
);
CREATE UNIQUE INDEX numeric_codes_one_live ON numeric_codes (certificate_id) WHERE spent = 0;

CREATE TABLE redemptions (
    id TEXT PRIMARY KEY NOT NULL,
    rp_id TEXT NOT NULL REFERENCES relying_parties (id),
    certificate_id TEXT NOT NULL REFERENCES certificates (id),
    code_id BYTEA NOT NULL,
    purpose TEXT NOT NULL,
    asked TEXT NOT NULL,
    share TEXT NOT NULL,
    nonce BYTEA NOT NULL,
    deadline BIGINT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('challenged', 'passed', 'failed')),
    unusable_attempts BIGINT NOT NULL,
    opened_at BIGINT NOT NULL,
    closed_at BIGINT,
    sealed_answer BYTEA,
    UNIQUE (certificate_id, code_id),
    CHECK ((state = 'challenged') = (closed_at IS NULL AND sealed_answer IS NULL))
);
CREATE INDEX redemptions_rp ON redemptions (rp_id, opened_at);

CREATE TABLE attempts (
    id TEXT PRIMARY KEY NOT NULL,
    rp_id TEXT NOT NULL,
    redemption_id TEXT NOT NULL REFERENCES redemptions (id),
    service TEXT NOT NULL,
    outcome TEXT NOT NULL CHECK (outcome IN ('passed', 'failed', 'unusable')),
    reason TEXT,
    charge_id TEXT UNIQUE,
    receipt TEXT NOT NULL,
    judged_at BIGINT NOT NULL,
    CHECK ((outcome = 'unusable') = (charge_id IS NULL))
);
CREATE INDEX attempts_redemption ON attempts (redemption_id);

CREATE TABLE ledger_transactions (
    id TEXT PRIMARY KEY NOT NULL,
    kind TEXT NOT NULL,
    reverses TEXT,
    posted_at BIGINT NOT NULL
);

CREATE TABLE postings (
    transaction_id TEXT NOT NULL REFERENCES ledger_transactions (id),
    line BIGINT NOT NULL,
    account TEXT NOT NULL,
    currency TEXT NOT NULL,
    micros BIGINT NOT NULL,
    PRIMARY KEY (transaction_id, line)
);
CREATE INDEX postings_account ON postings (account);

CREATE TABLE charges (
    id TEXT PRIMARY KEY NOT NULL,
    rp_id TEXT NOT NULL,
    attempt_id TEXT NOT NULL UNIQUE,
    redemption_id TEXT NOT NULL UNIQUE,
    service TEXT NOT NULL,
    price_version TEXT NOT NULL,
    currency TEXT NOT NULL,
    micros BIGINT NOT NULL,
    transaction_id TEXT NOT NULL UNIQUE REFERENCES ledger_transactions (id),
    usage_date TEXT NOT NULL,
    charged_at BIGINT NOT NULL
);
CREATE INDEX charges_rp ON charges (rp_id, usage_date);

CREATE TABLE idempotency_keys (
    rp_id TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint BYTEA NOT NULL,
    lease TEXT NOT NULL,
    leased_until BIGINT NOT NULL,
    sealed_answer BYTEA,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (rp_id, key)
);

-- Counters of wrong codes, by subject and window.
CREATE TABLE throttles (
    subject TEXT NOT NULL,
    window_start BIGINT NOT NULL,
    count BIGINT NOT NULL,
    PRIMARY KEY (subject, window_start)
);

CREATE TABLE audit (
    id TEXT PRIMARY KEY NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    object TEXT NOT NULL,
    outcome TEXT NOT NULL,
    at BIGINT NOT NULL
);
CREATE INDEX audit_object ON audit (object);

CREATE TABLE outbox (
    id TEXT PRIMARY KEY NOT NULL,
    topic TEXT NOT NULL,
    subject TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    done_at BIGINT
);
CREATE INDEX outbox_waiting ON outbox (id) WHERE done_at IS NULL;

CREATE TABLE status_lists (
    number BIGINT PRIMARY KEY NOT NULL,
    token TEXT NOT NULL,
    published_at BIGINT NOT NULL
);
