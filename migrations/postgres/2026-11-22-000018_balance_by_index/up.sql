-- The same rule as before, looked up by the primary key for each transaction. As a join it was planned while the table was small, and then read
-- all postings in every round.
CREATE OR REPLACE FUNCTION ledger_is_balanced() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM added t WHERE EXISTS (
        SELECT 1 FROM postings p WHERE p.book = t.book AND p.transaction_id = t.id
        GROUP BY p.currency HAVING SUM(p.micros) <> 0)) THEN
        RAISE EXCEPTION 'the postings of a transaction do not sum to zero';
    END IF;
    RETURN NULL;
END $$;
