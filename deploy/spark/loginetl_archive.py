"""An archive of masked events: a folder with runs, and versions of it that are published one by one.

    ROOT/runs/run=NAME/_plan.json                                             until the run is published
    ROOT/runs/run=NAME/try=…/outcome=masked/create_date=2026-11-28/*.parquet
    ROOT/runs/run=NAME/try=…/outcome=rejected/…                               reason code, field, length
    ROOT/_published/00000007.json                                             what belongs to version 7
    ROOT/_delta_log/                                                          instead, where --table delta

A reader takes what the newest version names and nothing else, so that a version appears by one act: a rename of its
file, or one commit to the log of Delta (loginetl_table.py).

Invariant: nothing is ever renamed, replaced or deleted that a version names.
"""

import datetime
import json
import sys
import uuid

from loginetl_table import give_up, in_its_run
from pyspark.sql import functions as F


class Files:
    """Files of whatever file system the root lies in, by Spark's own client of it."""

    def __init__(self, spark, root):
        self.jvm, self.gateway, self.root = spark._jvm, spark.sparkContext._gateway, root.rstrip("/")
        self.configuration = spark._jsc.hadoopConfiguration()
        self.fs = self.path("").getFileSystem(self.configuration)

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
        try:
            if self.renamed(draft, name):
                return True
        except Exception:
            if not self.exists(name):
                raise
        self.fs.delete(self.path(draft), False)
        return False

    def renamed(self, draft, name):
        """Never over what is there."""
        try:
            context = self.jvm.org.apache.hadoop.fs.FileContext.getFileContext(self.fs.getUri(), self.configuration)
        except Exception:  # this file system has none; one act less
            return not self.exists(name) and self.fs.rename(self.path(draft), self.path(name))
        kind = self.jvm.org.apache.hadoop.fs.Options.Rename
        how = self.gateway.new_array(kind, 1)
        how[0] = kind.valueOf("NONE")
        context.rename(self.path(draft), self.path(name), how)
        return True

    def delete(self, name):
        self.fs.delete(self.path(name), True)


class Run:
    """One run of a job by its name, which a second start of the same job gives again."""

    def __init__(self, files, name):
        self.files, self.name, self.folder = files, name, f"runs/run={name}"
        self.committed = False

    def plan(self, make, archive):
        """The plan of this run: that of an earlier start, as long as it may be used, else a new one."""
        stored = f"{self.folder}/_plan.json"
        if self.files.exists(stored):
            plan = self.files.read(stored)
            if self.finished(plan) or instant(json.loads(plan)["expires_at"]) > instant(now()):
                return plan
            print("the plan of an earlier start has expired, and nothing was finished under it: a new one is made. "
                  f"Give the old run up: {give_up(archive, planned(plan))}", file=sys.stderr)
            self.files.delete(self.folder)
        plan = make()
        mine = planned(plan)
        self.files.create(stored, plan)
        plan = self.files.read(stored)  # that of whoever was first
        if planned(plan) != mine:
            print("another start of this run was first: this one goes on under its plan. What this one planned keeps "
                  f"its keys until you give it up: {give_up(archive, mine)}", file=sys.stderr)
        return plan

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

    def clean(self, held):
        """Deletes what a published run needs no more: its plan, drafts of it, and what other starts have left. `held`
        are the paths that the version names; where it names none, nobody knows what of the rest is of use."""
        rest = ["_plan.json", *(name for name in self.files.names(self.folder) if name.startswith("_draft-"))]
        if held:
            kept = {path.partition("/outcome=")[0].rpartition("/")[2] for path in held}
            rest += [name for name in self.files.names(self.folder) if name.startswith("try=") and name not in kept]
        for name in rest:
            self.files.delete(f"{self.folder}/{name}")


def planned(plan):
    """The id of a plan's run. What is no plan is not stored."""
    try:
        return json.loads(plan)["run"]
    except (ValueError, KeyError, TypeError):
        raise SystemExit("loginetl mask plan printed no plan") from None


def now():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def instant(text):
    """A time as loginetl prints it, so that two compare: its fraction has no fixed length."""
    seconds, _, fraction = text.rstrip("Z").partition(".")
    return seconds, fraction.ljust(9, "0")


def reader(spark):
    """Reads all, or fails: what is cut off or gone is not left out, whatever the session is set to."""
    return spark.read.option("ignoreCorruptFiles", "false").option("ignoreMissingFiles", "false")


def read(spark, files, runs):
    """The masked rows of these runs, {name: [paths]}, as one DataFrame. Some may have more columns than others."""
    paths = [f"{files.root}/{path}" for its in runs.values() for path in its]
    rows = reader(spark).option("basePath", f"{files.root}/runs").option("mergeSchema", "true").parquet(*paths)
    return rows.drop("run", "try", "outcome", "rejected", "field", "length")


def counted(spark, files, folder, column):
    """({file: rows}, {outcome: rows}, rows that have this column), from what is written."""
    schema = f"{column} string, outcome string"
    rows = reader(spark).schema(schema).parquet(f"{files.root}/{folder}")
    found = rows.groupBy(F.col("_metadata.file_path").alias("file"), "outcome").agg(
        F.count(F.lit(1)).alias("rows"), F.count(column).alias("marked")).collect()
    outcomes = {}
    for row in found:
        outcomes[row.outcome] = outcomes.get(row.outcome, 0) + row["rows"]
    return {in_its_run(row.file): row["rows"] for row in found}, outcomes, sum(row.marked for row in found)
