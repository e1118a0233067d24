ALTER TABLE approvals DROP COLUMN api_key_id;
DROP INDEX statements_of_period;
DROP TABLE announcements;
DELETE FROM billing_cycles b WHERE since < (SELECT MAX(since) FROM billing_cycles o WHERE o.service = b.service);
ALTER TABLE billing_cycles DROP CONSTRAINT billing_cycles_pkey;
ALTER TABLE billing_cycles ADD PRIMARY KEY (service);
