DROP TABLE over_askings;
DROP TABLE past_uses;
DROP TABLE standing_numbers;
DROP TABLE approvals;
ALTER TABLE redemptions DROP COLUMN phase;
