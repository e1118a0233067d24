-- Who works here (docs/adr/0033). An admin is a person with passkeys, or a script with a token that ends; what each may do follows from `roles`, words with a
-- space between them. An invited one proves themselves once by the secret behind `invitation_hash`.
ALTER TABLE admins ALTER COLUMN token_hash DROP NOT NULL;
ALTER TABLE admins ADD COLUMN roles TEXT NOT NULL DEFAULT '';
ALTER TABLE admins ADD COLUMN token_expires_at BIGINT;
ALTER TABLE admins ADD COLUMN invitation_hash BYTEA;
ALTER TABLE admins ADD COLUMN invitation_expires_at BIGINT;
ALTER TABLE admins ADD COLUMN ended_at BIGINT;
-- Whoever was an admin could do everything; a token from before there were ends lasts for 90 days more.
UPDATE admins SET roles = 'auditor finance operator', token_expires_at = (EXTRACT(EPOCH FROM now())::BIGINT + 90 * 86400) * 1000000;
CREATE UNIQUE INDEX admins_invitation_hash ON admins (invitation_hash) WHERE invitation_hash IS NOT NULL;

-- What an admin's authenticator proves. `credential` is its public half, as the WebAuthn library keeps it; `sign_count` guards each change of it.
CREATE TABLE passkeys (
    id TEXT PRIMARY KEY NOT NULL,
    admin_id TEXT NOT NULL,
    name TEXT NOT NULL,
    credential_id BYTEA NOT NULL UNIQUE,
    credential TEXT NOT NULL,
    sign_count BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT
);
CREATE INDEX passkeys_admin_id ON passkeys (admin_id);

-- What an authenticator was asked and has not answered yet. Whatever it answers, it is asked once.
CREATE TABLE ceremonies (
    id TEXT PRIMARY KEY NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('registration', 'sign-in', 'step-up')),
    subject TEXT,
    state TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT
);

-- An admin at a browser, known by the hash of a cookie that changes with each sign-in and step-up.
CREATE TABLE admin_sessions (
    id TEXT PRIMARY KEY NOT NULL,
    admin_id TEXT NOT NULL,
    secret_hash BYTEA NOT NULL UNIQUE,
    started_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    ends_at BIGINT NOT NULL,
    stepped_up_until BIGINT
);
CREATE INDEX admin_sessions_admin_id ON admin_sessions (admin_id);

-- Acts that take a second person. `parameters` are JSON without personal data; what a file holds lies sealed in `payload` until it is decided. Nobody decides
-- their own, but the very first admin, who has nobody beside them yet.
CREATE TABLE admin_actions (
    id TEXT COLLATE "C" PRIMARY KEY NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    parameters TEXT NOT NULL,
    payload BYTEA,
    reason TEXT,
    requested_by TEXT NOT NULL,
    requested_at BIGINT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('requested', 'approved', 'done', 'failed', 'rejected')),
    decided_by TEXT,
    decided_at BIGINT,
    outcome TEXT,
    CHECK ((state = 'requested') = (decided_by IS NULL)),
    CHECK ((state = 'requested') = (decided_at IS NULL)),
    CHECK (state IN ('requested', 'rejected') OR decided_by <> requested_by OR COALESCE(outcome, '') = 'alone')
);
CREATE INDEX admin_actions_state ON admin_actions (state, id);

-- Why somebody who works here did it, in their words.
ALTER TABLE audit ADD COLUMN why TEXT;
