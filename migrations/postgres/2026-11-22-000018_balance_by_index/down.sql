CREATE OR REPLACE FUNCTION ledger_is_balanced() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM added t JOIN postings p ON p.book = t.book AND p.transaction_id = t.id
               GROUP BY t.book, t.id, p.currency HAVING SUM(p.micros) <> 0) THEN
        RAISE EXCEPTION 'the postings of a transaction do not sum to zero';
    END IF;
    RETURN NULL;
END $$;
