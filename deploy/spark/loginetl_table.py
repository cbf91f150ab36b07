"""How a version of an archive is published: as a small file, or as a commit to the log of Delta.

Both kinds of table have
    runs()          {name: [paths]} of what the newest version holds: a folder, or exactly the files that the log lists
    keys()          {name: {field: [mask key, hash key]}} of these; None for what is not known
    has(name), has_id(run), unopened(name)      of every run that was ever published
    publish(…)      (version, paths of that run as the version holds them, or None if it holds none)

Invariant: a version is whole, never changes, and follows the one that it was made from: whoever comes second looks
again.
"""

import json
import re
import time

MASKED = "outcome=masked"
FIELDS = ("user_id", "ip", "device_id")
ATTEMPTS = 5  # to commit to the log of Delta, where others do so at the same time
STRANGERS = "of another engine"  # stands for the files that these jobs have not written


def in_its_run(path):
    """Where a file lies in the folder of its run. Its name alone is the same in each day that one task has written."""
    return path.rpartition("/outcome=")[2]


def counted_files(files, folder, counts):
    """(path, bytes, time) of the masked files of a run: exactly those that were counted, with the rows that it has."""
    known = {name: rows for name, rows in counts["files"].items() if name.startswith("masked/")}
    listed = files.parquet(f"{folder}/{MASKED}") if counts["rows"] else []
    if {in_its_run(path) for path, _, _ in listed} != set(known) or sum(known.values()) != counts["rows"]:
        raise SystemExit(f"{folder} has other files than were counted: nothing is published. Start the job again with "
                         "the same --run: it writes another folder")
    return listed


def refuse_replaced(now, replaced, remedy):
    """What a rewrite takes the place of must be there as it was read. Both are {name: [paths]}."""
    gone = sorted(name for name, paths in replaced.items() if sorted(now.get(name, [])) != sorted(paths))
    if gone:
        raise SystemExit(f"runs {', '.join(gone)} are not there any more as they were read: another rewrite, or "
                         f"another engine, has replaced them. Nothing of this rewrite is published. {remedy}")


def give_up(archive, run):
    """What lets the plan of a run that is not committed keep no key any more."""
    return f"loginetl archive drop {archive} --run {run} --running-too --reason …"


def committed_in_vain(args, run):
    return (f"It is registered as run {run}, and nothing can publish it: delete {args.root}/runs/run={args.run}, and "
            f"loginetl archive drop {args.archive} --run {run} --reason …")


class Pointer:
    """Versions as files: the newest is the one with the highest number."""

    def __init__(self, files):
        self.files = files

    def newest(self):
        names = [name for name in self.files.names("_published") if re.fullmatch(r"[0-9]{8,}\.json", name)]
        number = max((int(name[:-len(".json")]) for name in names), default=0)
        if not number:
            return 0, {"runs": {}, "ever": {}}
        return number, json.loads(self.files.read(f"_published/{number:08}.json"))

    def refuse_strangers(self):
        """Nobody but these jobs writes versions of this kind."""

    def runs(self):
        return {name: [folder] for name, folder in self.newest()[1]["runs"].items()}

    def keys(self):
        version = self.newest()[1]
        return {name: version.get("keys", {}).get(name) for name in version["runs"]}

    def has(self, name):
        return name in self.newest()[1]["ever"]

    def has_id(self, run):
        return run in self.newest()[1]["ever"].values()

    def unopened(self, name):
        return self.newest()[1].get("unopened", {}).get(name, 0)

    def publish(self, args, run, folder, counts, keys, replaced=None, **_):
        """Adds a run, in the place of others, as one version. A run that was added before changes nothing."""
        name, replaced = args.run, replaced or {}
        counted_files(self.files, folder, counts)
        while True:
            number, old = self.newest()
            if name in old["ever"]:
                held = old["runs"].get(name)
                return number, [held] if held else None
            now = {other: [its] for other, its in old["runs"].items()}
            refuse_replaced(now, replaced, committed_in_vain(args, run))
            new = {"runs": {}, "ever": {**old["ever"], name: run}, "keys": old.get("keys", {}),
                   "unopened": old.get("unopened", {})}
            new["runs"] = {other: its for other, its in old["runs"].items() if other not in replaced}
            if counts["rows"]:
                new["runs"][name] = f"{folder}/{MASKED}"
            new["keys"] = {other: its for other, its in {**new["keys"], name: keys}.items() if other in new["runs"]}
            if counts.get("unopened"):
                new["unopened"] = {**new["unopened"], name: counts["unopened"]}
            self.files.create(f"_published/{number + 1:08}.json", json.dumps(new, indent=1) + "\n")
            # Look again: where a rename is no single act, somebody else's file may have come over this one.


