"""The steps of `make scale`, in their order: each begins where the one before it has left the world.

Invariant: a step that breaks something (a process, a plan) first sees that there is something to break.
"""

import json
import os
import random
import re
import subprocess
import time

import events
import place
from compare import in_force, joined, opened, registered, rejections
from delta import delta, rewritten_delta
from died import died
from flat import flat
from kit import Failed
from others import others
from page import page
from published import published
from rates import rates
from refused import plan_ahead, refused
from several import done
from world import PROGRAM


KILLED = ["executor", "filter"]


def loaded(world):
    """What `load` makes of the same events: the rows that everything is compared with."""
    world.loginetl("init")
    plan_ahead(world)
    folder = world.folder / "events"
    events.write(place.python(), folder, world.count)
    patterns = ("text/*.jsonl", "packed/*.gz", "columns/*.jsonl")
    files = [file for pattern in patterns for file in sorted(folder.glob(pattern))]
    totals = {"loaded": 0, "quarantined": 0}
    for file in files:
        told = json.loads(world.loginetl("load", "--file", file, "--format", "json").splitlines()[-1])
        totals = {name: totals[name] + told[name] for name in totals}
    world.totals = totals
    world.say(f"load: {totals['loaded']} rows, {totals['quarantined']} quarantined")


def masked(world):
    """Text, gzip and Parquet become one archive, in three versions, with the rows of `load`."""
    runs = {name: (world, "mask", "logins", name, *what) for name, what in world.inputs.items()}
    told = done(world, runs).values()
    world.expect("versions", [run["version"] for run in told], [1, 2, 3])
    world.expect("rows and rejected", [sum(run[count] for run in told) for count in ("rows", "rejected")],
                 [world.totals["loaded"], world.totals["quarantined"]])
    table = world.table("loaded")
    rows = world.same("the archive and user_logins", world.archive("logins"), table)
    reasons = rejections(world, "logins")
    joined(world, "logins", table)
    opened(world, "logins")
    files = (world.root("logins") / "runs").glob("*/*/outcome=masked/*/*.parquet")
    each = sum(file.stat().st_size for file in files) / rows
    world.say(f"{rows} rows are those of load; {reasons} reasons, with field and length and no value; joined; opened; "
              f"{each:.0f} bytes a row")


def killed(world):
    """Executors and filters are killed at random, then the driver; the second start gives the same content."""
    chance = random.Random(17)
    job = ["mask", "killed", "even", *world.inputs["even"]]
    options = ["--conf=spark.task.maxFailures=50", "--conf=spark.deploy.maxExecutorRetries=-1"]
    driver = world.start(*job, options=options)
    kills = kill_some(world, driver, chance, most=3)
    if driver.poll() is not None:
        raise Failed("the driver ended before it could be killed")
    os.killpg(driver.pid, 9)
    driver.wait()
    world.expect("versions after the driver was killed", world.versions("killed"), {})
    driver = world.start(*job, options=options)
    kills += kill_some(world, driver, chance, most=6)
    world.end(driver)
    for kind in KILLED:
        if kind not in kills:
            raise Failed(f"no {kind} was killed in the midst of its work")
    world.same("after kills", world.archive("killed"), world.archive("logins", "even"))
    world.expect("runs that nobody committed", registered(world, "killed")["open_runs"], 0)
    world.expect("runs", len(registered(world, "killed")["runs"]), 1)
    world.say(f"killed the driver, {kills.count('executor')} executors, {kills.count('filter')} filters: "
              "the same content")


def kill_some(world, driver, chance, most):
    """Kills executors and filters while the job runs; which kinds these were. Of each kind about half."""
    kills, left = [], []
    while driver.poll() is None and len(kills) < most:
        left = left or chance.sample(KILLED, len(KILLED))
        busy = {"filter": world.cluster.filters(), "executor": world.cluster.executors()}
        if busy["filter"] and busy[left[0]]:
            kills.append(left.pop(0))
            place.kill(chance.choice(busy[kills[-1]]))
            time.sleep(chance.uniform(0.5, 1.5))
        time.sleep(0.05)
    return kills


