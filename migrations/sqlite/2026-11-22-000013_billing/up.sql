-- A use is charged on account, or to a pack: `pack_id` then says to which, and `micros` is 0. `period` is the billing period that the
-- charge is stated in (docs/adr/0022); nothing for charges from before there were periods, which are of the day `usage_date`.
ALTER TABLE charges ADD COLUMN pack_id TEXT;
ALTER TABLE charges ADD COLUMN period TEXT;
ALTER TABLE charges ADD COLUMN submitted_at INTEGER;

-- Units of a service, bought beforehand. What is left is what the unit ledger says, kept here to be drawn by compare-and-set.
CREATE TABLE packs (
    rp_id TEXT NOT NULL,
    id TEXT NOT NULL,
    service TEXT NOT NULL,
    origin TEXT NOT NULL,
    paid_micros INTEGER NOT NULL CHECK (paid_micros >= 0),
    earned_micros INTEGER NOT NULL CHECK (earned_micros BETWEEN 0 AND paid_micros),
    units INTEGER NOT NULL CHECK (units > 0),
    remaining INTEGER NOT NULL CHECK (remaining BETWEEN 0 AND units),
    monthly INTEGER NOT NULL CHECK (monthly IN (0, 1)),
    granted_at INTEGER NOT NULL,
    starts_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL CHECK (expires_at > starts_at),
    voided_at INTEGER,
    PRIMARY KEY (rp_id, id)
) STRICT;
CREATE INDEX packs_to_draw ON packs (rp_id, service, expires_at, id) WHERE remaining > 0;
CREATE INDEX packs_to_void ON packs (expires_at) WHERE voided_at IS NULL;

-- What a relying party has paid beforehand, in micro-yuan: the sum of the postings to its account `rp:…:balance`. Every change names the
-- transaction that it came with.
CREATE TABLE balances (
    rp_id TEXT PRIMARY KEY NOT NULL,
    micros INTEGER NOT NULL CHECK (micros >= 0),
    transaction_id TEXT NOT NULL
) STRICT;

-- How often a service is billed; daily where nothing is said.
CREATE TABLE billing_cycles (
    service TEXT PRIMARY KEY NOT NULL,
    cycle TEXT NOT NULL CHECK (cycle IN ('hourly', 'daily', 'monthly')),
    since INTEGER NOT NULL
) STRICT;

-- The bill of a relying party for a period, for ever. The late fee is fixed when the last of it is paid, and collected when the balance reaches.
CREATE TABLE statements (
    rp_id TEXT NOT NULL,
    period TEXT NOT NULL,
    id TEXT NOT NULL UNIQUE,
    starts_at INTEGER NOT NULL,
    ends_at INTEGER NOT NULL,
    uses INTEGER NOT NULL CHECK (uses > 0),
    micros INTEGER NOT NULL CHECK (micros >= 0),
    root BLOB NOT NULL,
    token TEXT NOT NULL,
    closed_at INTEGER NOT NULL,
    paid_micros INTEGER NOT NULL CHECK (paid_micros BETWEEN 0 AND micros),
    late_fee_micros INTEGER NOT NULL CHECK (late_fee_micros >= 0),
    settled_at INTEGER,
    late_fee_paid_at INTEGER,
    PRIMARY KEY (rp_id, period)
) STRICT;
CREATE INDEX statements_owed ON statements (rp_id, closed_at) WHERE late_fee_paid_at IS NULL;

CREATE TABLE statement_items (
    rp_id TEXT NOT NULL,
    period TEXT NOT NULL,
    line INTEGER NOT NULL,
    service TEXT NOT NULL,
    price_version TEXT NOT NULL,
    pack_id TEXT,
    uses INTEGER NOT NULL CHECK (uses > 0),
    micros INTEGER NOT NULL CHECK (micros >= 0),
    PRIMARY KEY (rp_id, period, line)
) STRICT;

-- Payments of a statement, so that what was owed on each day can be told ever after.
CREATE TABLE settlement_payments (
    rp_id TEXT NOT NULL,
    period TEXT NOT NULL,
    transaction_id TEXT NOT NULL,
    micros INTEGER NOT NULL CHECK (micros > 0),
    paid_at INTEGER NOT NULL,
    PRIMARY KEY (rp_id, period, transaction_id)
) STRICT;

-- Periods of which every relying party's statement is made.
CREATE TABLE closed_periods (
    period TEXT PRIMARY KEY NOT NULL,
    statements INTEGER NOT NULL,
    micros INTEGER NOT NULL,
    closed_at INTEGER NOT NULL
) STRICT;

-- What was spent on a day of what a cap counts, for caps that there are; and when its owner was told that it is reached.
CREATE TABLE cap_days (
    rp_id TEXT NOT NULL,
    cap_id TEXT NOT NULL,
    usage_date TEXT NOT NULL,
    micros INTEGER NOT NULL CHECK (micros >= 0),
    told_at INTEGER,
    PRIMARY KEY (rp_id, cap_id, usage_date)
) STRICT;

-- Alerts on what is left of the packs of a service, and which were given: for packs that were bought once, and for monthly ones.
CREATE TABLE pack_alerts (
    rp_id TEXT NOT NULL,
    service TEXT NOT NULL,
    enabled INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    threshold INTEGER NOT NULL CHECK (threshold BETWEEN 1 AND 99),
    once_state TEXT,
    monthly_state TEXT,
    PRIMARY KEY (rp_id, service)
) STRICT;

-- What a relying party is told of on its pages; webhooks and mail carry the same.
CREATE TABLE messages (
    rp_id TEXT NOT NULL,
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (rp_id, id)
) STRICT;

-- Since when a statement of theirs is not covered (whether they are suspended for it is told by the clock); and what they must not, or want to
-- be told if they do, spend a day, as JSON: few have any, and whoever reads a relying party needs them.
ALTER TABLE relying_parties ADD COLUMN arrears_since INTEGER;
ALTER TABLE relying_parties ADD COLUMN caps TEXT;

-- A transaction whose postings do not sum to zero does not come to be: they are written first. What is posted stays as it is.
CREATE TRIGGER ledger_is_balanced AFTER INSERT ON ledger_transactions
WHEN EXISTS (SELECT 1 FROM postings p WHERE p.book = NEW.book AND p.transaction_id = NEW.id GROUP BY p.currency HAVING SUM(p.micros) <> 0)
BEGIN SELECT RAISE(ABORT, 'the postings of a transaction do not sum to zero'); END;
CREATE TRIGGER postings_stay BEFORE UPDATE ON postings
BEGIN SELECT RAISE(ABORT, 'what is billed is never changed'); END;
CREATE TRIGGER ledger_transactions_stay BEFORE UPDATE ON ledger_transactions
BEGIN SELECT RAISE(ABORT, 'what is billed is never changed'); END;
CREATE TRIGGER charges_stay BEFORE UPDATE ON charges
BEGIN SELECT RAISE(ABORT, 'what is billed is never changed'); END;
CREATE TRIGGER statement_items_stay BEFORE UPDATE ON statement_items
BEGIN SELECT RAISE(ABORT, 'what is billed is never changed'); END;
