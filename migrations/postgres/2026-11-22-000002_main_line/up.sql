-- Times are microseconds since 1970 UTC, ids are prefixed ULIDs, `sealed_*` is encrypted by the server's vault,
-- `*_mac` and `*_hash` stand in for what is never stored. The same file for SQLite says INTEGER and BLOB, and has no
-- partitions.
--
-- Two families of tables, which may lie in two databases and be spread over many (docs/adr/0007): what belongs to a
-- relying party begins its primary key with `rp_id` (`book`, `actor`), what belongs to a holder with `holder_id` or with a
-- random value that names one. No transaction of a redemption touches both. The tables that each redemption writes refer to
-- one another without FOREIGN KEY, whose checks would cost a fifth of its time; `ecert db check` proves what they would. `COLLATE "C"`: ids are compared byte by byte.

-- The newest migration that a program must know to work with these tables.
CREATE TABLE schema_floor (
    version TEXT PRIMARY KEY NOT NULL
);
INSERT INTO schema_floor (version) VALUES ('20261122000002');

-- Which replica runs a job, and when it last ended well.
CREATE TABLE jobs (
    name TEXT PRIMARY KEY NOT NULL,
    leased_by TEXT NOT NULL,
    leased_until BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    succeeded_at BIGINT
);

CREATE TABLE admins (
    id TEXT PRIMARY KEY NOT NULL,
    name TEXT NOT NULL,
    token_hash BYTEA NOT NULL UNIQUE,
    created_at BIGINT NOT NULL
);

CREATE TABLE relying_parties (
    id TEXT COLLATE "C" PRIMARY KEY NOT NULL,
    name TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('active', 'suspended')),
    created_at BIGINT NOT NULL
);

CREATE TABLE api_keys (
    id TEXT PRIMARY KEY NOT NULL,
    rp_id TEXT COLLATE "C" NOT NULL REFERENCES relying_parties (id),
    secret_hash BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    revoked_at BIGINT
);

CREATE TABLE purposes (
    rp_id TEXT COLLATE "C" NOT NULL REFERENCES relying_parties (id),
    name TEXT NOT NULL,
    attributes TEXT NOT NULL,
    PRIMARY KEY (rp_id, name)
);

CREATE TABLE subscriptions (
    rp_id TEXT COLLATE "C" NOT NULL REFERENCES relying_parties (id),
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
    id TEXT COLLATE "C" PRIMARY KEY NOT NULL,
    eid BYTEA NOT NULL UNIQUE,
    created_at BIGINT NOT NULL
);

CREATE TABLE certificates (
    holder_id TEXT COLLATE "C" NOT NULL REFERENCES holders (id),
    id TEXT COLLATE "C" NOT NULL UNIQUE,
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
    PRIMARY KEY (holder_id, id),
    UNIQUE (status_list, status_index),
    CHECK ((state = 'active') = (reason IS NULL AND ended_at IS NULL))
);
CREATE INDEX certificates_device_jkt ON certificates (device_jkt);

CREATE TABLE handles (
    handle_hash BYTEA PRIMARY KEY NOT NULL,
    certificate_id TEXT COLLATE "C" NOT NULL REFERENCES certificates (id)
);

CREATE TABLE numeric_codes (
    code_mac BYTEA PRIMARY KEY NOT NULL,
    certificate_id TEXT COLLATE "C" NOT NULL REFERENCES certificates (id),
    share TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    spent BIGINT NOT NULL CHECK (spent IN (0, 1))
);
CREATE UNIQUE INDEX numeric_codes_one_live ON numeric_codes (certificate_id) WHERE spent = 0;

-- Codes used up, each by one request of one relying party.
CREATE TABLE spent_codes (
    certificate_id TEXT COLLATE "C" NOT NULL,
    code_id BYTEA NOT NULL,
    rp_id TEXT COLLATE "C" NOT NULL,
    redemption_id TEXT COLLATE "C" NOT NULL,
    request_mac BYTEA NOT NULL,
    spent_at BIGINT NOT NULL,
    PRIMARY KEY (certificate_id, code_id)
);
CREATE INDEX spent_codes_spent_at ON spent_codes USING brin (spent_at);

