"""As a program, on a driver of Spark: published_cases.py FOLDER PROGRAM runs all cases, and prints their names.

Invariant: each case has archives of its own, and first sees that there is something to lose.
"""

import functools
import json
import os
import re
import shutil
import sys
import time
import traceback
from pathlib import Path

JOBS = Path(__file__).resolve().parent.parent.parent / "deploy/spark"
sys.path.append(str(JOBS))

import deltalake
import loginetl_job
import loginetl_table
import mask_job
import pyarrow as pa
import pyarrow.parquet as pq
import rewrite_job
from published_driver import FEW, Driver, event
from published_inputs import empty, nested, parquet

NOBODY = "{}\n"  # an object without the fields of an event


def second(d):
    """A second driver of a run finds it published, and keeps what the version names."""
    for archive in ("second", "second-delta"):
        with d.meanwhile(mask_job, "mask", lambda archive=archive: d.mask(archive, "one")):
            d.mask(archive, "one")
        d.expect(f"{archive}: rows after the second driver", d.rows(archive), FEW)
        d.expect(f"{archive}: what is left", d.left(archive, "one"), ["try"])
    # One that publishes when the other has looked through its own files, or at the newest version, already.
    late = [f"{step}{kind}" for step in ("counted_files", "refuse_replaced") for kind in ("", "-delta")]
    for archive in late:
        step = archive.removesuffix("-delta")
        with d.meanwhile(loginetl_table, step, lambda archive=archive: another(d, archive), after=True):
            d.mask(archive, "one")
        d.expect(f"{archive}: rows after the second driver", d.rows(archive), FEW)
        d.expect(f"{archive}: what is left", d.left(archive, "one"), ["try"])
    # What others add meanwhile stays beside a rewrite.
    for archive in late[2:]:
        more = functools.partial(d.mask, archive, "more")
        with d.meanwhile(loginetl_table, "refuse_replaced", more, after=True):
            d.rewrite(archive, "two")
        d.expect(f"{archive}: rows of the rewrite and beside it", d.rows(archive), 2 * FEW)
    # No version names the first run any more: of it only the plan goes.
    d.rewrite("second", "two")
    for name in ("_plan.json", "_draft-0"):
        d.file(f"lake/second/runs/run=one/{name}", "{}")
    d.mask("second", "one", words='"already": true')
    d.expect("what is left of a replaced run", d.left("second", "one"), ["try"])
    d.expect("rows after the rewrite", d.rows("second"), FEW)


def another(d, archive):
    """A driver that has masked the same run into a folder of its own, and is first."""
    [counts] = d.root(archive).glob("runs/run=one/try=*/_counts.json")
    counts.unlink()
    d.mask(archive, "one")


def cleaned(d):
    """A start that finds the run published deletes a plan, drafts and folders that an earlier one has left."""
    d.mask("cleaned", "one")
    for name in ("_plan.json", "_draft-0", "try=x.y/outcome=masked/part.parquet"):
        d.file(f"lake/cleaned/runs/run=one/{name}", "{}")
    d.mask("cleaned", "one", words='"already": true')
    d.expect("what is left", d.left("cleaned", "one"), ["try"])
    d.expect("rows", d.rows("cleaned"), FEW)


def rejected(d):
    """A run without one good row is published as one that has none."""
    bad = d.file("bad.jsonl", NOBODY * 3)
    for archive in ("rejected", "rejected-delta"):
        d.mask(archive, "bad", bad, words="NO LINE OF THIS RUN WAS AN EVENT")
        d.expect(f"{archive}: what is left", d.left(archive, "bad"), ["try"])
        d.mask(archive, "bad", bad, words='"already": true')
        d.mask(archive, "good")
        d.expect(f"{archive}: rows", d.rows(archive), FEW)
    d.rewrite("rejected", "again")
    d.expect("runs of the version", list(d.version("rejected")["runs"]), ["again"])


