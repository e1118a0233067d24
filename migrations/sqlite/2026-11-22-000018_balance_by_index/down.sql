-- SQLite's trigger looks a transaction up by the primary key already.
SELECT 1;
