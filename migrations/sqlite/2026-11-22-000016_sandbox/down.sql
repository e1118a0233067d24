DROP TABLE test_clocks;
DROP INDEX relying_parties_of_the_sandbox;
ALTER TABLE relying_parties DROP COLUMN sandbox;
