"""Brings an archive of masked events under the keys in force, on Spark: the rows of all its runs become one new run.

    spark-submit --py-files loginetl_filter.py,loginetl_archive.py,loginetl_table.py,loginetl_job.py rewrite_job.py \
        --archive logins --root s3a://lake/logins --run rotation-2026-11

Where the rotation is over, the driver needs a login in loginetl_rotator; executors need KMS, and no database.

Invariant: readers see the old version or the new one. What is replaced comes under one key a value, and does not come
beside other keys unasked. Only runs that are registered and published are read, and exactly these are replaced. Ends
with 1 if there are rows that could not be opened: they pass as they are, and their keys are kept.
"""

import json
import sys

from loginetl_archive import Files, Run, counted, read
from loginetl_filter import remasked
from loginetl_job import (
    Program,
    ended_before,
    flags,
    keys_of,
    plan_of,
    refuse_other_keys,
    session,
    tell,
    without_glue,
)
from loginetl_table import TABLES, committed_in_vain, counted_files, give_up, refuse_replaced
from pyspark.sql import Observation
from pyspark.sql import functions as F


def main():
    args = arguments(sys.argv[1:])
    spark = session(f"loginetl remask {args.archive} {args.run}")
    files, program = Files(spark, args.root), Program(spark, args)
    table, run = TABLES[args.table](files), Run(files, args.run)
    if table.has(args.run):
        unopened = ended_before(args, table, run)
        tell(run=args.run, already=True, **({"unopened": unopened} if unopened else {}))
        return 1 if unopened else 0
    plan = plan_of(args, run, program, "--rewrites")
    wanted = input_of(run, lambda: readable(args, table, program, json.loads(plan)["run"]))
    if not wanted:
        raise SystemExit(f"there is no published run of {args.archive} in {args.root}")
    refuse_late(args, run, table, plan, wanted)
    rows = read(spark, files, wanted)
    folder, counts = run.finished(plan) or rewrite(spark, args, files, run, plan, rows, program)
    refuse_late(args, run, table, plan, wanted)  # others have published meanwhile
    program.commit(args, run, plan, counts["rows"], 0, "--unopened", counts["unopened"], done=(0, 1))
    version, held = table.publish(args, json.loads(plan)["run"], folder, counts, keys_of(plan), replaced=wanted,
                                  schema=arrow_schema(rows, counts))
    run.clean(held)
    tell(run=args.run, version=version, rows=counts["rows"], unopened=counts["unopened"], replaced=list(wanted))
    return 1 if counts["unopened"] else 0


def arguments(words):
    return flags(__doc__).parse_args(without_glue(words))


def refuse_late(args, run, table, plan, wanted):
    """What is read must be there still, and what stays beside it is under the same keys."""
    table.refuse_strangers()
    planned = json.loads(plan)["run"]
    remedy = (f"Nothing of it is committed: delete {args.root}/{run.folder}, and give it up "
              f"({give_up(args.archive, planned)}). If a rewrite is needed still, start one with another name")
    if run.committed:
        remedy = committed_in_vain(args, planned)
    refuse_replaced(table.runs(), wanted, remedy)
    refuse_other_keys(args, run, plan, {name: keys for name, keys in table.keys().items() if name not in wanted})


def input_of(run, find):
    """The runs that are read, {name: [paths]}: decided once, for all starts of this run."""
    stored = f"{run.folder}/_input.json"
    if not run.files.exists(stored):
        run.files.create(stored, json.dumps(find()))
    return json.loads(run.files.read(stored))


def readable(args, table, program, own):
    """The published runs that were registered before this one was planned. The registry forgets these when this one
    is committed, so each of them must be here."""
    table.refuse_strangers()
    known = program.runs(args.archive)
    replaces = next(run["replaces"] for run in known if run["run"] == own)
    late = {run["run"] for run in known if run["committed_at"]} - set(replaces)
    for run in replaces:
        if not table.has_id(run):
            raise SystemExit(f"run {run} is registered and not published: start its job again, then this one. If that "
                             "one cannot be published (its files are gone, or another rewrite was first): loginetl "
                             f"archive drop {args.archive} --run {run} --reason …, and start this one again")
    return {name: paths for name, paths in table.runs().items() if id_of(paths[0]) not in late}


def id_of(folder):
    """The run that has written a folder, …/try=RUN.…/…"""
    return folder.partition("/try=")[2].partition(".")[0]


def rewrite(spark, args, files, run, plan, rows, program):
    folder, seen = run.new_folder(plan), Observation("rows")
    rows = rows.observe(seen, F.count(F.lit(1)).alias("count"))
    made = remasked(rows, plan, program.name).withColumn("outcome", F.lit("masked"))
    made.write.partitionBy("outcome", "create_date").parquet(f"{args.root.rstrip('/')}/{folder}")
    per_file, outcomes, unopened = counted(spark, files, folder, "unopened")
    rows_out, read_in = outcomes.get("masked", 0), seen.get.get("count", 0)
    if read_in != rows_out:
        raise SystemExit(f"{read_in} rows in, {rows_out} out: nothing is published")
    counts = {"rows": rows_out, "unopened": unopened, "files": per_file}
    counted_files(files, folder, counts)
    return run.finish(folder, counts)


def arrow_schema(rows, counts):
    """The columns of the archive, for the log of Delta: with `unopened` where a row has something in it."""
    from pyspark.sql.pandas.types import to_arrow_schema  # noqa: PLC0415
    columns = type(rows.schema)([column for column in rows.schema if column.name != "unopened"])
    return to_arrow_schema(columns.add("unopened", "string") if counts["unopened"] else columns)


if __name__ == "__main__":
    code = main()
    if code:  # a notebook's Python may take any exit for a failure, even 0
        sys.exit(code)
