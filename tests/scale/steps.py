"""The steps of `make scale`, in their order: each begins where the one before it has left the world.

Invariant: a step that breaks something (a process, a plan) first sees that there is something to break.
"""

import json
import os
import random
import subprocess
import time

import duckdb
import events
import place
from delta import delta, rewritten_delta
from kit import Failed
from page import page
from rates import rates
from refused import refused
from world import PROGRAM


def loaded(world):
    """What `load` makes of the same events: the rows that everything is compared with."""
    world.loginetl("init")
    folder = world.folder / "events"
    events.write(place.python(), folder, world.count)
    patterns = ("text/*.jsonl", "packed/*.gz", "columns/*.jsonl")
    files = [file for pattern in patterns for file in sorted(folder.glob(pattern))]
    totals = {"loaded": 0, "quarantined": 0}
    for file in files:
        done = json.loads(world.loginetl("load", "--file", file, "--format", "json").splitlines()[-1])
        totals = {name: totals[name] + done[name] for name in totals}
    world.totals = totals
    world.say(f"load: {totals['loaded']} rows, {totals['quarantined']} quarantined")


def masked(world):
    """Text, gzip and Parquet become one archive, in two versions, with the rows of `load`."""
    text = world.job("mask", "logins", "text", *world.text)
    again = world.job("mask", "logins", "columns", *world.columns)
    world.expect("versions", (text["version"], again["version"]), (1, 2))
    world.expect("rows and rejected", (text["rows"] + again["rows"], text["rejected"] + again["rejected"]),
                 (world.totals["loaded"], world.totals["quarantined"]))
    table = world.table("loaded")
    rows = world.same("the archive and user_logins", world.archive("logins"), table)
    reasons = duckdb.sql(f"select rejected, count(*) from {world.rejected('logins')} group by 1 order by 1").fetchall()
    known = world.psql("select reason, count(*) from ingest.quarantine group by 1 order by 1").splitlines()
    world.expect("reasons", [f"{reason}|{count}" for reason, count in reasons], known)
    names = duckdb.sql(f"select * from {world.rejected('logins')}").columns
    values = " + ".join(f"count({name})" for name in names if name not in ("rejected", "field", "length"))
    world.expect("values of rejected lines", world.ask(f"select {values} from {world.rejected('logins')}"), 0)
    joined(world, "logins", table)
    opened(world, "logins")
    world.say(f"{rows} rows are those of load; {len(reasons)} reasons, no value with them; joined; opened")


def joined(world, archive, table):
    """Each hash of the archive is found in user_logins, and each of user_logins in the archive."""
    for column in ("ip_hash", "device_id_hash"):
        for one, other in ((world.archive(archive), table), (table, world.archive(archive))):
            lost = f"select count(*) from {one} a where a.{column} not in (select {column} from {other})"
            world.expect(f"rows without a partner by {column}", world.ask(lost), 0)


def opened(world, archive, wanted=3000):
    """Tokens of the newest version, opened by another language and library, are the values that were sent."""
    wraps = world.psql("select json_agg(json_build_array(key_id, purpose, holder, kms_key_arn, "
                       "encode(wrapped, 'hex'))) from vault.wraps join vault.data_keys using (key_id) "
                       "where wrapped is not null")
    columns = "user_id, masked_ip, masked_device_id, ip_hash, device_id_hash"
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
    world.expect("tokens that were opened", len(found), min(wanted, len(rows)))
    columns = "{'user_id': 'VARCHAR', 'ip': 'VARCHAR', 'device_id': 'VARCHAR'}"
    sent = (f"select user_id, ip, device_id from read_json('{world.folder}/events/*/*.jsonl', columns = {columns}, "
            "format = 'newline_delimited', ignore_errors = true)")
    world.expect("opened values that nobody sent",
                 world.ask(f"select count(*) from (select u, i, d from read_json('{file}') except {sent})"), 0)


