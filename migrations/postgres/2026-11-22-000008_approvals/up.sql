-- How a redemption stands that is not simply challenged on the relying party's device: `awaiting_holder` (its `deadline` is then the
-- moment of asking, so that a program which knows no phases takes it for expired), `holder` (challenged on the holder's phone),
-- `cancelled`, `refused`, `reported`, `number_mismatch`. Its `state` stays `challenged` until it is judged. Without a CHECK, as `liveness`.
ALTER TABLE redemptions ADD COLUMN phase TEXT;

-- What a relying party asks the holder on their own phone: the number that both compare, and the amount if it states one.
CREATE TABLE approvals (
    rp_id TEXT COLLATE "C" NOT NULL,
    redemption_id TEXT COLLATE "C" NOT NULL,
    number BIGINT NOT NULL,
    wrong_numbers BIGINT NOT NULL,
    amount_currency TEXT,
    amount_micros BIGINT,
    PRIMARY KEY (rp_id, redemption_id),
    CHECK ((amount_currency IS NULL) = (amount_micros IS NULL))
);

-- Numbers that stand until the holder ends them, or an admin does. An ended one is never given to anybody again.
CREATE TABLE standing_numbers (
    number_mac BYTEA PRIMARY KEY NOT NULL,
    holder_id TEXT COLLATE "C" NOT NULL REFERENCES holders (id),
    share TEXT NOT NULL,
    made_at BIGINT NOT NULL,
    ended_at BIGINT,
    reason TEXT,
    CHECK ((ended_at IS NULL) = (reason IS NULL))
);
CREATE UNIQUE INDEX standing_numbers_one_live ON standing_numbers (holder_id) WHERE ended_at IS NULL;

-- Codes used up more than two days ago: what of `spent_codes` is kept, so that the holder sees all uses.
CREATE TABLE past_uses (
    certificate_id TEXT COLLATE "C" NOT NULL,
    redemption_id TEXT COLLATE "C" NOT NULL,
    rp_id TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (certificate_id, redemption_id)
);

-- Codes that were shown to somebody who asked for more than they registered: refused, and told to the holder.
CREATE TABLE over_askings (
    certificate_id TEXT COLLATE "C" NOT NULL,
    code_id BYTEA NOT NULL,
    rp_id TEXT COLLATE "C" NOT NULL,
    purpose TEXT NOT NULL,
    asked TEXT NOT NULL,
    refusal TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (certificate_id, code_id, rp_id)
);