-- The protected headers of signed tokens, each the same in millions of them, by their SHA-256. A stored token is
-- `hash.payload.signature`.
CREATE TABLE jws_headers (
    id TEXT PRIMARY KEY NOT NULL,
    header TEXT NOT NULL
);

CREATE TABLE redemptions (
    rp_id TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    certificate_id TEXT COLLATE "C" NOT NULL,
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
    PRIMARY KEY (rp_id, id),
    CHECK ((state = 'challenged') = (closed_at IS NULL)),
    CHECK (state <> 'challenged' OR sealed_answer IS NULL)
);
-- Sealed bytes do not compress, and a redemption has room for them in its page.
ALTER TABLE redemptions ALTER sealed_answer SET STORAGE EXTERNAL, SET (toast_tuple_target = 8160);
CREATE INDEX redemptions_readable ON redemptions (closed_at) WHERE sealed_answer IS NOT NULL;

-- Partitioned by the day on which the redemption was opened: its id sorts by time.
CREATE TABLE attempts (
    rp_id TEXT COLLATE "C" NOT NULL,
    redemption_id TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    service TEXT NOT NULL,
    outcome TEXT NOT NULL CHECK (outcome IN ('passed', 'failed', 'unusable')),
    reason TEXT,
    charge_id TEXT COLLATE "C",
    receipt TEXT NOT NULL,
    judged_at BIGINT NOT NULL,
    PRIMARY KEY (rp_id, redemption_id, id),
    CHECK ((outcome = 'unusable') = (charge_id IS NULL))
) PARTITION BY RANGE (redemption_id);
CREATE TABLE attempts_default PARTITION OF attempts DEFAULT;

-- `book` is the relying party whose money it is about.
CREATE TABLE ledger_transactions (
    book TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    kind TEXT NOT NULL,
    reverses TEXT COLLATE "C",
    posted_at BIGINT NOT NULL,
    PRIMARY KEY (book, id)
);

CREATE TABLE postings (
    book TEXT COLLATE "C" NOT NULL,
    transaction_id TEXT COLLATE "C" NOT NULL,
    line BIGINT NOT NULL,
    account TEXT NOT NULL,
    currency TEXT NOT NULL,
    micros BIGINT NOT NULL,
    PRIMARY KEY (book, transaction_id, line)
);

-- The primary key is the promise: a redemption is charged once. Partitioned like attempts.
CREATE TABLE charges (
    rp_id TEXT COLLATE "C" NOT NULL,
    redemption_id TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    attempt_id TEXT COLLATE "C" NOT NULL,
    service TEXT NOT NULL,
    price_version TEXT NOT NULL,
    currency TEXT NOT NULL,
    micros BIGINT NOT NULL,
    transaction_id TEXT COLLATE "C" NOT NULL,
    usage_date TEXT NOT NULL,
    charged_at BIGINT NOT NULL,
    PRIMARY KEY (rp_id, redemption_id)
) PARTITION BY RANGE (redemption_id);
CREATE TABLE charges_default PARTITION OF charges DEFAULT;

CREATE TABLE idempotency_keys (
    rp_id TEXT COLLATE "C" NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    fingerprint BYTEA NOT NULL,
    lease TEXT NOT NULL,
    leased_until BIGINT NOT NULL,
    sealed_answer BYTEA,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (rp_id, key)
);
CREATE INDEX idempotency_keys_created_at ON idempotency_keys USING brin (created_at);

-- Counters of wrong codes, by subject and window.
CREATE TABLE throttles (
    subject TEXT NOT NULL,
    window_start BIGINT NOT NULL,
    count BIGINT NOT NULL,
    PRIMARY KEY (subject, window_start)
);

-- Partitioned by day: the id sorts by time.
CREATE TABLE audit (
    actor TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    action TEXT NOT NULL,
    object TEXT NOT NULL,
    outcome TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (actor, id)
) PARTITION BY RANGE (id);
CREATE TABLE audit_default PARTITION OF audit DEFAULT;

CREATE TABLE outbox (
    id TEXT COLLATE "C" PRIMARY KEY NOT NULL,
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
