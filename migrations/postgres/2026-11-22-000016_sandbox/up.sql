-- A relying party of the sandbox (docs/adr/0024) is one for its whole life: it redeems codes of people who are not there, and what its books
-- say counts nowhere else.
ALTER TABLE relying_parties ADD COLUMN sandbox BIGINT NOT NULL DEFAULT 0 CHECK (sandbox IN (0, 1));
CREATE INDEX relying_parties_of_the_sandbox ON relying_parties (id) WHERE sandbox = 1;

-- What time it is for the bills of a relying party of the sandbox: `at`, where it stands still; the real time, where there is none. While it is
-- on its way, to `target`, it is where it has come to. Everything that happens by itself has happened until `through`. Each change of
-- whether it stands or moves counts in `epoch`, so that what was begun before is not written after.
CREATE TABLE test_clocks (
    rp_id TEXT COLLATE "C" PRIMARY KEY NOT NULL,
    at BIGINT,
    target BIGINT,
    through BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    CHECK (target IS NULL OR at <= target)
);
CREATE INDEX test_clocks_advancing ON test_clocks (rp_id) WHERE target IS NOT NULL;
