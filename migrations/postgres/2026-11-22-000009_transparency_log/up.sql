-- The transparency log (docs/adr/0018): every line of the audit trail but openings is queued here by a trigger, in the transaction
-- of the act, so that no way of acting can forget it. The sequencer takes from the queue what is committed, in whatever order
-- that came, and the row leaves the queue in the transaction that gives it its place.
CREATE TABLE log_queue (
    id TEXT COLLATE "C" PRIMARY KEY NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    object TEXT NOT NULL,
    outcome TEXT NOT NULL,
    at BIGINT NOT NULL
);

-- What each leaf commits to. The public sees commitments only.
CREATE TABLE log_entries (
    log_index BIGINT PRIMARY KEY NOT NULL,
    id TEXT COLLATE "C" NOT NULL UNIQUE,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    object TEXT COLLATE "C" NOT NULL,
    outcome TEXT NOT NULL,
    at BIGINT NOT NULL
);
CREATE INDEX log_entries_object ON log_entries (object);

-- Hashes of the tree, 256 a tile or fewer at its edge; level -1 has the entries themselves.
CREATE TABLE log_tiles (
    level BIGINT NOT NULL,
    tile_index BIGINT NOT NULL,
    hashes BYTEA NOT NULL,
    PRIMARY KEY (level, tile_index)
);

-- The newest checkpoint. The log grows by a compare-and-set of its size.
CREATE TABLE log_heads (
    name TEXT PRIMARY KEY NOT NULL,
    size BIGINT NOT NULL,
    checkpoint TEXT NOT NULL,
    signed_at BIGINT NOT NULL
);

CREATE FUNCTION queue_for_the_log() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO log_queue (id, actor, action, object, outcome, at)
    SELECT id, actor, action, object, outcome, at FROM added
    WHERE action <> 'redemption.open' OR outcome <> 'challenged'
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER audit_logged AFTER INSERT ON audit REFERENCING NEW TABLE AS added
FOR EACH STATEMENT EXECUTE FUNCTION queue_for_the_log();

-- What was done before there was a log.
INSERT INTO log_queue (id, actor, action, object, outcome, at)
SELECT id, actor, action, object, outcome, at FROM audit WHERE action <> 'redemption.open' OR outcome <> 'challenged';
