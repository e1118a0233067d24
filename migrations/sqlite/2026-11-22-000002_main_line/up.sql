-- Times are microseconds since 1970 UTC, ids are prefixed ULIDs, `sealed_*` is encrypted by the server's vault,
-- `*_mac` and `*_hash` stand in for what is never stored. The same file for PostgreSQL says INTEGER and BLOB, and
-- has partitions.
--
-- Two families of tables, which may lie in two databases and be spread over many (docs/adr/0007): what belongs to a
-- relying party begins its primary key with `rp_id` (`book`, `actor`), what belongs to a holder with `holder_id` or with a
-- random value that names one. No transaction of a redemption touches both. The tables that each redemption writes refer to
-- one another without FOREIGN KEY, whose checks would cost a fifth of its time; `ecert db check` proves what they would.

-- The newest migration that a program must know to work with these tables.
CREATE TABLE schema_floor (
    version TEXT PRIMARY KEY NOT NULL
) STRICT;
INSERT INTO schema_floor (version) VALUES ('20261122000002');

-- Which replica runs a job, and when it last ended well.
CREATE TABLE jobs (
    name TEXT PRIMARY KEY NOT NULL,
    leased_by TEXT NOT NULL,
    leased_until INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    succeeded_at INTEGER
) STRICT;

