-- How often what replicas keep in memory was changed: they look here once a second, and read anew only what may have become
-- another. Triggers count, so that no way of changing it can be forgotten.
CREATE TABLE changes (
    subject TEXT PRIMARY KEY NOT NULL,
    count INTEGER NOT NULL
) STRICT;
INSERT INTO changes (subject, count) VALUES ('relying_parties', 0);

CREATE TRIGGER relying_parties_inserted AFTER INSERT ON relying_parties
BEGIN UPDATE changes SET count = count + 1 WHERE subject = 'relying_parties'; END;
CREATE TRIGGER relying_parties_updated AFTER UPDATE ON relying_parties
BEGIN UPDATE changes SET count = count + 1 WHERE subject = 'relying_parties'; END;
CREATE TRIGGER relying_parties_deleted AFTER DELETE ON relying_parties
BEGIN UPDATE changes SET count = count + 1 WHERE subject = 'relying_parties'; END;
CREATE TRIGGER api_keys_inserted AFTER INSERT ON api_keys
BEGIN UPDATE changes SET count = count + 1 WHERE subject = 'relying_parties'; END;
CREATE TRIGGER api_keys_updated AFTER UPDATE ON api_keys
BEGIN UPDATE changes SET count = count + 1 WHERE subject = 'relying_parties'; END;
CREATE TRIGGER api_keys_deleted AFTER DELETE ON api_keys
BEGIN UPDATE changes SET count = count + 1 WHERE subject = 'relying_parties'; END;
CREATE TRIGGER purposes_inserted AFTER INSERT ON purposes
BEGIN UPDATE changes SET count = count + 1 WHERE subject = 'relying_parties'; END;
CREATE TRIGGER purposes_updated AFTER UPDATE ON purposes
BEGIN UPDATE changes SET count = count + 1 WHERE subject = 'relying_parties'; END;
CREATE TRIGGER purposes_deleted AFTER DELETE ON purposes
BEGIN UPDATE changes SET count = count + 1 WHERE subject = 'relying_parties'; END;
CREATE TRIGGER subscriptions_inserted AFTER INSERT ON subscriptions
BEGIN UPDATE changes SET count = count + 1 WHERE subject = 'relying_parties'; END;
CREATE TRIGGER subscriptions_updated AFTER UPDATE ON subscriptions
BEGIN UPDATE changes SET count = count + 1 WHERE subject = 'relying_parties'; END;
CREATE TRIGGER subscriptions_deleted AFTER DELETE ON subscriptions
BEGIN UPDATE changes SET count = count + 1 WHERE subject = 'relying_parties'; END;

-- By a column that does not change when a redemption is closed.
DROP INDEX redemptions_readable;
CREATE INDEX redemptions_opened_at ON redemptions (opened_at);
