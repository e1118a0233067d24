ALTER TABLE redemptions RESET (fillfactor);
DROP INDEX redemptions_opened_at;
CREATE INDEX redemptions_readable ON redemptions (closed_at) WHERE sealed_answer IS NOT NULL;
DROP TRIGGER relying_parties_changed ON relying_parties;
DROP TRIGGER api_keys_changed ON api_keys;
DROP TRIGGER purposes_changed ON purposes;
DROP TRIGGER subscriptions_changed ON subscriptions;
DROP FUNCTION count_change();
DROP TABLE changes;
