"""Brings an archive of masked events under the keys in force, on Spark: the rows of all its runs become one new run.

    spark-submit --py-files loginetl_filter.py,loginetl_archive.py rewrite_job.py \
        --archive logins --root s3a://lake/logins --run rotation-2026-11

Where the rotation is over, the driver needs a login in loginetl_rotator; executors need KMS, and no database.

Invariant: readers see the old version or the new one, each under one key a value. Only runs that are registered and
published are read, and exactly these are replaced. Ends with 1 if there are rows that could not be opened: they pass as
they are, and their keys are kept.
"""

import argparse
import json
import sys

from loginetl_archive import TABLES, Files, Run, commit, counted, instant, loginetl, program_of, read
from loginetl_filter import remasked
from pyspark.sql import Observation, SparkSession
from pyspark.sql import functions as F


def main():
    args = arguments()
    spark = SparkSession.builder.appName(f"loginetl remask {args.archive} {args.run}").getOrCreate()
    files, (program, own) = Files(spark, args.root), program_of(spark, args.program)
    table, run = TABLES[args.table](files), Run(files, args.run)
    if table.has(args.run):
        print(json.dumps({"run": args.run, "already": True}))
        return 0
    plan = run.plan(lambda: loginetl(own, "mask", "plan", "--job", args.archive, "--location", args.root,
                                     "--valid-for", args.valid_for, "--rewrites"))
    wanted = input_of(run, lambda: readable(table, args.archive, own, json.loads(plan)["run"]))
    if not wanted:
        raise SystemExit(f"there is no published run of {args.archive} in {args.root}")
    rows = read(spark, files, wanted)
    folder, counts = run.finished(plan) or rewrite(spark, args, files, run, plan, rows, program)
    commit(own, plan, counts["rows"], 0, "--unopened", counts["unopened"])
    version = table.publish(args.run, json.loads(plan)["run"], folder, replaced=list(wanted), schema=arrow_schema(rows),
                            counts=counts["files"])
    run.clean(plan, kept=folder)
    print(json.dumps({"run": args.run, "version": version, "rows": counts["rows"], "unopened": counts["unopened"],
                      "replaced": list(wanted)}), flush=True)
    return 1 if counts["unopened"] else 0


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--archive", required=True, help="the name under which `loginetl archive list` shows it")
    parser.add_argument("--root", required=True, help="the folder of the archive")
    parser.add_argument("--run", required=True, help="the name of this run, the same when it is started again")
    parser.add_argument("--table", choices=sorted(TABLES), default="pointer")
    parser.add_argument("--program", default="loginetl", help="on PATH of all machines, or a URI that Spark fetches")
    parser.add_argument("--valid-for", default="24h", help="how long tasks may begin to work by the plan")
    return parser.parse_args()


def input_of(run, find):
    """The runs that are read, {name: folder}: decided once, for all starts of this run."""
    stored = f"{run.folder}/_input.json"
    if not run.files.exists(stored):
        run.files.create(stored, json.dumps(find()))
    return json.loads(run.files.read(stored))


def readable(table, archive, program, own):
    """The published runs that were registered before this one was planned. The registry forgets these when this one
    is committed, so each of them must be here."""
    listed = loginetl(program, "archive", "list", "--format", "json").splitlines()
    known = next(view for view in map(json.loads, listed) if view["archive"] == archive)["runs"]
    planned = next(instant(run["planned_at"]) for run in known if run["run"] == own)
    ended = {run["run"]: instant(run["committed_at"]) for run in known if run["committed_at"]}
    for run, at in ended.items():
        if at < planned and not table.has_id(run):
            raise SystemExit(f"run {run} is registered and not published: start its job again, then this one")
    late = {run for run, at in ended.items() if at >= planned}
    return {name: folder for name, folder in table.runs().items() if id_of(folder) not in late}


def id_of(folder):
    """The run that has written a folder, …/try=RUN.…/…"""
    return folder.partition("/try=")[2].partition(".")[0]


def rewrite(spark, args, files, run, plan, rows, program):
    folder, seen = run.new_folder(plan), Observation("rows")
    rows = rows.observe(seen, F.count(F.lit(1)).alias("count"))
    made = remasked(rows, plan, program).withColumn("outcome", F.lit("masked"))
    made.write.partitionBy("outcome", "create_date").parquet(f"{args.root.rstrip('/')}/{folder}")
    per_file, outcomes, unopened = counted(spark, files, folder, "unopened")
    rows_out, read_in = outcomes.get("masked", 0), seen.get["count"]
    if read_in != rows_out:
        raise SystemExit(f"{read_in} rows in, {rows_out} out: nothing is published")
    return run.finish(folder, {"rows": rows_out, "unopened": unopened, "files": per_file})


def arrow_schema(rows):
    from pyspark.sql.pandas.types import to_arrow_schema  # noqa: PLC0415
    columns = [column for column in rows.schema if column.name not in ("rejected", "field", "length", "unopened")]
    return to_arrow_schema(type(rows.schema)(columns))


if __name__ == "__main__":
    sys.exit(main())
