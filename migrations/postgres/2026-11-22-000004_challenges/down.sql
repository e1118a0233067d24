ALTER TABLE enrolments DROP COLUMN liveness;
ALTER TABLE redemptions DROP COLUMN liveness;
