ALTER TABLE holders DROP COLUMN held_at;
