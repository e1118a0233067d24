-- The transparency log (docs/adr/0018): every line of the audit trail but openings is queued here by a trigger, in the transaction
-- of the act, so that no way of acting can forget it. The sequencer takes from the queue what is committed, in whatever order
-- that came, and the row leaves the queue in the transaction that gives it its place.
CREATE TABLE log_queue (
    id TEXT PRIMARY KEY NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    object TEXT NOT NULL,
    outcome TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT;

-- What each leaf commits to. The public sees commitments only.
CREATE TABLE log_entries (
    log_index INTEGER PRIMARY KEY NOT NULL,
    id TEXT NOT NULL UNIQUE,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    object TEXT NOT NULL,
    outcome TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT;
CREATE INDEX log_entries_object ON log_entries (object);

-- Hashes of the tree, 256 a tile or fewer at its edge; level -1 has the entries themselves.
CREATE TABLE log_tiles (
    level INTEGER NOT NULL,
    tile_index INTEGER NOT NULL,
    hashes BLOB NOT NULL,
    PRIMARY KEY (level, tile_index)
) STRICT;

-- The newest checkpoint. The log grows by a compare-and-set of its size.
CREATE TABLE log_heads (
    name TEXT PRIMARY KEY NOT NULL,
    size INTEGER NOT NULL,
    checkpoint TEXT NOT NULL,
    signed_at INTEGER NOT NULL
) STRICT;

CREATE TRIGGER audit_logged AFTER INSERT ON audit
WHEN NEW.action <> 'redemption.open' OR NEW.outcome <> 'challenged'
BEGIN
    INSERT OR IGNORE INTO log_queue (id, actor, action, object, outcome, at)
    VALUES (NEW.id, NEW.actor, NEW.action, NEW.object, NEW.outcome, NEW.at);
END;

-- What was done before there was a log.
INSERT INTO log_queue (id, actor, action, object, outcome, at)
SELECT id, actor, action, object, outcome, at FROM audit WHERE action <> 'redemption.open' OR outcome <> 'challenged';
