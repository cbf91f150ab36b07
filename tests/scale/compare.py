"""What rows and rejected lines are compared with: those of `load`, those of one process, and the values that were sent.

Invariant: where nothing is there to be compared, nothing is equal.
"""

import json
import os
import subprocess
from collections import Counter

import duckdb
import events
import place
from kit import Failed
from world import KINDS

REJECTED = ("rejected", "field", "length")


def joined(world, archive, table):
    """Each hash of the archive is found in user_logins, and each of user_logins in the archive."""
    for column in ("ip_hash", "device_id_hash"):
        sides = (world.archive(archive), table)
        one, other = (f"select {column} h, count(*) n from {rows} group by 1" for rows in sides)
        lost, more, pairs = world.asked(
            "select coalesce(sum(a.n) filter (b.h is null), 0), coalesce(sum(b.n) filter (a.h is null), 0), "
            f"coalesce(sum(a.n * b.n), 0) from ({one}) a full join ({other}) b on a.h = b.h")
        world.expect(f"rows without a partner by {column}, in the archive and in user_logins", (lost, more), (0, 0))
        if not pairs:
            raise Failed(f"nothing joins by {column}")


def rejections(world, *archives):
    """The rejected lines of these archives are those that `load` has quarantined, each with reason, field and length,
    and have no value. How many reasons there are."""
    # The length of a whole line has its end in it where a file is loaded.
    listed = ("select json_agg(json_build_array(reason, field, length, count)) from (select reason, field, "
              "case when field is null then length - 1 else length end as length, count(*) "
              "from ingest.quarantine group by 1, 2, 3) kinds")
    known, found = sorted(json.loads(world.psql(listed)), key=str), Counter()
    for rows in map(world.rejected, archives):
        for *kind, count in duckdb.sql(f"select rejected, field, length, count(*) from {rows} group by all").fetchall():
            found[tuple(kind)] += count
        others = [name for name in duckdb.sql(f"from {rows} limit 0").columns if name not in REJECTED]
        values = world.ask(f"select {' + '.join(f'count({name})' for name in others)} from {rows}")
        world.expect("values of rejected lines", values, 0)
    found = sorted(([*kind, count] for kind, count in found.items()), key=str)
    world.expect("reasons, fields and lengths of rejected lines", found, known)
    for at, part in enumerate(REJECTED):
        if not any(row[at] is not None for row in known):
            raise Failed(f"no rejected line has a {part}: nothing was compared")
    return len({reason for reason, *_ in known})


def opened(world, archive, wanted=3000):
    """Tokens of the newest version, opened by another language and library, are the values that were sent."""
    wraps = world.psql("select json_agg(json_build_array(key_id, purpose, holder, kms_key_arn, "
                       "encode(wrapped, 'hex'))) from vault.wraps join vault.data_keys using (key_id) "
                       "where wrapped is not null")
    fields = [field for field in ("ip", "device_id", "user_id") if f"masked_{field}" in world.cells]
    columns = ", ".join(["user_id", *(f"masked_{field}" for field in fields), *(f"{field}_hash" for field in fields)])
    rows = duckdb.sql(f"select {columns} from {world.archive(archive)} "
                      f"using sample reservoir({wanted} rows) repeatable (17)").fetchall()
    given = json.dumps({"wraps": json.loads(wraps), "rows": rows})
    script = place.REPOSITORY / "tests/it/open_tokens.py"
    done = subprocess.run([os.environ["LOGINETL_TEST_PYTHON"], script], input=given, capture_output=True, text=True,
                          check=False)
    if done.returncode != 0:
        raise Failed(f"the second implementation does not open the tokens of {archive}:\n{done.stderr[-2000:]}")
    file = world.folder / "opened.json"
    found = [dict(zip(("u", "i", "d"), row, strict=True)) for row in json.loads(done.stdout)]
    file.write_text(json.dumps(found), encoding="utf-8")
    world.expect("tokens that were opened", (len(found), bool(found)), (min(wanted, len(rows)), True))
    stray = f"select u, i, d from read_json('{file}') except select user_id, ip, device_id from {sent(world)}"
    world.expect("opened values that nobody sent", world.ask(f"select count(*) from ({stray})"), 0)


def sent(world):
    """The values of all events, as they were written; for DuckDB."""
    file = world.folder / "sent.parquet"
    if not file.exists():
        columns = "{'user_id': 'VARCHAR', 'ip': 'VARCHAR', 'device_id': 'VARCHAR'}"
        events_in = (f"read_json('{world.folder}/events/*/*.jsonl', columns = {columns}, "
                     "format = 'newline_delimited', ignore_errors = true)")
        duckdb.sql(f"copy (from {events_in}) to '{file}' (format parquet)")
    return f"read_parquet('{file}')"


def few(world, lines=2000):
    """A small file: events, and each kind of line that is none."""
    file = world.folder / f"few-{lines}.jsonl"
    if not file.exists():
        with open(world.folder / "events/text/0.jsonl", "rb") as source:
            head = [line for line, _ in zip(source, range(lines), strict=False)]
        file.write_bytes(b"".join([*head, *(odd + b"\n" for odd in events.ODD)]))
    return file


def alone(world, file):
    """What one process of the filter makes of the lines of a file that are not blank: its rows for DuckDB, and
    (rows, rejected)."""
    plan, lines, answers = (world.folder / f"alone.{kind}" for kind in ("plan", "lines", "answers"))
    plan.write_text(world.loginetl("mask", "plan", "--job", "alone", "--location", "nowhere"), encoding="utf-8")
    lines.write_bytes(b"".join(line for line in file.open("rb") if line.strip()))
    with open(lines, "rb") as source:
        answers.write_text(world.loginetl("mask", "--plan", plan, stdin=source), encoding="utf-8")
    world.loginetl("archive", "drop", "alone", "--open-runs", "--running-too", "--reason", "compared")
    rows = answered(world, answers)
    rejected, every = world.asked(f"select count(rejected), count(*) from {rows}")
    return f"(select * from {rows} where rejected is null)", (every - rejected, rejected)


def answered(world, file):
    """The answers of a filter, with their types; for DuckDB."""
    columns = ", ".join(f"'{name}': '{KINDS.get(name, 'VARCHAR')}'" for name in [*world.cells.split(", "), *REJECTED])
    return f"read_json('{file}', format = 'newline_delimited', columns = {{{columns}}})"


def registered(world, archive):
    """What `archive list` says of it; None if it says nothing."""
    views = map(json.loads, world.loginetl("archive", "list", "--format", "json").splitlines())
    return next((view for view in views if view["archive"] == archive), None)


def committed(world, archive):
    """The one run that was committed of an archive: (id and time, (rows, rejected))."""
    listed = ("select json_agg(json_build_array(run, ended_at, row_count, rejected_count)) from vault.mask_runs "
              f"where archive = '{archive}' and state = 'committed'")
    runs = json.loads(world.psql(listed) or "[]")
    world.expect(f"runs of {archive} that were committed", len(runs), 1)
    [[run, at, rows, rejected]] = runs
    return (run, at), (rows, rejected)


def in_force(world):
    """The number of the key that masks."""
    return int(world.psql("select key_id from vault.data_keys where purpose = 'mask' and state = 'active'"))
