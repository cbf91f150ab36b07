"""Masks login events on Spark: JSON Lines (plain or packed) or Parquet in, an archive of Parquet by day out.

    spark-submit --py-files loginetl_filter.py,loginetl_archive.py,loginetl_table.py,loginetl_job.py mask_job.py \
        --archive logins --root s3a://lake/logins --run 2026-11-28 s3a://raw/logins/2026-11-28/

The driver needs a login in loginetl_loader (LOGINETL_DATABASE_URL) and KMS; executors need KMS, and no database.

Invariant: a version of the archive is published only after its lines are counted and `loginetl mask commit` has taken
them. A second start with the same --run goes on under the plan of the first, so that the content is the same; after the
run is published it does nothing.
"""

import json
import sys

from loginetl_archive import Files, Run, counted, reader
from loginetl_filter import masked, masked_schema
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
from loginetl_table import TABLES, counted_files, give_up
from pyspark.sql import Observation
from pyspark.sql import functions as F

NEEDED = ("user_id", "ip", "device_id", "app_version")
# What the columns of an event may be; of another kind each line would be rejected. Other columns are of no event.
KINDS = {**dict.fromkeys((*NEEDED, "device_type", "locale"), ["string"]), "create_date": ["string", "date"],
         "timestamp": ["string", "timestamp", "long", "integer", "double", "float", "decimal"]}


def main():
    args = arguments(sys.argv[1:])
    spark = session(f"loginetl mask {args.archive} {args.run}")
    files, program = Files(spark, args.root), Program(spark, args)
    table, run = TABLES[args.table](files), Run(files, args.run)
    if table.has(args.run):
        ended_before(args, table, run)
        tell(run=args.run, already=True)
        return 0
    lines = events(spark, args)
    plan = plan_of(args, run, program, *args.plan_flag)
    refuse_other_keys(args, run, plan, table.keys())
    folder, counts = run.finished(plan) or mask(spark, args, files, run, plan, lines, program)
    refuse_other_keys(args, run, plan, table.keys())  # others have published meanwhile
    program.commit(args, run, plan, counts["rows"], counts["rejected"])
    version, held = table.publish(args, json.loads(plan)["run"], folder, counts, keys_of(plan),
                                  schema=arrow_schema(plan))
    run.clean(held)
    if not counts["rows"]:
        print(f"NO LINE OF THIS RUN WAS AN EVENT: all {counts['rejected']} were rejected, and nothing of it can be "
              f"read. {args.root}/{folder}/outcome=rejected has the reasons", file=sys.stderr)
    tell(run=args.run, version=version, rows=counts["rows"], rejected=counts["rejected"])
    return 0


def arguments(words):
    parser = flags(__doc__)
    parser.add_argument("input", nargs="*", help="files or folders; they stay as they are until the run is published")
    parser.add_argument("--input", dest="more", default="", help="the same as one argument, with commas between them")
    parser.add_argument("--format", choices=["text", "parquet"], default="text")
    parser.add_argument("--body", metavar="COLUMN", help="the column of Parquet that holds a whole event as JSON text")
    parser.add_argument("--plan-flag", action="append", default=[], metavar="FLAG", help="--plan-flag=--day=2026-11-28")
    args = parser.parse_args(without_glue(words))
    args.input += [path for path in args.more.split(",") if path]
    if not args.input:
        parser.error("there is no input")
    return args


def mask(spark, args, files, run, plan, lines, program):
    """Writes a folder of masked and rejected rows, and counts them: what goes in must come out."""
    folder, seen = run.new_folder(plan), Observation("lines")
    lines = lines.observe(seen, F.count(F.lit(1)).alias("count"))
    write(masked(lines, plan, program.name), f"{args.root.rstrip('/')}/{folder}")
    read = seen.get.get("count", 0)
    if not read:
        files.delete(folder)
        raise SystemExit(f"there is no line in {', '.join(args.input)}: nothing is committed or published. Look at the "
                         f"paths, and start again with --run {args.run}. If there is nothing to mask: delete "
                         f"{args.root}/{run.folder}, which has the plan, and give the run up "
                         f"({give_up(args.archive, json.loads(plan)['run'])})")
    per_file, outcomes, _ = counted(spark, files, folder, "rejected")
    rows, rejected = outcomes.get("masked", 0), outcomes.get("rejected", 0)
    if read != rows + rejected:
        raise SystemExit(f"{read} lines in, {rows} rows and {rejected} rejected out: nothing is published")
    counts = {"rows": rows, "rejected": rejected, "files": per_file}
    counted_files(files, folder, counts)
    return run.finish(folder, counts)


