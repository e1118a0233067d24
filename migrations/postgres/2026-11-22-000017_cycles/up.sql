-- How a service is billed from `since` on, until a later row of the same service; before its first row daily. A boundary of both cycles.
ALTER TABLE billing_cycles DROP CONSTRAINT billing_cycles_pkey;
ALTER TABLE billing_cycles ADD PRIMARY KEY (service, since);

-- What all who have bought one of `services` (names with a space between them) are told. Told to those up to `told_up_to`; to all since `told_at`.
CREATE TABLE announcements (
    id TEXT COLLATE "C" PRIMARY KEY NOT NULL,
    kind TEXT NOT NULL,
    services TEXT NOT NULL,
    body TEXT NOT NULL,
    at BIGINT NOT NULL,
    told_up_to TEXT COLLATE "C" NOT NULL,
    told_at BIGINT
);
CREATE INDEX announcements_waiting ON announcements (id) WHERE told_at IS NULL;

-- What all relying parties owe for a period.
CREATE INDEX statements_of_period ON statements (period);

-- By which key the relying party asked: its caps count what the holder's phone captured.
ALTER TABLE approvals ADD COLUMN api_key_id TEXT COLLATE "C";
