ALTER TABLE redemptions DROP COLUMN terminal_id;
DROP TABLE terminals;
