-- How liveness is to be shown: `actions`, `flash`, `digits`; nothing means `silent`. The steps follow from the nonce. Without a
-- CHECK: adding one reads every redemption there is while nobody may write; what the column holds is checked by whoever reads it.
ALTER TABLE redemptions ADD COLUMN liveness TEXT;
ALTER TABLE enrolments ADD COLUMN liveness TEXT;
