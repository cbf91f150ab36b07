"""What a rotation costs: part of `make bench`, and runs by itself for tables of another size or a server set up otherwise.

    rotate-keys --duty 100%   beside one UPDATE of both columns of a copy of the table
    load --file               alone, and while rotate-keys runs at its default duty

Invariant: every round begins with new copies of one database (create database … template): the same pages, indexes and
fillfactor for both sides. A rotation counts only if it moved every row and left none under the old key.
Bounded: ROWS rows, ROUNDS rounds, beside a rotation at most MOST_FILES files of FILE_ROWS rows: about as many rows as the
table has, because a rotation has to move most of what is loaded meanwhile as well. Loopback only.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True

from bench_tools import BINARY, ROUNDS, ROWS, environment, fresh, loginetl, print_machine, psql, spread, write_events

FILE_ROWS = int(os.environ.get("BENCH_FILE_ROWS", "50000"))
MOST_FILES = max(4, ROWS // FILE_ROWS)
SOURCE, COPY = "bench_load", "bench_copy"
UPDATE = "update user_logins set masked_ip = masked_ip || '', masked_device_id = masked_device_id || ''"
MIB = 1024 * 1024


def main():
    with tempfile.TemporaryDirectory(prefix="loginetl-bench-") as folder:
        print_machine()
        try:
            events = os.path.join(folder, "events.jsonl")
            write_events(events, ROWS)
            fresh(SOURCE)
            loginetl(SOURCE, "load", "--file", events)
            os.remove(events)
            psql(SOURCE, "vacuum analyze")
            print_rotations(*measure_rotations())
            print_loads_beside(*measure_loads_beside(folder))
        finally:
            for database in [SOURCE, COPY]:
                psql("postgres", f"drop database if exists {database}")


def copy():
    """The same pages as those of the source, on disk as if they had lain there."""
    psql("postgres", f"drop database if exists {COPY}")
    psql("postgres", f"create database {COPY} template {SOURCE}")
    psql(COPY, "checkpoint")


def measure_rotations():
    """Seconds, bytes of WAL, and bytes of the table with its indexes: before, after, and after VACUUM; of both sides."""
    rotations, updates = [], []
    for _ in range(ROUNDS):
        copy()
        rotations.append(measured(rotate_quietly))
        assert_nothing_left()
        copy()
        updates.append(measured(lambda: psql(COPY, UPDATE)))
    return rotations, updates


def measured(work):
    before, begin, started = table_size(), wal_position(), time.monotonic()
    work()
    wall = time.monotonic() - started
    wal, after = wal_position() - begin, table_size()
    psql(COPY, "vacuum user_logins")
    return {"seconds": wall, "wal": wal, "before": before, "after": after, "vacuumed": table_size()}


def rotate_quietly():
    report, *_ = loginetl(COPY, "rotate-keys", "--duty", "100%")
    assert (report["result"], report["rows_moved"], report["not_opened"]) == ("finished", 2 * ROWS, []), report


def assert_nothing_left():
    key = psql(COPY, "select key_id from vault.data_keys where purpose = 'mask' and state = 'active'")
    both = f"starts_with(masked_ip, 'ip1.{key}.') and starts_with(masked_device_id, 'dev1.{key}.')"
    assert psql(COPY, f"select count(*) from user_logins where not ({both})") == "0", "rows are under another key"


def table_size():
    return int(psql(COPY, "select pg_total_relation_size('user_logins')"))


def wal_position():
    return int(psql(COPY, "select pg_current_wal_insert_lsn() - '0/0'"))


def measure_loads_beside(folder):
    """Rows a second of loads alone and beside a rotation, as many files in both; and the seconds of that rotation."""
    events = os.path.join(folder, "more.jsonl")
    write_events(events, FILE_ROWS, seed=2)
    alone, beside, rotations, number = [], [], [], 0
    for _ in range(ROUNDS):
        copy()
        walls, rotation = load_while_rotating(events, number)
        number += MOST_FILES
        rotations.append(rotation)
        beside.append(FILE_ROWS * len(walls) / sum(walls))

        copy()
        undisturbed = sum(load(events, number + file) for file in range(len(walls)))
        number += MOST_FILES
        alone.append(FILE_ROWS * len(walls) / undisturbed)
    return alone, beside, rotations


def load_while_rotating(events, number):
    """The seconds of each load that ended before the rotation did, of one at least; and the seconds of the rotation."""
    ends, walls = [], []
    command = [BINARY, "rotate-keys", "--format", "json"]
    rotation = subprocess.Popen(command, env=environment(COPY), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        while rotation.poll() is None and len(walls) < MOST_FILES:
            walls.append(load(events, number + len(walls)))
            ends.append(rotation.poll() is None)
        out, errors = rotation.communicate()
    finally:
        rotation.kill()
    if rotation.returncode != 0:
        sys.exit(f"loginetl rotate-keys ended with {rotation.returncode}, saying\n{errors}")
    assert json.loads(out.splitlines()[-1])["result"] == "finished", out
    assert_nothing_left()
    seconds = psql(COPY, "select extract(epoch from max(finished_at) - min(started_at)) from vault.rotation")
    return walls[:max(1, sum(ends))], float(seconds)


def load(events, number):
    """A file is another file when one digit of it is, and all of its rows are loaded."""
    with open(events, "r+", encoding="ascii") as file:
        file.seek(len('{"user_id": "'))
        file.write(f"{number:08x}")
    summary, wall, *_ = loginetl(COPY, "load", "--file", events)
    assert summary["loaded"] == FILE_ROWS, summary
    return wall


def print_rotations(rotations, updates):
    every = lambda side, name, unit=1: [one[name] / unit for one in side]
    seconds = every(rotations, "seconds")
    ratios = [rotation / update for rotation, update in zip(seconds, every(updates, "seconds"))]
    held = "held" if statistics.median(ratios) <= 1 else "NOT HELD"
    sizes = [statistics.median(every(rotations, name, MIB)) for name in ["before", "after", "vacuumed"]]
    updated = statistics.median(every(updates, "vacuumed", MIB))
    print()
    print(f"  {f'rotate-keys --duty 100% of {ROWS:,} rows':45} {spread(seconds, 's', 2)}")
    print(f"  psql UPDATE of both columns of a copy         {spread(every(updates, 'seconds'), 's', 2)}")
    print(f"  ratio rotation / UPDATE; limit 1              {spread(ratios, '', 2).strip()}, {held}")
    print(f"  rows a second, both columns                   {spread([ROWS / wall for wall in seconds], 'rows/s')}")
    print(f"  WAL of the rotation                           {spread(every(rotations, 'wal', MIB), 'MiB')}")
    print(f"  WAL of the UPDATE                             {spread(every(updates, 'wal', MIB), 'MiB')}")
    print(f"  table and indexes before, after, vacuumed     {', '.join(f'{size:,.0f}' for size in sizes)} MiB")
    growth = sizes[2] / sizes[0]
    print(f"  vacuumed / before; at most 1.3                {growth:.2f}, {'held' if growth <= 1.3 else 'NOT HELD'}")
    print(f"  the same after the UPDATE                     {updated / sizes[0]:.2f}", flush=True)


def print_loads_beside(alone, beside, rotations):
    ratios = [disturbed / quiet for disturbed, quiet in zip(beside, alone)]
    held = "held" if statistics.median(ratios) >= 0.5 else "NOT HELD"
    print()
    print(f"  {f'load --file, {FILE_ROWS:,} rows each, undisturbed':45} {spread(alone, 'rows/s')}")
    print(f"  the same while rotate-keys runs               {spread(beside, 'rows/s')}")
    print(f"  ratio disturbed / undisturbed; at least 0.5   {spread(ratios, '', 2).strip()}, {held}")
    print(f"  that rotation, of the loaded rows as well     {spread(rotations, 's', 2)}", flush=True)


if __name__ == "__main__":
    main()