class Delta:
    """Versions as commits to the log of a Delta table in the same root, over the same files."""

    def __init__(self, files):
        import deltalake  # noqa: PLC0415 - this kind of table alone needs it
        if not hasattr(deltalake.transaction, "RemoveAction"):  # said before there is a table that it cannot rewrite
            raise SystemExit(f"the deltalake {deltalake.__version__} of the driver cannot replace files: install a "
                             "newer one (tried: 1.6.6, which needs Python 3.10)")
        self.files, self.lake = files, deltalake

    def table(self):
        known = self.files.exists("_delta_log")
        return self.lake.DeltaTable(self.files.root, without_files=False) if known else None

    def runs(self):
        return self.runs_of(self.table())

    def runs_of(self, table):
        held = {}
        for path in table.get_add_actions().column("path").to_pylist() if table else []:
            name = re.fullmatch(rf"runs/run=([^/]+)/try=[^/]+/{MASKED}/create_date=[^/]+/[^/]+", path)
            held.setdefault(name[1] if name else STRANGERS, []).append(path)
        return held

    def refuse_strangers(self):
        """For a rewrite, which would read what is deleted, or what has no run."""
        strange = self.runs().get(STRANGERS)
        if strange:
            raise SystemExit(f"{strange[0]} was not written by these jobs: rewrite the table by its own engine")
        table = self.table()
        if table and "deletionVectors" in (table.protocol().reader_features or []):
            try:
                deleted = table.deletion_vectors().read_all().num_rows
            except Exception:  # what cannot be read is not known to be none
                deleted = True
            if deleted:
                raise SystemExit("rows of this table are deleted by deletion vectors, which this job cannot apply: let "
                                 "its engine write these files anew (REORG TABLE … APPLY (PURGE)), and rewrite the "
                                 "table by that engine")

    def keys(self):
        """By the marks of each run, which stay when its files go."""
        table, found = self.table(), {}
        for name in self.runs():
            pairs = {field: [table.transaction_version(f"loginetl/keys/{name}/{field}/{kind}")
                             for kind in ("mask", "hash")] for field in FIELDS}
            found[name] = {field: pair for field, pair in pairs.items() if None not in pair} or None
        return found

    def mark(self, name, table=None):
        table = table or self.table()
        return table.transaction_version(f"loginetl/{name}") if table else None

    def has(self, name):
        return self.mark(f"name/{name}") is not None

    def has_id(self, run):
        return self.mark(f"run/{run}") is not None

    def unopened(self, name):
        return self.mark(f"unopened/{name}") or 0

    def publish(self, args, run, folder, counts, keys, replaced=None, schema=None):
        """As Pointer.publish. What is asked is asked of one version, and committed on it: the log refuses a run that
        another driver has published since, and whoever removes a file that is not there any more."""
        name, replaced, schema = args.run, replaced or {}, self.lake.Schema.from_arrow(schema)
        if self.has(name):  # then the other driver may have deleted the files of this one
            return self.table().version(), self.runs().get(name)
        actions = [self.added(*file, counts["files"]) for file in counted_files(self.files, folder, counts)]
        actions += [self.removed(path) for paths in replaced.values() for path in paths]
        how = self.marks(name, run, counts, keys)
        for left in reversed(range(ATTEMPTS)):
            table = self.table() or self.lake.DeltaTable.create(self.files.root, schema, partition_by=["create_date"])
            table = self.widened(table, schema)
            if self.mark(f"name/{name}", table):
                break
            refuse_replaced(self.runs_of(table), replaced, committed_in_vain(args, run))
            try:
                table.create_write_transaction(actions, "append", schema, ["create_date"], commit_properties=how)
                break
            except self.lake.exceptions.CommitFailedError:
                if not left:
                    raise
        return self.table().version(), self.runs().get(name)

    def marks(self, name, run, counts, keys):
        """What the log keeps of a run, whatever becomes of its files."""
        marks = {f"name/{name}": 1, f"run/{run}": 1, f"unopened/{name}": counts.get("unopened") or None}
        marks.update({f"keys/{name}/{field}/{kind}": key for field, pair in keys.items()
                      for kind, key in zip(("mask", "hash"), pair)})
        marks = [self.lake.Transaction(f"loginetl/{mark}", value) for mark, value in marks.items() if value is not None]
        return self.lake.CommitProperties(app_transactions=marks)

    def widened(self, table, schema):
        """The table with the columns that this run has and no run before it: masked user ids, or `unopened`."""
        known = {field.name for field in table.schema().fields}
        new = [field for field in schema.fields if field.name not in known]
        if not new:
            return table
        table.alter.add_columns(new)
        return self.table()

    def added(self, path, size, at, counts):
        day = path.partition("/create_date=")[2].partition("/")[0]
        stats = json.dumps({"numRecords": counts[in_its_run(path)]})
        return self.lake.transaction.AddAction(path, size, {"create_date": day}, at, True, stats)

    def removed(self, path):
        return self.lake.transaction.RemoveAction(path, data_change=True, deletion_timestamp=int(time.time() * 1000))


TABLES = {"pointer": Pointer, "delta": Delta}
