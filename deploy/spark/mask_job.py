"""Masks login events on Spark: JSON Lines (plain or packed) or Parquet in, an archive of Parquet by day out.

    spark-submit --py-files loginetl_filter.py,loginetl_archive.py mask_job.py \
        --archive logins --root s3a://lake/logins --run 2026-11-28 s3a://raw/logins/2026-11-28/

The driver needs a login in loginetl_loader (LOGINETL_DATABASE_URL) and KMS; executors need KMS, and no database.

Invariant: a version of the archive is published only after its lines are counted and `loginetl mask commit` has taken
them. A second start with the same --run goes on under the plan of the first, so that the content is the same; after the
run is published it does nothing.
"""

import argparse
import json
import sys

from loginetl_archive import TABLES, Files, Run, commit, counted, loginetl, program_of
from loginetl_filter import masked, masked_schema
from pyspark.sql import Observation, SparkSession
from pyspark.sql import functions as F


def main():
    args = arguments()
    spark = SparkSession.builder.appName(f"loginetl mask {args.archive} {args.run}").getOrCreate()
    spark.conf.set("spark.sql.session.timeZone", "UTC")
    files, (program, own) = Files(spark, args.root), program_of(spark, args.program)
    table, run = TABLES[args.table](files), Run(files, args.run)
    if table.has(args.run):
        return tell(run=args.run, already=True)
    plan = run.plan(lambda: loginetl(own, "mask", "plan", "--job", args.archive, "--location", args.root,
                                     "--valid-for", args.valid_for, *args.plan_flag))
    folder, counts = run.finished(plan) or mask(spark, args, files, run, plan, program)
    commit(own, plan, counts["rows"], counts["rejected"])
    version = table.publish(args.run, json.loads(plan)["run"], folder, schema=arrow_schema(plan),
                            counts=counts["files"])
    run.clean(plan, kept=folder)
    return tell(run=args.run, version=version, rows=counts["rows"], rejected=counts["rejected"])


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("input", nargs="+", help="files or folders; they stay as they are until the run is published")
    parser.add_argument("--format", choices=["text", "parquet"], default="text")
    parser.add_argument("--body", metavar="COLUMN", help="the column of Parquet that holds a whole event as JSON text")
    parser.add_argument("--archive", required=True, help="the name under which `loginetl archive list` shows it")
    parser.add_argument("--root", required=True, help="the folder of the archive")
    parser.add_argument("--run", required=True, help="the name of this run, the same when it is started again")
    parser.add_argument("--table", choices=sorted(TABLES), default="pointer")
    parser.add_argument("--program", default="loginetl", help="on PATH of all machines, or a URI that Spark fetches")
    parser.add_argument("--valid-for", default="24h", help="how long tasks may begin to work by the plan")
    parser.add_argument("--plan-flag", action="append", default=[], metavar="FLAG", help="--plan-flag=--day=2026-11-28")
    return parser.parse_args()


def mask(spark, args, files, run, plan, program):
    """Writes a folder of masked and rejected rows, and counts them: what goes in must come out."""
    folder, seen = run.new_folder(plan), Observation("lines")
    lines = events(spark, args).observe(seen, F.count(F.lit(1)).alias("count"))
    write(masked(lines, plan, program), f"{args.root.rstrip('/')}/{folder}")
    per_file, outcomes, _ = counted(spark, files, folder, "rejected")
    rows, rejected, read = outcomes.get("masked", 0), outcomes.get("rejected", 0), seen.get["count"]
    if read != rows + rejected:
        raise SystemExit(f"{read} lines in, {rows} rows and {rejected} rejected out: nothing is published")
    return run.finish(folder, {"rows": rows, "rejected": rejected, "files": per_file})


def events(spark, args):
    """A column `value` of JSON text, an event each."""
    if args.format == "text":
        # Lines end as they do for load, and blank ones are none.
        lines = spark.read.option("lineSep", "\n").text(args.input)
        return lines.where("trim(LEADING ' \t\f\r' FROM value) <> ''")
    rows = spark.read.parquet(*args.input)
    if args.body:
        # Between the parts of JSON both count alike; within a text both are refused.
        return rows.select(F.translate(F.col(args.body), "\n", "\r").alias("value"))
    return rows.select(F.to_json(F.struct("*"), {"ignoreNullFields": "false"}).alias("value"))


def write(rows, folder):
    outcome = F.when(F.col("rejected").isNull(), "masked").otherwise("rejected")
    rows.withColumn("outcome", outcome).write.partitionBy("outcome", "create_date").parquet(folder)


def arrow_schema(plan):
    """The columns of the archive, for the log of Delta."""
    import pyarrow as pa  # noqa: PLC0415
    kinds = {"string": pa.string(), "int": pa.int32(), "date": pa.date32()}
    columns = [column.split(" ") for column in masked_schema(plan).split(", ")]
    return pa.schema([(name, kinds[kind]) for name, kind in columns if name not in ("rejected", "field", "length")])


def tell(**result):
    print(json.dumps(result), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
