"""The same archive as a Delta table: two runs and a rewrite are one commit each.

Invariant: each version of the table is whole, and what it names is counted.
"""

import deltalake
from several import done


def rows(world, number=None):
    """The rows of a version, for DuckDB."""
    table = deltalake.DeltaTable(str(world.root("delta")), version=number)
    files = ", ".join(f"'{uri.removeprefix('file://')}'" for uri in table.file_uris())
    return f"read_parquet([{files}], hive_partitioning = true)"


def delta(world):
    """Two runs, before the rotation."""
    parts = sorted((world.folder / "events/columns").glob("*.parquet"))
    runs = [(f"part-{number}", part) for number, part in enumerate(parts)]
    starts = {f"{at}: {run}": (world, "mask", "delta", run, "--table", "delta", "--format", "parquet", part)
              for at, (run, part) in enumerate([*runs, runs[0]])}
    *_, again = done(world, starts, small=True).values()
    world.expect("a second start", again, {"run": "part-0", "already": True})
    found = world.same("the Delta table", rows(world), world.archive("logins", "columns"))
    table = deltalake.DeltaTable(str(world.root("delta")))
    world.expect("rows that its log counts", table.count(), found)
    world.say(f"Delta: {found} rows in version {table.version()}")


def rewritten_delta(world):
    """The rewrite, after it. Every version is under one key."""
    count = world.ask(f"select count(*) from {rows(world)}")
    last = deltalake.DeltaTable(str(world.root("delta"))).version()
    told = world.job("rewrite", "delta", "rotation", "--table", "delta", small=True)
    world.expect("the rewrite", (told["version"], told["rows"], told["unopened"]), (last + 1, count, 0))
    columns = "user_id, masked_ip, masked_device_id, create_date"
    more = f"select {columns} from {rows(world)} except all select {columns} from {world.archive('logins')}"
    world.expect("rows that the other archive has not", world.ask(f"select count(*) from ({more})"), 0)
    for number in range(1, last + 2):
        world.whole(f"Delta version {number}", rows(world, number))
        world.expect(f"keys of Delta version {number}", len(world.keys(rows(world, number))), 1)
    world.say(f"Delta: {count} rows rewritten as one commit, version {told['version']}")
