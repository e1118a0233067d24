-- How a redemption stands that is not simply challenged on the relying party's device: `awaiting_holder` (its `deadline` is then the
-- moment of asking, so that a program which knows no phases takes it for expired), `holder` (challenged on the holder's phone),
-- `cancelled`, `refused`, `reported`, `number_mismatch`. Its `state` stays `challenged` until it is judged. Without a CHECK, as `liveness`.
ALTER TABLE redemptions ADD COLUMN phase TEXT;

-- What a relying party asks the holder on their own phone: the number that both compare, and the amount if it states one.
CREATE TABLE approvals (
    rp_id TEXT NOT NULL,
    redemption_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    wrong_numbers INTEGER NOT NULL,
    amount_currency TEXT,
    amount_micros INTEGER,
    PRIMARY KEY (rp_id, redemption_id),
    CHECK ((amount_currency IS NULL) = (amount_micros IS NULL))
) STRICT;

-- Numbers that stand until the holder ends them, or an admin does. An ended one is never given to anybody again.
CREATE TABLE standing_numbers (
    number_mac BLOB PRIMARY KEY NOT NULL,
    holder_id TEXT NOT NULL REFERENCES holders (id),
    share TEXT NOT NULL,
    made_at INTEGER NOT NULL,
    ended_at INTEGER,
    reason TEXT,
    CHECK ((ended_at IS NULL) = (reason IS NULL))
) STRICT;
CREATE UNIQUE INDEX standing_numbers_one_live ON standing_numbers (holder_id) WHERE ended_at IS NULL;

-- Codes used up more than two days ago: what of `spent_codes` is kept, so that the holder sees all uses.
CREATE TABLE past_uses (
    certificate_id TEXT NOT NULL,
    redemption_id TEXT NOT NULL,
    rp_id TEXT NOT NULL,
    PRIMARY KEY (certificate_id, redemption_id)
) STRICT;

-- Codes that were shown to somebody who asked for more than they registered: refused, and told to the holder.
CREATE TABLE over_askings (
    certificate_id TEXT NOT NULL,
    code_id BLOB NOT NULL,
    rp_id TEXT NOT NULL,
    purpose TEXT NOT NULL,
    asked TEXT NOT NULL,
    refusal TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (certificate_id, code_id, rp_id)
) STRICT;
