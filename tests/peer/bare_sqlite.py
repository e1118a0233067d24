"""Bare SQLite's side of `bench db`: the very rows that one redemption leaves behind, written durably and with nothing around them.

usage: bare_sqlite.py DATABASE FOLDER

Copies DATABASE into FOLDER and answers `ready` on stdout. Then each line on stdin is a request, answered with a line of JSON:
  rows        finds the rows that DATABASE has since gained or changed: {table: count}
  SECONDS     writes them for that long, one transaction a redemption: {"redemptions", "wall_s", "cpu_s"}
The transparency log is left out: its job writes in batches, and what a redemption has to do with it, its place in the queue, a trigger adds here too.
New ids, codes and keys get a fresh value each time, the same one in every row that names it; all else is written as it was.
"""
import json
import random
import re
import sqlite3
import sys
import time

# What the service sets.
PRAGMAS = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA busy_timeout = 5000;"
ULID = re.compile(r"([a-z]+_)[0-9A-HJKMNP-TV-Z]{26}")
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def tables(db):
    names = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE '\\_\\_%' ESCAPE '\\'"
    return [name for (name,) in db.execute(names) if not name.startswith("log_")]


def columns(db, table):
    return [row[1] for row in db.execute(f"PRAGMA table_info({table})")]


def unique_columns(db, table):
    """The places of the columns that take part in a primary key or a unique index."""
    found = {row[0] for row in db.execute(f"PRAGMA table_info({table})") if row[5]}
    for index in db.execute(f"PRAGMA index_list({table})").fetchall():
        if index[2]:
            found |= {row[1] for row in db.execute(f"PRAGMA index_info({index[1]})")}
    return sorted(found)


def now_part():
    """The first ten letters of a ULID made now: ids rise with time, as the service's do."""
    milliseconds = time.time_ns() // 1_000_000
    return "".join(CROCKFORD[milliseconds >> shift & 31] for shift in range(45, -5, -5))


class Rows:
    """What one redemption leaves behind, as a recipe for the next."""

    def __init__(self, before, after):
        self.statements = []
        self.counts = {}
        self.tokens = {}
        known = set()
        gained = []
        for table in tables(after):
            unique = unique_columns(after, table)
            was = set(before.execute(f"SELECT * FROM {table}"))
            known |= {row[place] for row in was for place in unique}
            new = [row for row in after.execute(f"SELECT * FROM {table}") if row not in was]
            if new:
                gained.append((table, unique, new))
                self.counts[table] = len(new)
        for table, unique, new in gained:
            for row in new:
                for place in unique:
                    if isinstance(row[place], (str, bytes)) and row[place] not in known:
                        self.tokens.setdefault(row[place], len(self.tokens))
        # Parents before children, as the foreign keys want it.
        order = {table: place for place, table in enumerate(tables(after))}
        for table, _, new in sorted(gained, key=lambda each: order[each[0]]):
            names = columns(after, table)
            sql = f"INSERT OR REPLACE INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
            for row in new:
                places = [(place, self.tokens[cell]) for place, cell in enumerate(row)
                          if isinstance(cell, (str, bytes)) and cell in self.tokens]
                self.statements.append((sql, list(row), places))

    def fresh(self):
        now = now_part()
        for token in self.tokens:
            if isinstance(token, bytes):
                yield random.randbytes(len(token))
            elif match := ULID.fullmatch(token):
                yield f"{match[1]}{now}{random.getrandbits(64):016X}"
            else:
                yield f"{random.getrandbits(4 * len(token)):0{len(token)}x}"

    def write(self, db):
        fresh = list(self.fresh())
        db.execute("BEGIN IMMEDIATE")
        for sql, row, places in self.statements:
            for place, token in places:
                row[place] = fresh[token]
            db.execute(sql, row)
        db.execute("COMMIT")


def main(source, folder):
    live = sqlite3.connect(source, isolation_level=None)
    before = sqlite3.connect(f"{folder}/before.db", isolation_level=None)
    live.backup(before)
    print("ready", flush=True)
    rows, work = None, None
    for line in sys.stdin:
        if line.strip() == "rows":
            rows = Rows(before, live)
            live.close()
            work = sqlite3.connect(f"{folder}/work.db", isolation_level=None)
            before.backup(work)
            before.close()
            work.executescript(PRAGMAS)
            print(json.dumps(rows.counts), flush=True)
            continue
        count, wall, cpu = 0, time.perf_counter(), time.process_time()
        end = wall + float(line)
        while time.perf_counter() < end:
            rows.write(work)
            count += 1
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        print(json.dumps({"redemptions": count, "wall_s": wall, "cpu_s": cpu}), flush=True)


main(*sys.argv[1:])
