"""An archive of masked events: a folder with runs, and versions of it that are published one by one.

    ROOT/runs/run=NAME/_plan.json                                             until the run is published
    ROOT/runs/run=NAME/try=…/outcome=masked/create_date=2026-11-28/*.parquet
    ROOT/runs/run=NAME/try=…/outcome=rejected/…                               reason code, field, length
    ROOT/_published/00000007.json                                             what belongs to version 7
    ROOT/_delta_log/                                                          instead, where --table delta

A reader takes what the newest version names and nothing else, so that a version appears by one act: a rename of its
file, or one commit to the log of Delta. Nothing is ever renamed or replaced that a version names.

Invariant: a version is whole, never changes, and follows the one that it was made from: whoever comes second looks
again.
"""

import datetime
import json
import subprocess
import sys
import tempfile
import time
import uuid

from pyspark import SparkFiles
from pyspark.sql import functions as F

MASKED, REJECTED = "outcome=masked", "outcome=rejected"


def loginetl(program, *words):
    """Runs a command of the driver; its output. Ends the job with its exit code if that is another than 0 or 1."""
    done = subprocess.run([program, *map(str, words)], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode not in (0, 1):
        print(f"loginetl {' '.join(words[:2])} ended with {done.returncode}: nothing is published", file=sys.stderr)
        raise SystemExit(done.returncode)
    return done.stdout


def program_of(spark, wanted):
    """The program as tasks name it, and where the driver finds it. A URI is handed to all executors."""
    if "://" not in wanted:
        return wanted, wanted
    spark.sparkContext.addFile(wanted)  # Spark makes it executable
    name = wanted.rpartition("/")[2]
    return name, SparkFiles.get(name)


class Files:
    """Files of whatever file system the root lies in, by Spark's own client of it."""

    def __init__(self, spark, root):
        self.jvm, self.gateway, self.root = spark._jvm, spark.sparkContext._gateway, root.rstrip("/")
        self.fs = self.path("").getFileSystem(spark._jsc.hadoopConfiguration())
        self.context = self.jvm.org.apache.hadoop.fs.FileContext.getFileContext(
            self.fs.getUri(), spark._jsc.hadoopConfiguration())

    def path(self, name):
        return self.jvm.org.apache.hadoop.fs.Path(f"{self.root}/{name}" if name else self.root)

    def exists(self, name):
        return self.fs.exists(self.path(name))

    def names(self, folder):
        """The names in a folder, sorted; none if there is no such folder."""
        if not self.exists(folder):
            return []
        return sorted(status.getPath().getName() for status in self.fs.listStatus(self.path(folder)))

    def parquet(self, folder):
        """(name from the root, bytes, time in ms) of each Parquet file below a folder."""
        found, files = [], self.fs.listFiles(self.path(folder), True)
        start = len(self.fs.makeQualified(self.path("")).toString()) + 1
        while files.hasNext():
            status = files.next()
            name = status.getPath().toString()[start:]
            if name.endswith(".parquet"):
                found.append((name, status.getLen(), status.getModificationTime()))
        return sorted(found)

    def read(self, name):
        stream = self.fs.open(self.path(name))
        try:
            return self.jvm.org.apache.commons.io.IOUtils.toString(stream, "UTF-8")
        finally:
            stream.close()

    def create(self, name, text):
        """Writes a file that nobody sees before it is whole; False if somebody else has written it."""
        draft = f"{name.rpartition('/')[0]}/_draft-{uuid.uuid4().hex}"
        stream = self.fs.create(self.path(draft), False)
        stream.write(bytearray(text.encode()))
        stream.close()
        kind = self.jvm.org.apache.hadoop.fs.Options.Rename
        how = self.gateway.new_array(kind, 1)
        how[0] = kind.valueOf("NONE")  # never over what is there
        try:
            self.context.rename(self.path(draft), self.path(name), how)
            return True
        except Exception:
            if not self.exists(name):
                raise
            self.fs.delete(self.path(draft), False)
            return False

    def delete(self, name):
        self.fs.delete(self.path(name), True)


class Pointer:
    """Versions as files: the newest is the one with the highest number."""

    def __init__(self, files):
        self.files = files

    def newest(self):
        names = self.files.names("_published")
        numbers = [int(name[:-len(".json")]) for name in names if name.endswith(".json")]
        number = max(numbers, default=0)
        if not number:
            return 0, {"runs": {}, "ever": {}}
        return number, json.loads(self.files.read(f"_published/{number:08}.json"))

    def runs(self):
        """What the newest version holds: {name: folder of masked rows}."""
        return self.newest()[1]["runs"]

    def has(self, name):
        return name in self.newest()[1]["ever"]

    def has_id(self, run):
        return run in self.newest()[1]["ever"].values()

    def publish(self, name, run, folder, replaced=(), **_):
        """Adds a run, in the place of others, as one version. A run that was added before changes nothing."""
        while True:
            number, old = self.newest()
            if name in old["ever"]:
                return number
            if set(replaced) - set(old["runs"]):
                raise SystemExit("these runs have been replaced by another rewrite: nothing is published")
            kept = {other: its for other, its in old["runs"].items() if other not in replaced}
            version = {"runs": {**kept, name: f"{folder}/{MASKED}"}, "ever": {**old["ever"], name: run}}
            if self.files.create(f"_published/{number + 1:08}.json", json.dumps(version, indent=1) + "\n"):
                return number + 1


class Delta:
    """Versions as commits to the log of a Delta table in the same root, over the same files."""

    def __init__(self, files):
        import deltalake  # noqa: PLC0415 - this kind of table alone needs it
        self.files, self.lake = files, deltalake

    def table(self):
        known = self.files.exists("_delta_log")
        return self.lake.DeltaTable(self.files.root, without_files=False) if known else None

    def paths(self):
        table = self.table()
        return table.get_add_actions().column("path").to_pylist() if table else []

    def runs(self):
        folders = {}
        for path in self.paths():
            folder = path.partition(f"/{MASKED}/")[0]
            name = folder.removeprefix("runs/run=").rpartition("/try=")[0]
            if not name or not path.startswith("runs/run="):
                raise SystemExit(f"{path} was not written by these jobs: rewrite the table by its own engine")
            folders[name] = f"{folder}/{MASKED}"
        return folders

    def has(self, name):
        table = self.table()
        return bool(table) and table.transaction_version(f"loginetl/name/{name}") is not None

    def has_id(self, run):
        table = self.table()
        return bool(table) and table.transaction_version(f"loginetl/run/{run}") is not None

    def publish(self, name, run, folder, replaced=(), schema=None, counts=()):
        """As Pointer.publish. The log itself refuses whoever removes a file that is not there any more."""
        if self.has(name):
            return self.table().version()
        schema = self.lake.Schema.from_arrow(schema)
        table = self.table() or self.lake.DeltaTable.create(self.files.root, schema, partition_by=["create_date"])
        if set(replaced) - set(self.runs()):
            raise SystemExit("these runs have been replaced by another rewrite: nothing is published")
        actions = [self.added(path, size, at, counts) for path, size, at in self.files.parquet(f"{folder}/{MASKED}")]
        actions += [self.removed(path) for path in self.paths() if path.startswith(tuple(map(of_run, replaced)))]
        marks = [self.lake.Transaction(f"loginetl/{kind}/{value}", 1) for kind, value in (("name", name), ("run", run))]
        table.create_write_transaction(actions, "append", schema, ["create_date"],
                                       commit_properties=self.lake.CommitProperties(app_transactions=marks))
        return self.table().version()

    def added(self, path, size, at, counts):
        day = path.partition("/create_date=")[2].partition("/")[0]
        stats = json.dumps({"numRecords": counts[in_its_run(path)]})
        return self.lake.transaction.AddAction(path, size, {"create_date": day}, at, True, stats)

    def removed(self, path):
        return self.lake.transaction.RemoveAction(path, data_change=True, deletion_timestamp=int(time.time() * 1000))


def in_its_run(path):
    """Where a file lies in the folder of its run. Its name alone is the same in each day that one task has written."""
    return path.rpartition("/outcome=")[2]


def of_run(name):
    return f"runs/run={name}/"


TABLES = {"pointer": Pointer, "delta": Delta}


class Run:
    """One run of a job by its name, which a second start of the same job gives again."""

    def __init__(self, files, name):
        self.files, self.name, self.folder = files, name, f"runs/run={name}"

    def plan(self, make):
        """The plan of this run: that of an earlier start, as long as it may be used, else a new one."""
        stored = f"{self.folder}/_plan.json"
        if self.files.exists(stored):
            plan = self.files.read(stored)
            if self.finished(plan) or instant(json.loads(plan)["expires_at"]) > instant(now()):
                return plan
            print("the plan of an earlier start has expired, and nothing was finished under it: a new one is made. "
                  "Give the old run up: loginetl archive drop … --open-runs", file=sys.stderr)
            self.files.delete(self.folder)
        self.files.create(stored, make())
        return self.files.read(stored)  # that of whoever was first

    def tries(self, plan):
        """Folders in which starts of this run have written, or begun to write."""
        mine = f"try={json.loads(plan)['run']}."
        return [f"{self.folder}/{name}" for name in self.files.names(self.folder) if name.startswith(mine)]

    def finished(self, plan):
        """A folder that is whole and counted, and its counts; None if there is none yet."""
        for folder in self.tries(plan):
            if self.files.exists(f"{folder}/_counts.json"):
                return folder, json.loads(self.files.read(f"{folder}/_counts.json"))
        return None

    def new_folder(self, plan):
        return f"{self.folder}/try={json.loads(plan)['run']}.{uuid.uuid4().hex[:8]}"

    def finish(self, folder, counts):
        self.files.create(f"{folder}/_counts.json", json.dumps(counts))
        return folder, counts

    def clean(self, plan, kept):
        """The plan is not needed any more, nor is what other starts have left."""
        for name in [f"{self.folder}/_plan.json", *(folder for folder in self.tries(plan) if folder != kept)]:
            self.files.delete(name)


def now():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def instant(text):
    """A time as loginetl prints it, so that two compare: its fraction has no fixed length."""
    seconds, _, fraction = text.rstrip("Z").partition(".")
    return seconds, fraction.ljust(9, "0")


def commit(program, plan, rows, rejected, *more):
    """Registers what was made."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:  # 0600, and gone at the end
        file.write(plan)
        file.flush()
        loginetl(program, "mask", "commit", "--plan", file.name, "--rows", rows, "--rejected", rejected, *more)


def read(spark, files, runs):
    """The masked rows of these runs, as one DataFrame."""
    paths = [f"{files.root}/{folder}" for folder in runs.values()]
    rows = spark.read.option("basePath", f"{files.root}/runs").parquet(*paths)
    return rows.drop("run", "try", "outcome", "rejected", "field", "length")


def counted(spark, files, folder, column):
    """({file: rows}, {outcome: rows}, rows that have this column), from what is written."""
    schema = f"{column} string, outcome string"
    rows = spark.read.schema(schema).parquet(f"{files.root}/{folder}")
    found = rows.groupBy(F.input_file_name().alias("file"), "outcome").agg(
        F.count(F.lit(1)).alias("rows"), F.count(column).alias("marked")).collect()
    outcomes = {}
    for row in found:
        outcomes[row.outcome] = outcomes.get(row.outcome, 0) + row["rows"]
    return {in_its_run(row.file): row["rows"] for row in found}, outcomes, sum(row.marked for row in found)
