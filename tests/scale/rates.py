"""How fast: the job's filter beside Spark's own unmasked copy and beside two SHA-256 in the JVM, in one session.

As a program (on the cluster): rates.py INPUT OUT PLAN PROGRAM ROUNDS, prints {kind: [seconds]}.

Invariant: all sides read the same lines and write Parquet by day, taking turns; what each has written is counted.
"""

import json
import resource
import shutil
import statistics
import sys
import time
from pathlib import Path

KINDS = ("copy", "sha256", "mask")
HALF = "[024].jsonl"  # enough to measure


def rates(world):
    """The step of `make scale`."""
    text = world.folder / "events/text"
    files = sorted(text.glob(HALF))
    lines = sum(file.read_bytes().count(b"\n") for file in files)
    plan = world.folder / "rates.json"
    plan.write_text(world.loginetl("mask", "plan", "--job", "rates", "--location", "nowhere"), encoding="utf-8")
    alone = filter_alone(world, files, plan)
    took = world.end(world.cluster.submit(__file__, text, world.folder / "rates", plan, world.program, world.rounds,
                                           measured=True))
    world.loginetl("archive", "drop", "rates", "--open-runs", "--running-too", "--reason", "measured and thrown away")
    medians = {kind: statistics.median(took[kind]) for kind in KINDS}
    print(f"rates     {lines:,} lines, 2 executors with a core each, {world.rounds} rounds taking turns, "
          "medians (range)")
    for kind in KINDS:
        times = sorted(took[kind])
        ratio = statistics.median(base / own for base, own in zip(took["copy"], took[kind], strict=True))
        print(f"  {kind:<8}{lines / medians[kind]:>11,.0f} ({lines / times[-1]:,.0f}-{lines / times[0]:,.0f}) lines/s"
              f"   {ratio:.2f} of the copy")
    share, more = alone / (medians["mask"] * 2), (medians["mask"] - medians["copy"]) * 2
    print(f"  the filter alone takes {alone / lines * 1e6:.2f} µs CPU a line: {share:.0%} of the two cores while the "
          f"job masks;\n  the job takes {more / lines * 1e6:.2f} µs of a core a line more than the copy", flush=True)
    world.numbers["rates"] = took


def filter_alone(world, files, plan):
    """CPU seconds of one process over all lines."""
    lines = world.folder / "rates.jsonl"
    with open(lines, "wb") as out:
        for file in files:
            with open(file, "rb") as source:
                shutil.copyfileobj(source, out)
    # Of all that this process starts nothing but the filter ends in between.
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with open(lines, "rb") as source:
        world.loginetl("mask", "--plan", plan, "--output", "tsv", stdin=source, quiet=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    lines.unlink()
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main(text, out, plan, program, rounds):
    from argparse import Namespace

    import mask_job
    from loginetl_filter import masked
    from pyspark.sql import SparkSession
    from pyspark.sql import functions as F
    spark = SparkSession.builder.getOrCreate()
    with open(plan, encoding="utf-8") as file:
        plan = file.read()
    schema = ("user_id string, app_version string, device_type string, ip string, locale string, device_id string, "
              "create_date date")

    def copy():
        return spark.read.schema(schema).option("lineSep", "\n").json(text)

    def sha256():
        return copy().withColumn("ip", F.sha2("ip", 256)).withColumn("device_id", F.sha2("device_id", 256))

    def mask():
        return masked(mask_job.events(spark, Namespace(format="text", input=[text])), plan, program)
    took, counts = {kind: [] for kind in KINDS}, set()
    folder = text
    for number in range(int(rounds) + 1):
        text = f"{folder}/{HALF}" if number else f"{folder}/0.jsonl"  # the first round warms up
        for kind, rows in (("copy", copy), ("sha256", sha256), ("mask", mask)):
            began = time.monotonic()
            if kind == "mask":
                mask_job.write(rows(), out)
            else:
                rows().write.partitionBy("create_date").parquet(out)
            if number:
                took[kind].append(time.monotonic() - began)
                counts.add(written(out))
            shutil.rmtree(out)
    if len(counts) != 1 or not all(counts):
        sys.exit(f"the sides have written different numbers of rows: {counts}")
    print(json.dumps(took))


def written(out):
    """How many events have a day, by what the files themselves say."""
    import pyarrow.parquet as pq
    return sum(pq.read_metadata(file).num_rows for file in Path(out).glob("**/create_date=2*/*.parquet"))


if __name__ == "__main__":
    main(*sys.argv[1:])