CREATE TABLE admins (
    id TEXT PRIMARY KEY NOT NULL,
    name TEXT NOT NULL,
    token_hash BLOB NOT NULL UNIQUE,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE relying_parties (
    id TEXT PRIMARY KEY NOT NULL,
    name TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('active', 'suspended')),
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE api_keys (
    id TEXT PRIMARY KEY NOT NULL,
    rp_id TEXT NOT NULL REFERENCES relying_parties (id),
    secret_hash BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT;

CREATE TABLE purposes (
    rp_id TEXT NOT NULL REFERENCES relying_parties (id),
    name TEXT NOT NULL,
    attributes TEXT NOT NULL,
    PRIMARY KEY (rp_id, name)
) STRICT;

CREATE TABLE subscriptions (
    rp_id TEXT NOT NULL REFERENCES relying_parties (id),
    service TEXT NOT NULL,
    since INTEGER NOT NULL,
    PRIMARY KEY (rp_id, service)
) STRICT;

CREATE TABLE prices (
    version TEXT NOT NULL,
    service TEXT NOT NULL,
    valid_from INTEGER NOT NULL,
    currency TEXT NOT NULL,
    micros INTEGER NOT NULL CHECK (micros >= 0),
    PRIMARY KEY (service, valid_from)
) STRICT;

-- One device key, one access token.
CREATE TABLE devices (
    jkt TEXT PRIMARY KEY NOT NULL,
    public_key BLOB NOT NULL,
    token_hash BLOB NOT NULL UNIQUE,
    token_expires_at INTEGER NOT NULL
) STRICT;

-- DPoP proofs already used, until they are stale.
CREATE TABLE proofs (
    jkt TEXT NOT NULL,
    jti TEXT NOT NULL,
    stale_at INTEGER NOT NULL,
    PRIMARY KEY (jkt, jti)
) STRICT;
CREATE INDEX proofs_stale_at ON proofs (stale_at);

CREATE TABLE enrolments (
    id TEXT PRIMARY KEY NOT NULL,
    device_jkt TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('started', 'document_read', 'challenged', 'approved', 'referred', 'refused')),
    sealed_document BLOB,
    nonce BLOB,
    deadline INTEGER,
    reason TEXT,
    certificate_id TEXT,
    tries INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    CHECK ((state IN ('document_read', 'challenged', 'referred')) = (sealed_document IS NOT NULL)),
    CHECK ((state = 'challenged') = (nonce IS NOT NULL AND deadline IS NOT NULL)),
    CHECK ((state = 'approved') = (certificate_id IS NOT NULL)),
    CHECK ((state IN ('referred', 'refused')) = (reason IS NOT NULL))
) STRICT;
CREATE INDEX enrolments_device_jkt ON enrolments (device_jkt);

CREATE TABLE consents (
    id TEXT PRIMARY KEY NOT NULL,
    enrolment_id TEXT NOT NULL UNIQUE REFERENCES enrolments (id),
    text_version TEXT NOT NULL,
    receipt TEXT NOT NULL,
    agreed_at INTEGER NOT NULL
) STRICT;

CREATE TABLE register_entries (
    person_mac BLOB PRIMARY KEY NOT NULL,
    added_at INTEGER NOT NULL
) STRICT;

CREATE TABLE holders (
    id TEXT PRIMARY KEY NOT NULL,
    eid BLOB NOT NULL UNIQUE,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE certificates (
    holder_id TEXT NOT NULL REFERENCES holders (id),
    id TEXT NOT NULL UNIQUE,
    device_jkt TEXT NOT NULL,
    device_key BLOB NOT NULL,
    status_list INTEGER NOT NULL,
    status_index INTEGER NOT NULL,
    assurance TEXT NOT NULL,
    sealed_attributes BLOB NOT NULL,
    sealed_template BLOB NOT NULL,
    revocation_code_hash BLOB NOT NULL UNIQUE,
    state TEXT NOT NULL CHECK (state IN ('active', 'revoked', 'superseded')),
    reason TEXT,
    ended_at INTEGER,
    issued_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (holder_id, id),
    UNIQUE (status_list, status_index),
    CHECK ((state = 'active') = (reason IS NULL AND ended_at IS NULL))
) STRICT;
CREATE INDEX certificates_device_jkt ON certificates (device_jkt);

CREATE TABLE handles (
    handle_hash BLOB PRIMARY KEY NOT NULL,
    certificate_id TEXT NOT NULL REFERENCES certificates (id)
) STRICT;

CREATE TABLE numeric_codes (
    code_mac BLOB PRIMARY KEY NOT NULL,
    certificate_id TEXT NOT NULL REFERENCES certificates (id),
    share TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    spent INTEGER NOT NULL CHECK (spent IN (0, 1))
) STRICT;
CREATE UNIQUE INDEX numeric_codes_one_live ON numeric_codes (certificate_id) WHERE spent = 0;

-- Codes used up, each by one request of one relying party.
CREATE TABLE spent_codes (
    certificate_id TEXT NOT NULL,
    code_id BLOB NOT NULL,
    rp_id TEXT NOT NULL,
    redemption_id TEXT NOT NULL,
    request_mac BLOB NOT NULL,
    spent_at INTEGER NOT NULL,
    PRIMARY KEY (certificate_id, code_id)
) STRICT;
CREATE INDEX spent_codes_spent_at ON spent_codes (spent_at);

-- The protected headers of signed tokens, each the same in millions of them, by their SHA-256. A stored token is
-- `hash.payload.signature`.
CREATE TABLE jws_headers (
    id TEXT PRIMARY KEY NOT NULL,
    header TEXT NOT NULL
) STRICT;

CREATE TABLE redemptions (
    rp_id TEXT NOT NULL,
    id TEXT NOT NULL,
    certificate_id TEXT NOT NULL,
    purpose TEXT NOT NULL,
    asked TEXT NOT NULL,
    share TEXT NOT NULL,
    nonce BLOB NOT NULL,
    deadline INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('challenged', 'passed', 'failed')),
    unusable_attempts INTEGER NOT NULL,
    opened_at INTEGER NOT NULL,
    closed_at INTEGER,
    sealed_answer BLOB,
    PRIMARY KEY (rp_id, id),
    CHECK ((state = 'challenged') = (closed_at IS NULL)),
    CHECK (state <> 'challenged' OR sealed_answer IS NULL)
) STRICT;
CREATE INDEX redemptions_readable ON redemptions (closed_at) WHERE sealed_answer IS NOT NULL;

CREATE TABLE attempts (
    rp_id TEXT NOT NULL,
    redemption_id TEXT NOT NULL,
    id TEXT NOT NULL,
    service TEXT NOT NULL,
    outcome TEXT NOT NULL CHECK (outcome IN ('passed', 'failed', 'unusable')),
    reason TEXT,
    charge_id TEXT,
    receipt TEXT NOT NULL,
    judged_at INTEGER NOT NULL,
    PRIMARY KEY (rp_id, redemption_id, id),
    CHECK ((outcome = 'unusable') = (charge_id IS NULL))
) STRICT;

-- `book` is the relying party whose money it is about.
CREATE TABLE ledger_transactions (
    book TEXT NOT NULL,
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    reverses TEXT,
    posted_at INTEGER NOT NULL,
    PRIMARY KEY (book, id)
) STRICT;

CREATE TABLE postings (
    book TEXT NOT NULL,
    transaction_id TEXT NOT NULL,
    line INTEGER NOT NULL,
    account TEXT NOT NULL,
    currency TEXT NOT NULL,
    micros INTEGER NOT NULL,
    PRIMARY KEY (book, transaction_id, line)
) STRICT;

-- The primary key is the promise: a redemption is charged once.
CREATE TABLE charges (
    rp_id TEXT NOT NULL,
    redemption_id TEXT NOT NULL,
    id TEXT NOT NULL,
    attempt_id TEXT NOT NULL,
    service TEXT NOT NULL,
    price_version TEXT NOT NULL,
    currency TEXT NOT NULL,
    micros INTEGER NOT NULL,
    transaction_id TEXT NOT NULL,
    usage_date TEXT NOT NULL,
    charged_at INTEGER NOT NULL,
    PRIMARY KEY (rp_id, redemption_id)
) STRICT;

CREATE TABLE idempotency_keys (
    rp_id TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    lease TEXT NOT NULL,
    leased_until INTEGER NOT NULL,
    sealed_answer BLOB,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (rp_id, key)
) STRICT;
CREATE INDEX idempotency_keys_created_at ON idempotency_keys (created_at);

-- Counters of wrong codes, by subject and window.
CREATE TABLE throttles (
    subject TEXT NOT NULL,
    window_start INTEGER NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (subject, window_start)
) STRICT;

CREATE TABLE audit (
    actor TEXT NOT NULL,
    id TEXT NOT NULL,
    action TEXT NOT NULL,
    object TEXT NOT NULL,
    outcome TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (actor, id)
) STRICT;

CREATE TABLE outbox (
    id TEXT PRIMARY KEY NOT NULL,
    topic TEXT NOT NULL,
    subject TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    done_at INTEGER
) STRICT;
CREATE INDEX outbox_waiting ON outbox (id) WHERE done_at IS NULL;

CREATE TABLE status_lists (
    number INTEGER PRIMARY KEY NOT NULL,
    token TEXT NOT NULL,
    published_at INTEGER NOT NULL
) STRICT;
