ALTER TABLE certificates DROP COLUMN sealed_portrait;
ALTER TABLE holders DROP COLUMN held_at;