def deleted(d):
    """A rewrite reads what the log of Delta lists, and refuses what it cannot read right."""
    days = d.file("days.jsonl", *(event(number, f"2026-11-{10 + number % 2}") for number in range(FEW)))
    d.mask("deleted-delta", "one", days)
    table = deltalake.DeltaTable(str(d.root("deleted-delta")))
    table.delete("create_date = '2026-11-10'")
    d.rewrite("deleted-delta", "two")
    d.expect("rows after a rewrite", d.rows("deleted-delta"), FEW // 2)
    d.mask("deleted-delta", "three")
    compacted = deltalake.DeltaTable(str(d.root("deleted-delta")))
    compacted.delete("user_id = 'u1'")
    d.rewrite("deleted-delta", "four", code=1, words="was not written by these jobs")
    d.mask("deleted-delta", "five", code=1, words="runs of another engine")
    d.mask("deleted-delta", "five", d.events, "--beside-other-keys")
    d.mask("vectors-delta", "one")
    log = d.root("vectors-delta") / "_delta_log"
    lines = [json.loads(line) for line in max(log.glob("0*.json")).read_text().splitlines()]
    add = next(line for line in lines if "add" in line)
    add["add"]["deletionVector"] = {"storageType": "u", "pathOrInlineDv": "0" * 20, "offset": 1, "sizeInBytes": 34,
                                    "cardinality": 1}
    kind = {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": ["deletionVectors"],
            "writerFeatures": ["deletionVectors"]}
    (log / f"{2:020}.json").write_text("".join(json.dumps(line) + "\n" for line in ({"protocol": kind}, add)))
    d.rewrite("vectors-delta", "two", code=1, words="deletion vectors")


def counted(d):
    """A file that nobody has counted is not published, nor are others than were counted."""
    def stray():
        day = next(d.root("counted").glob("runs/*/try=*/outcome=masked/*"))
        shutil.copy(next(day.glob("part*")), day / "_half.parquet")  # Spark does not read it, others do
    with d.meanwhile(mask_job, "write", stray, after=True):
        d.mask("counted", "one", code=1, words="other files than were counted")
    d.mask("counted", "one")
    d.expect("rows", d.rows("counted"), FEW)


class Settings(dict):
    """As those of a session, which takes no protocol that it cannot load."""

    def set(self, name, value):
        self[name] = value


def platform(d):
    """Databricks' commit protocol is set aside, no other; a file system without FileContext does."""
    for given, wanted in ((None, None), ("org.example.Other", "org.example.Other"),
                          ("com.databricks.sql.transaction.directory.DirectoryAtomicCommitProtocol",
                           "org.apache.spark.sql.execution.datasources.SQLHadoopMapReduceCommitProtocol")):
        settings = Settings({"spark.sql.sources.commitProtocolClass": given})
        loginetl_job.set_protocol(settings)
        d.expect(f"the protocol in the place of {given}", list(settings.values()), [wanted])
    settings = d.spark._jsc.hadoopConfiguration()
    known = settings.get("fs.AbstractFileSystem.file.impl")
    settings.set("fs.AbstractFileSystem.file.impl", "none.Such")
    try:
        d.mask("platform", "one")
    finally:
        settings.set("fs.AbstractFileSystem.file.impl", known)
    d.expect("rows", d.rows("platform"), FEW)


def rewrites(d):
    """Of two rewrites the second is refused before it is committed; what nobody can publish is left out."""
    for archive in ("rewrites", "rewrites-delta"):
        d.mask(archive, "one")
        with d.meanwhile(rewrite_job, "rewrite", lambda archive=archive: d.rewrite(archive, "first")):
            d.rewrite(archive, "second", code=1, words="runs one are not there any more")
        d.expect(f"{archive}: open runs", len(d.open_runs(archive)), 1)
        d.loginetl("archive", "drop", archive, "--open-runs", "--running-too", "--reason", "another was first")
        d.rewrite(archive, "second", code=1, words="was given up or dropped")
        d.expect(f"{archive}: rows", d.rows(archive), FEW)
    in_vain(d, "rewrites")


def in_vain(d, archive):
    """A rewrite that was committed, and that nothing can publish."""
    d.loginetl("archive", "drop", archive, "--replaced", "--reason", "published")
    # Another one comes when it has looked for the last time, before it is committed.
    with d.meanwhile(loginetl_job.Program, "commit", lambda: d.rewrite(archive, "third")):
        said = d.rewrite(archive, "fourth", code=1, words="nothing can publish it").words
    vain = next(run for run in d.registered(archive) if run in said)
    d.rewrite(archive, "fourth", code=1, words=f"archive drop {archive} --run {vain}")
    d.rewrite(archive, "fifth", code=1, words=f"archive drop {archive} --run {vain}")
    d.loginetl("archive", "drop", archive, "--run", vain, "--reason", "another was first")
    d.rewrite(archive, "fifth")
    d.loginetl("archive", "drop", archive, "--replaced", "--reason", "published")
    d.expect("runs", len(d.registered(archive)), 1)
    d.expect("rows", d.rows(archive), FEW)


def keys(d):
    """Runs under other keys are refused before anything is masked, and again before the commit."""
    old = {}
    for archive in ("keys", "keys-delta", "keys-turned"):
        d.mask(archive, "one")
        old[archive] = d.loginetl("mask", "plan", "--job", archive, "--location", d.root(archive))
    d.loginetl("rotate-keys")
    for archive in ("keys", "keys-delta"):
        d.mask(archive, "two", code=1, words=f"runs one of archive {archive} are under other keys: rewrite them")
        d.expect(f"{archive}: what is left", d.left(archive, "two"), ["_plan.json"])
        d.expect(f"{archive}: runs that are committed", list(d.registered(archive).values()).count(None), 2)
        d.mask(archive, "two", d.events, "--beside-other-keys")
    # It was committed, and killed before it was published.
    with d.meanwhile(loginetl_table.Pointer, "publish", lambda: sys.exit("killed")):
        d.mask("keys", "killed", d.events, "--beside-other-keys", code=1, words="killed")
    d.mask("keys", "killed", code=1, words="an earlier start has committed this run")
    d.mask("keys", "killed", d.events, "--beside-other-keys")
    # Nothing is in the way when it begins, but when it ends.
    d.file("lake/keys-turned/runs/run=two/_plan.json", old["keys-turned"])
    with d.meanwhile(mask_job, "mask", lambda: d.rewrite("keys-turned", "three")):
        d.mask("keys-turned", "two", code=1, words="this run was planned before the rotation")
    d.expect("runs that are not committed", len(d.open_runs("keys-turned")), 1)
    late(d, "keys", old["keys"])


def late(d, archive, old):
    """A run that was planned before the rotation, and comes while and after the archive is rewritten."""
    d.rewrite(archive, "three")
    d.file(f"lake/{archive}/runs/run=four/_plan.json", old)
    # A rewrite of the others would not help.
    d.mask(archive, "four", code=1, words="this run was planned before the rotation")
    d.expect("runs that are not committed", list(d.registered(archive).values()).count(None), 1)
    with d.meanwhile(rewrite_job, "rewrite", lambda: d.mask(archive, "four", d.events, "--beside-other-keys")):
        d.rewrite(archive, "six", code=1, words=f"runs four of archive {archive} are under other keys: rewrite them")
    d.rewrite(archive, "six", "--beside-other-keys")
    d.rewrite(archive, "seven")
    d.expect("rows", d.rows(archive), 4 * FEW)
    numbers = {pair[0] for its in table(d, archive).keys().values() for pair in its.values()}
    d.expect("mask keys of the version", len(numbers), 1)


def table(d, archive):
    from loginetl_archive import Files
    kind = "delta" if archive.endswith("delta") else "pointer"
    return loginetl_table.TABLES[kind](Files(d.spark, str(d.root(archive))))


def glue(d):
    """What Glue adds is no argument of a job; what nobody knows is an error."""
    ours = ["--archive", "a", "--root", "r", "--run", "n", "--input", "x,y"]
    theirs = ["--JOB_NAME", "mask job", "--JOB_ID", "j_0", "--JOB_RUN_ID", "jr_0", "--TempDir", "s3://tmp/",
              "--job-bookmark-option", "job-bookmark-disable", "--enable-metrics", "", "--extra-py-files=s3://a",
              "--python-modules-installer-option", "--no-cache-dir", "--enable-spark-ui"]
    d.expect("arguments", vars(mask_job.arguments([*theirs, *ours, *theirs])), vars(mask_job.arguments(ours)))
    d.expect("input", mask_job.arguments(ours).input, ["x", "y"])
    for wrong in (["--TempDir", "x"], [*theirs, "--unknown", "x"], ["--run", "a/b"], ["--run", "x" * 101]):
        said = d.ended(mask_job, [*ours, *wrong])
        d.expect(f"{wrong[-2:]}: {said.words}", said.code, 2)


def url_file(d):
    """The database's URL from a file; tasks are not told of it."""
    url = os.environ.pop("LOGINETL_DATABASE_URL")
    try:
        file = d.file("secret/url", url + "\n")
        d.mask("file", "one", d.events, "--database-url-file", file, "--region", os.environ["AWS_REGION"])
        d.expect("the environment of tasks", [name for name in os.environ if name.startswith("LOGINETL_DATABASE")], [])
        d.mask("file", "two", d.events, "--database-url-file", "no/such", code=1, words="has no file no/such")
    finally:
        os.environ["LOGINETL_DATABASE_URL"] = url


def plans(d):
    """A plan that is of no use, or of somebody else, is named."""
    plan = d.loginetl("mask", "plan", "--job", "plans", "--location", d.root("plans"))

    def first():
        d.file("lake/plans/runs/run=one/_plan.json", plan)
    with d.meanwhile(loginetl_job.Program, "run", first):
        d.mask("plans", "one", words="another start of this run was first")
    d.expect("runs that are open", len(d.open_runs("plans")), 1)
    d.file("lake/plans/runs/run=two/_plan.json", plan)
    d.rewrite("plans", "two", code=1, words="is of a mask run of archive plans")
    silent = d.file("silent", "#!/bin/sh\necho no plan\n")
    silent.chmod(0o755)
    d.mask("plans", "three", d.events, "--program", silent, code=1, words="printed no plan")
    d.expect("what is left", d.left("plans", "three"), [])
    silent.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    d.mask("plans", "three", d.events, "--program", silent, code=1, words="ended with 1: nothing is published")


def unopened(d):
    """A rewrite that could not open a row ends with 1, each time; the columns of the table are those of its files."""
    for archive in ("unopened", "unopened-delta"):
        d.mask(archive, "one")
        file = next(d.root(archive).glob("runs/*/try=*/outcome=masked/*/*.parquet"))
        rows = pq.ParquetFile(file).read().to_pylist()
        rows[0]["masked_ip"] = rows[1]["masked_ip"]
        pq.write_table(pa.Table.from_pylist(rows), file)
        (file.parent / f".{file.name}.crc").unlink(missing_ok=True)
        for again in (False, True):
            ended = d.rewrite(archive, "two", code=1)
            d.expect(f"{archive}: unopened", (ended.result["unopened"], ended.result.get("already", False)), (1, again))
    d.expect("the column of the table", "unopened" in columns(d, "unopened-delta"), True)
    d.expect("what it says", d.files("unopened-delta").where("unopened is not null").count(), 1)


def user_ids(d):
    """User ids are masked from some run on: the table gets the columns."""
    for archive in ("ids", "ids-delta"):
        d.mask(archive, "one")
    with d.meanwhile(mask_job, "mask", lambda: d.loginetl("init", "--mask-user-id"), after=True):
        said = d.mask("ids-late", "one", code=3, words="have it planned anew").words
    d.mask("ids-late", "one", code=3, words="have it planned anew")
    shutil.rmtree(d.root("ids-late") / "runs/run=one")
    drop = re.search(r"loginetl (archive drop \S+ --run \S+ --running-too --reason)", said)[1]
    d.loginetl(*drop.split(), "in clear")
    d.mask("ids-late", "one")
    d.expect("ids-late: user ids in clear", d.files("ids-late").where("user_id is not null").count(), 0)
    d.mask("ids-delta", "two")
    ours = ("masked_user_id", "user_id_hash")
    d.expect("columns of the table", tuple(name for name in columns(d, "ids-delta") if name in ours), ours)
    rows = d.files("ids-delta")
    d.expect("rows", (rows.count(), rows.where("masked_user_id is not null").count()), (2 * FEW, FEW))
    for archive, count in (("ids", FEW), ("ids-delta", 2 * FEW)):
        result = d.rewrite(archive, "three").result
        d.expect(f"{archive}: rows and unopened", (result["rows"], result["unopened"]), (count, 0))


def columns(d, archive):
    return [field.name for field in deltalake.DeltaTable(str(d.root(archive))).schema().fields]


def read_back(d):
    """The page's lines for a reader, where runs stand beside each other that have not the same columns."""
    page = (JOBS / "README.md").read_text(encoding="utf-8")
    [lines] = [block for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "spark.read" in block]
    d.mask("ids", "four")  # user ids are masked in it, and in the other run they are not
    known = {"spark": d.spark}
    exec(lines.replace("s3a://lake/logins", str(d.root("ids"))), known)  # noqa: S102
    rows = known["logins"]
    d.expect("rows", (rows.count(), rows.where("masked_user_id is null").count()), (2 * FEW, FEW))
    d.expect("columns", set(rows.columns) & {"run", "try", "outcome", "rejected", "create_date"}, {"create_date"})


CASES = [second, cleaned, empty, rejected, nested, deleted, counted, platform, rewrites, keys, glue, url_file, parquet,
         plans, unopened, user_ids, read_back]


def main(folder, program, *named):
    driver, wrong = Driver(folder, program), []
    for case in CASES:
        if named and case.__name__ not in named:
            continue
        began = time.monotonic()
        try:
            case(driver)
        except (Exception, SystemExit):
            traceback.print_exc()
            wrong.append(case.__name__)
        print(f"{case.__name__}: {time.monotonic() - began:.1f} s", file=sys.stderr, flush=True)
    if wrong:
        sys.exit(f"not as it must be: {', '.join(wrong)}")
    print(json.dumps({"cases": [case.__name__ for case in CASES]}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
