-- Where relying parties are told of what happens: a webhook, or a mail address. `sealed_target`: the address, and the secrets of a webhook.
-- `events`: which kinds, or `*`. Who serves an endpoint holds it until `leased_until`, so that one that is slow or dead takes up one
-- worker; `quick`: it took the last event in good time (docs/adr/0023).
CREATE TABLE endpoints (
    rp_id TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL UNIQUE,
    channel TEXT NOT NULL CHECK (channel IN ('webhook', 'mail')),
    events TEXT NOT NULL,
    sealed_target BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    confirmed_at BIGINT,
    disabled_at BIGINT,
    disabled_why TEXT,
    failing_since BIGINT,
    quick BIGINT NOT NULL CHECK (quick IN (0, 1)),
    leased_until BIGINT NOT NULL,
    leased_by TEXT NOT NULL,
    CHECK ((disabled_at IS NULL) = (disabled_why IS NULL)),
    PRIMARY KEY (rp_id, id)
);

-- What is to be told, written with what it tells of, and what became of it. `begun_at`: from when on it is tried, for a day.
CREATE TABLE deliveries (
    rp_id TEXT COLLATE "C" NOT NULL,
    endpoint_id TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    event_id TEXT COLLATE "C" NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'delivered', 'dead')),
    tries BIGINT NOT NULL CHECK (tries >= 0),
    created_at BIGINT NOT NULL,
    begun_at BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    done_at BIGINT,
    outcome TEXT,
    CHECK ((state = 'waiting') = (done_at IS NULL)),
    PRIMARY KEY (rp_id, endpoint_id, id)
);
CREATE UNIQUE INDEX deliveries_event ON deliveries (endpoint_id, event_id);
CREATE INDEX deliveries_waiting ON deliveries (due_at) WHERE state = 'waiting';
CREATE INDEX deliveries_of_endpoint ON deliveries (endpoint_id, due_at) WHERE state = 'waiting';
CREATE INDEX deliveries_done ON deliveries (done_at) WHERE state <> 'waiting';

-- How far the transparency log was read for what is to be told.
CREATE TABLE event_cursors (
    name TEXT PRIMARY KEY NOT NULL,
    position BIGINT NOT NULL CHECK (position >= 0)
);
