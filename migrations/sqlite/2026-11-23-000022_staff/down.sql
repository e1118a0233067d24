ALTER TABLE audit DROP COLUMN why;
DROP TABLE admin_actions;
DROP TABLE admin_sessions;
DROP TABLE ceremonies;
DROP TABLE passkeys;
DROP INDEX admins_invitation_hash;
CREATE TABLE admins_without_roles (
    id TEXT PRIMARY KEY NOT NULL,
    name TEXT NOT NULL,
    token_hash BLOB NOT NULL UNIQUE,
    created_at INTEGER NOT NULL
) STRICT;
INSERT INTO admins_without_roles (id, name, token_hash, created_at)
SELECT id, name, token_hash, created_at FROM admins WHERE token_hash IS NOT NULL;
DROP TABLE admins;
ALTER TABLE admins_without_roles RENAME TO admins;
