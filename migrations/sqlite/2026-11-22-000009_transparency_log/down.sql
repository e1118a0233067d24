DROP TRIGGER audit_logged;
DROP TABLE log_heads;
DROP TABLE log_tiles;
DROP TABLE log_entries;
DROP TABLE log_queue;
