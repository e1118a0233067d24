-- How a service is billed from `since` on, until a later row of the same service; before its first row daily. A boundary of both cycles.
CREATE TABLE billing_cycles_since (
    service TEXT NOT NULL,
    cycle TEXT NOT NULL CHECK (cycle IN ('hourly', 'daily', 'monthly')),
    since INTEGER NOT NULL,
    PRIMARY KEY (service, since)
) STRICT;
INSERT INTO billing_cycles_since (service, cycle, since) SELECT service, cycle, since FROM billing_cycles;
DROP TABLE billing_cycles;
ALTER TABLE billing_cycles_since RENAME TO billing_cycles;

-- What all who have bought one of `services` (names with a space between them) are told. Told to those up to `told_up_to`; to all since `told_at`.
CREATE TABLE announcements (
    id TEXT PRIMARY KEY NOT NULL,
    kind TEXT NOT NULL,
    services TEXT NOT NULL,
    body TEXT NOT NULL,
    at INTEGER NOT NULL,
    told_up_to TEXT NOT NULL,
    told_at INTEGER
) STRICT;
CREATE INDEX announcements_waiting ON announcements (id) WHERE told_at IS NULL;

-- What all relying parties owe for a period.
CREATE INDEX statements_of_period ON statements (period);

-- By which key the relying party asked: its caps count what the holder's phone captured.
ALTER TABLE approvals ADD COLUMN api_key_id TEXT;
