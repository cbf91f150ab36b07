"""What else the page of deploy/spark says: masked user ids, whole events in a column, a program that Spark fetches.

Invariant: each makes the rows of a `load` of the same lines, in a database where user ids are masked.
"""

import json
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
from compare import few, joined, opened, rejections
from several import done
from world import COLUMNS, PROGRAM


def others(world):
    """The step of `make scale`."""
    here, file = world.elsewhere("scale_others"), in_text(world)
    here.cells = f"{COLUMNS}, masked_user_id, user_id_hash"
    here.loginetl("init", "--mask-user-id")
    load = json.loads(here.loginetl("load", "--file", file, "--format", "json").splitlines()[-1])
    cases = {"users": (file,), "body": ("--format", "parquet", "--body", "event", in_a_column(world, file)),
             "fetched": ("--program", to_fetch(world), file)}
    cases = {case: (here, "mask", case, "one", *arguments) for case, arguments in cases.items()}
    table = here.table("others")
    for case, told in done(here, cases).items():
        here.expect(f"{case}: rows and rejected", (told["rows"], told["rejected"]),
                    (load["loaded"], load["quarantined"]))
        here.same(f"{case}: the archive and user_logins", here.archive(case), table)
        rejections(here, case)
        joined(here, case, table)
        opened(here, case, 500)
    here.expect("user ids in clear", here.ask(f"select count(user_id) from {table}"), 0)
    world.say(f"masked user ids, events in a column, a fetched program: {load['loaded']} rows as load has them")


def in_text(world):
    """Some events without those lines that no column of text can hold."""
    file = world.folder / "others.jsonl"
    lines = few(world, 4000).read_bytes().split(b"\n")
    file.write_bytes(b"\n".join(line for line in lines if line == line.decode(errors="ignore").encode()))
    return file


def in_a_column(world, file):
    """The lines as Parquet: whole events in a column, with ends of lines between their parts, and a column beside."""
    lines = [line for line in file.read_bytes().decode().split("\n") if line.strip()]  # a lone \r ends none
    events = [line.replace(', "', ',\n"') for line in lines]
    made = world.folder / "events.parquet"
    pq.write_table(pa.table({"number": range(len(events)), "event": events}), made)
    return made


def to_fetch(world):
    """The program under a URI, where nobody could start it."""
    made = world.folder / "loginetl-fetched"
    shutil.copyfile(PROGRAM, made)
    made.chmod(0o644)
    return made.as_uri()