def killed(world):
    """Executors and filters are killed at random, then the driver; the second start gives the same content."""
    chance = random.Random(17)
    options = ["--conf=spark.task.maxFailures=50", "--conf=spark.deploy.maxExecutorRetries=-1"]
    driver = world.start("mask", "killed", "text", *world.text, options=options)
    kills = kill_some(world, driver, chance, seconds=1.0, most=4)
    if driver.poll() is not None:
        raise Failed("the driver ended before it could be killed")
    os.killpg(driver.pid, 9)
    driver.wait()
    world.expect("versions after the driver was killed", world.versions("killed"), {})
    driver = world.start("mask", "killed", "text", *world.text, options=options)
    kills += kill_some(world, driver, chance, seconds=1.0, most=6)
    world.end(driver)
    for kind in ("executor", "filter"):
        if kind not in kills:
            raise Failed(f"no {kind} was killed in the midst of its work")
    world.same("after kills", world.archive("killed"), world.archive("logins", "text"))
    world.expect("runs that nobody committed", registered(world, "killed")["open_runs"], 0)
    world.expect("runs", len(registered(world, "killed")["runs"]), 1)
    again = world.job("mask", "killed", "text", *world.text, small=True)
    world.expect("a third start", again, {"run": "text", "already": True})
    world.say(f"killed the driver, {kills.count('executor')} executors, {kills.count('filter')} filters: "
              "the same content")


def kill_some(world, driver, chance, seconds, most):
    """Kills executors and filters while the job runs; which kinds these were."""
    kills = []
    while driver.poll() is None and len(kills) < most:
        busy = {"filter": world.cluster.filters(), "executor": world.cluster.executors()}
        kind = chance.choice(sorted(busy))
        if busy["filter"] and busy[kind]:
            place.kill(chance.choice(busy[kind]))
            kills.append(kind)
            time.sleep(seconds * chance.uniform(0.5, 1.5))
        time.sleep(0.05)
    return kills


def registered(world, archive):
    views = map(json.loads, world.loginetl("archive", "list", "--format", "json").splitlines())
    return next((view for view in views if view["archive"] == archive), None)


def turned(world):
    """A rotation begins in the midst of a job: the archive has one token a value."""
    driver = world.start("mask", "turned", "text", *world.text)
    place.wait_for(lambda: world.cluster.filters() or driver.poll() is not None, "a filter",
                   world.cluster.ledger.base / "driver.log", 120)
    rotation = subprocess.Popen([PROGRAM, "rotate-keys", "--duty", "100%", "--format", "json"], stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True)
    try:
        if driver.poll() is not None or not world.cluster.filters():
            raise Failed("the rotation did not begin in the midst of the job")
        world.end(driver)
        said, _ = rotation.communicate(timeout=300)
    finally:
        rotation.kill()
    world.expect("the rotation", rotation.returncode, 0)
    world.same("beside a rotation", world.archive("turned"), world.archive("logins", "text"))
    world.whole("beside a rotation", world.archive("turned"))
    world.old = world.keys(world.archive("turned"))
    world.say(f"a rotation ran meanwhile: {said.strip().splitlines()[-1][:120]}; the archive is under key {world.old}")


def rewritten(world):
    """The archive comes under the new key: the tokens that user_logins has now."""
    [old] = world.old
    refused = world.loginetl("keys", "destroy", old, "--after", "0m", "--yes", code=3)
    if "logins" not in refused:
        raise Failed(f"keys destroy does not name the archive: {refused}")
    done = world.job("rewrite", "logins", "rotation")
    world.expect("the rewrite", (done["version"], done["rows"], done["unopened"], sorted(done["replaced"])),
                 (3, world.totals["loaded"], 0, ["columns", "text"]))
    table = world.table("rotated")
    world.same("the rewritten archive and user_logins", world.archive("logins"), table)
    joined(world, "logins", table)
    opened(world, "logins")
    for number in world.versions("logins"):
        world.whole(f"version {number}", world.archive("logins", number=number))
        world.expect(f"keys of version {number}", len(world.keys(world.archive("logins", number=number))), 1)
    if registered(world, "delta"):
        rewritten_delta(world)
    world.loginetl("keys", "destroy", old, "--after", "0m", "--yes", code=3)  # for the archives that nobody rewrites
    for archive in filter(lambda name: registered(world, name), ["logins", "delta"]):
        world.loginetl("archive", "drop", archive, "--replaced", "--reason", "the rewrite is published")
    for archive in filter(lambda name: registered(world, name), ["killed", "turned"]):
        world.loginetl("archive", "drop", archive, "--reason", "make scale has no more use for it")
    world.loginetl("keys", "destroy", old, "--after", "0m", "--yes")
    opened(world, "logins")
    world.say(f"under key {world.keys(world.archive('logins'))}, no value split in 3 versions; key {old} is destroyed")


STEPS = [loaded, masked, rates, delta, killed, turned, rewritten, refused, page]
ALWAYS = ["loaded", "masked"]