def events(spark, args):
    """A column `value` of JSON text, an event each. Refuses, before anything is planned, what holds no events."""
    if args.format == "text":
        # Lines end as they do for load, and blank ones are none.
        lines = reader(spark).option("recursiveFileLookup", "true").option("lineSep", "\n").text(args.input)
        return lines.where("trim(LEADING ' \t\f\r' FROM value) <> ''")
    rows = reader(spark).parquet(*args.input)
    every = reader(spark).option("recursiveFileLookup", "true").schema("nothing string").parquet(*args.input)
    skipped = sorted(set(every.inputFiles()) - set(rows.inputFiles()))
    if skipped:
        raise SystemExit(f"Spark does not read {len(skipped)} files in folders that are no partitions, such as "
                         f"{skipped[0]}: name these folders as inputs of their own")
    kinds = {field.name: field.dataType.typeName() for field in rows.schema.fields}
    if args.body:
        if kinds.get(args.body) not in ("string", "binary"):
            raise SystemExit(f"the input has no column {args.body} of text or bytes (--body)")
        return rows.select(F.col(f"`{args.body}`").cast("binary").alias("value"))
    missing = [name for name in NEEDED if name not in kinds]
    if missing:
        raise SystemExit(f"the input has no column {', '.join(missing)}: an event needs {', '.join(NEEDED)}. Is there "
                         "one with whole events (--body COLUMN)?")
    for name, allowed in KINDS.items():
        if kinds.get(name, "string") not in allowed and (name in NEEDED or has_value(rows, name)):
            raise SystemExit(f"column {name} of the input is {kinds[name]}, not {' or '.join(allowed)}: "
                             "convert it before")
    texts = [F.col(f"`{name}`") for name, kind in kinds.items() if kind == "string"]
    whole = F.to_json(F.struct("*"), {"ignoreNullFields": "false"}).cast("binary")
    # JSON would have other signs in the place of bytes that are no UTF-8; such a line is rejected, as load does.
    return rows.select(F.when(broken(texts), F.lit(b"\xff")).otherwise(whole).alias("value"))


def has_value(rows, name):
    """A column of nulls alone is an integer for Spark: such a field is as if it were not there."""
    return rows.where(F.col(f"`{name}`").isNotNull()).limit(1).count() > 0


def broken(texts):
    """Whether one of these texts is no UTF-8."""
    found = F.lit(False)
    for text in texts:
        if hasattr(F, "is_valid_utf8"):  # Spark 4
            bad = ~F.is_valid_utf8(text)
        else:  # the JVM's own texts are UTF-8: what does not come back as it went there was none
            bad = F.regexp_replace(text, "^", "").cast("binary") != text.cast("binary")
        found = found | F.coalesce(bad, F.lit(False))
    return found


def write(rows, folder):
    outcome = F.when(F.col("rejected").isNull(), "masked").otherwise("rejected")
    rows.withColumn("outcome", outcome).write.partitionBy("outcome", "create_date").parquet(folder)


def arrow_schema(plan):
    """The columns of the archive, for the log of Delta."""
    import pyarrow as pa  # noqa: PLC0415
    kinds = {"string": pa.string(), "int": pa.int32(), "date": pa.date32()}
    columns = [column.split(" ") for column in masked_schema(plan).split(", ")]
    return pa.schema([(name, kinds[kind]) for name, kind in columns if name not in ("rejected", "field", "length")])


if __name__ == "__main__":
    code = main()
    if code:  # a notebook's Python may take any exit for a failure, even 0
        sys.exit(code)