def turned(world):
    """A rotation begins in the midst of a job: the archive has one token a value."""
    old = in_force(world)
    driver = world.start("mask", "turned", "odd", *world.inputs["odd"])
    place.wait_for(lambda: world.cluster.filters() or driver.poll() is not None, "a filter", world.cluster.log)
    rotation = subprocess.Popen([PROGRAM, "rotate-keys", "--duty", "100%", "--format", "json"], stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True)
    try:
        in_the_midst(world, driver, old)
        world.end(driver)
        said, _ = rotation.communicate(timeout=300)
    finally:
        rotation.kill()
    world.expect("the rotation", rotation.returncode, 0)
    world.same("beside a rotation", world.archive("turned"), world.archive("logins", "odd"))
    world.whole("beside a rotation", world.archive("turned"))
    world.old = world.keys(world.archive("turned"))
    world.expect("the key of an archive that was begun before", world.old, [old])
    world.say(f"a rotation ran meanwhile: {said.strip().splitlines()[-1][:120]}; the archive is under key {world.old}")


def in_the_midst(world, driver, old):
    """Waits until another key is in force while filters of the job still run."""
    while driver.poll() is None:
        # In this order: a filter that is seen after the key was turned runs beside the rotation.
        if in_force(world) != old and world.cluster.filters() and driver.poll() is None:
            return
        time.sleep(0.1)
    raise Failed("the rotation did not begin in the midst of the job")


def rewritten(world):
    """The archive comes under the new key: the tokens that user_logins has now."""
    [old] = world.old
    must_keep(world, old, "logins", "turned")
    told = world.job("rewrite", "logins", "rotation")
    world.expect("the rewrite", (told["version"], told["rows"], told["unopened"], sorted(told["replaced"])),
                 (4, world.totals["loaded"], 0, sorted(world.inputs)))
    table = world.table("rotated")
    world.same("the rewritten archive and user_logins", world.archive("logins"), table)
    joined(world, "logins", table)
    opened(world, "logins")
    for number in world.versions("logins"):
        world.whole(f"version {number}", world.archive("logins", number=number))
        world.expect(f"keys of version {number}", len(world.keys(world.archive("logins", number=number))), 1)
    if registered(world, "delta"):
        rewritten_delta(world)
    must_keep(world, old, "logins", "turned")  # the new version is not said to be published yet
    for archive in filter(lambda name: registered(world, name), ["logins", "delta"]):
        world.loginetl("archive", "drop", archive, "--replaced", "--reason", "the rewrite is published")
    for archive in filter(lambda name: registered(world, name), ["killed", "turned"]):
        must_keep(world, old, archive)  # nobody rewrites it
        world.loginetl("archive", "drop", archive, "--reason", "make scale has no more use for it")
    world.loginetl("keys", "destroy", old, "--after", "0m", "--yes")
    opened(world, "logins")
    world.say(f"under key {world.keys(world.archive('logins'))}, no value split in 4 versions; key {old} is destroyed")


def must_keep(world, key, *archives):
    """The key is not destroyed, for the sake of these archives."""
    refused = world.loginetl("keys", "destroy", key, "--after", "0m", "--yes", code=3)
    for archive in archives:
        # As a whole: the name of a table, or of another archive, may have it as a part.
        if not re.search(rf"\barchive {re.escape(archive)}(;|$)", refused, re.MULTILINE):
            raise Failed(f"keys destroy does not name the archive {archive}: {refused}")


STEPS = [loaded, masked, rates, flat, delta, published, killed, turned, rewritten, refused, died, page, others]
# What a step needs beside those that stand here for it; of one that is not named: masked.
NEEDS = {"loaded": [], "masked": ["loaded"], "rewritten": ["turned"],
         **{name: ["loaded"] for name in ("rates", "flat", "refused", "died", "page", "published", "others")}}


def with_needs(named):
    """The steps that are named, and all that they need, in their order; without names, all."""
    known = {step.__name__ for step in STEPS}
    wanted, waiting = set(), list(named) or sorted(known)
    while waiting:
        name = waiting.pop()
        if name not in known:
            raise Failed(f"there is no step {name}: {', '.join(step.__name__ for step in STEPS)}")
        if name not in wanted:
            wanted.add(name)
            waiting += NEEDS.get(name, ["masked"])
    return [step for step in STEPS if step.__name__ in wanted]
