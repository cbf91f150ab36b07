"""What deploy/spark/README.md says of other engines, run as it stands there.

Invariant: the blocks are taken from the page; each makes the rows that one process of the filter makes.
"""

import os
import re
import subprocess

import place
import tools
from compare import REJECTED, answered, committed
from kit import Failed

PAGE = place.REPOSITORY / "deploy/spark/README.md"
ENGINES = {"DuckDB": "lake/*/*.parquet", "Polars": "masked.parquet", "GNU parallel": "masked.jsonl"}


def page(world):
    """The step of `make scale`."""
    text = PAGE.read_text(encoding="utf-8")
    for engine, made in ENGINES.items():
        found = re.search(rf"^### {engine}\n.*?^```(\w+)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
        if not found or len([line for line in found[2].splitlines() if not line.startswith("#")]) != 3:
            raise Failed(f"{PAGE.name} has no three lines under ### {engine}")
        attempt(world, engine, *found.groups(), made)
    world.say(f"the page's lines for {', '.join(ENGINES)} make the rows of the filter")


def attempt(world, engine, language, lines, made):
    folder = world.folder / engine.replace(" ", "-")
    (folder / "bin").mkdir(parents=True)
    (folder / "bin/loginetl").symlink_to(world.program)
    source = next((world.folder / "events/text").glob("*.jsonl"))
    with open(source, "rb") as lines_in, open(folder / "events.jsonl", "wb") as out:
        out.writelines(line for _, line in zip(range(30000), lines_in, strict=False) if line.strip())
    if "mask plan" not in lines:
        plan = world.loginetl("mask", "plan", "--job", "page", "--location", str(folder))
        (folder / "plan.json").write_text(plan, encoding="utf-8")
    command = {"python": [str(place.python()), "-c", lines], "sh": ["sh", "-e", "-c", lines]}[language]
    path = [str(folder / "bin"), str(tools.debian("parallel") / "bin"), os.environ["PATH"]]
    done = subprocess.run(command, cwd=folder, env={**os.environ, "PATH": os.pathsep.join(path)}, capture_output=True,
                          text=True, check=False)
    if done.returncode != 0:
        raise Failed(f"{engine} ended with {done.returncode}:\n{done.stdout[-1000:]}{done.stderr[-2000:]}")
    with open(folder / "events.jsonl", encoding="utf-8") as events_in:
        one = world.loginetl("mask", "--plan", folder / "plan.json", stdin=events_in)
    (folder / "one.jsonl").write_text(one, encoding="utf-8")
    compare(world, engine, folder, made)
    if "--rejected" in lines:
        commit(world, folder, done.stdout)
    world.loginetl("archive", "drop", "page", "--running-too", "--reason", "tried out")


def commit(world, folder, printed):
    """The counts that the lines have printed are those of one process, and `mask commit` takes them as they stand."""
    rejected = [line.startswith('{"rejected"') for line in (folder / "one.jsonl").open(encoding="utf-8")]
    counts = len(rejected) - sum(rejected), sum(rejected)
    flags = printed.split()
    world.expect("the counts for mask commit", flags, ["--rows", str(counts[0]), "--rejected", str(counts[1])])
    if not all(counts):
        raise Failed(f"one of the counts is none: {counts}")
    world.loginetl("mask", "commit", "--plan", folder / "plan.json", *flags)
    world.expect("what was committed", committed(world, "page")[1], counts)


def compare(world, engine, folder, made):
    """All columns of all lines, those of the rejected ones too."""
    columns = ", ".join([*world.cells.split(", "), *REJECTED]).replace("create_date", "create_date::date")
    sides = [answered(world, folder / name) if name.endswith(".jsonl") else
             f"read_parquet('{folder / name}', hive_partitioning = true)" for name in (made, "one.jsonl")]
    for left, right in (sides, sides[::-1]):
        more = f"select {columns} from {left} except all select {columns} from {right}"
        world.expect(f"{engine}: rows that only one side has", world.ask(f"select count(*) from ({more})"), 0)
    found = world.asked(f"select count(masked_ip) > 1000, count(rejected) > 0, count(locale) > 0 from {sides[0]}")
    world.expect(f"{engine}: it made rows, and rejected lines", found, (True, True, True))
