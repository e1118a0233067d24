ALTER TABLE approvals DROP COLUMN api_key_id;
DROP INDEX statements_of_period;
DROP TABLE announcements;
CREATE TABLE billing_cycles_alone (
    service TEXT PRIMARY KEY NOT NULL,
    cycle TEXT NOT NULL CHECK (cycle IN ('hourly', 'daily', 'monthly')),
    since INTEGER NOT NULL
) STRICT;
INSERT INTO billing_cycles_alone (service, cycle, since)
    SELECT service, cycle, since FROM billing_cycles b
    WHERE since = (SELECT MAX(since) FROM billing_cycles o WHERE o.service = b.service);
DROP TABLE billing_cycles;
ALTER TABLE billing_cycles_alone RENAME TO billing_cycles;
