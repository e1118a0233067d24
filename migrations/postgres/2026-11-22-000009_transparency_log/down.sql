DROP TRIGGER audit_logged ON audit;
DROP FUNCTION queue_for_the_log();
DROP TABLE log_heads;
DROP TABLE log_tiles;
DROP TABLE log_entries;
DROP TABLE log_queue;
