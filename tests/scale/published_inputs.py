"""What the jobs read and refuse of inputs; cases of published_cases.py.

Invariant: what cannot be read right is refused before anything is planned.
"""

import json

import mask_job
import pyarrow as pa
import pyarrow.parquet as pq
from published_driver import FEW, event
from pyspark.sql import functions


def empty(d):
    """No line at all is refused before the commit; the run can be started again."""
    nothing = d.file("nothing/blank.jsonl", "\n \n").parent
    d.mask("empty", "one", nothing, code=1, words="there is no line in")
    d.expect("runs that are open", len(d.open_runs("empty")), 1)
    d.expect("what is left", d.left("empty", "one"), ["_plan.json"])
    d.mask("empty", "one", d.events)
    d.expect("rows", d.rows("empty"), FEW)


def nested(d):
    """Lines in folders of folders are read; Parquet in such folders is refused."""
    d.file("nested/a/b.jsonl", event(1))
    top = d.file("nested/c.jsonl", event(2)).parent
    d.mask("nested", "one", "--input", f"{top},{d.events}")
    d.expect("rows", d.rows("nested"), FEW + 2)
    table = pa.Table.from_pylist([json.loads(event(1))])
    for name in ("columns/a.parquet", "columns/b/c.parquet"):
        d.file(f"nested-{name}")
        pq.write_table(table, d.folder / f"nested-{name}")
    d.mask("nested-columns", "one", "--format", "parquet", d.folder / "nested-columns", code=1,
           words="files in folders that are no partitions")
    d.expect("runs", d.registered("nested-columns"), {})


def parquet(d):
    """Bytes that are no text are rejected as `load` does, and columns that are none are refused."""
    whole = [json.loads(event(number)) for number in range(3)]
    body = [event(1).strip().encode(), b'{"user_id": "\xff"}', event(2).replace(", ", ",\n").encode()]
    columns = {name: pa.array([row[name] for row in whole]) for name in whole[0]}
    odd = pa.Array.from_buffers(pa.string(), 3, pa.array([b"u1", b"\xff\xfe", b"u3"]).buffers())
    tables = {"body": {"body": pa.array(body)}, "text": {**columns, "user_id": odd},
              "binary": {**columns, "ip": columns["ip"].cast(pa.binary())},
              "numbers": {**columns, "user_id": pa.array([1, 2, 3])},
              "instants": {**columns, "create_date": pa.array([0, 1, 2], pa.timestamp("us", "UTC"))},
              "days": {**columns, "create_date": pa.array([20261128] * 3, pa.int32())},
              "fractions": {**columns, "timestamp": pa.array([1795860000.25] * 3)},
              "zoneless": {**columns, "timestamp": pa.array([0, 1, 2], pa.timestamp("us"))},
              "typed": {**columns, "create_date": pa.array([20420, 20421, 20422], pa.date32()),
                        "locale": pa.nulls(3), "timestamp": pa.array([0, 1, 2], pa.timestamp("us", "UTC"))},
              "few": {name: columns[name] for name in ("user_id", "app_version")}}
    for name, its in tables.items():
        pq.write_table(pa.table(its), d.folder / f"{name}.parquet")
    d.expect("the older way to look at texts", [row[0] for row in older(d)], [False, True, False])
    for name, flags in (("body", ["--body", "body"]), ("text", [])):
        d.mask(f"parquet-{name}", "one", "--format", "parquet", *flags, d.folder / f"{name}.parquet")
        d.expect(f"{name}: rows", d.rows(f"parquet-{name}"), 2)
        left = d.spark.read.parquet(str(d.root(f"parquet-{name}") / "runs/*/*/outcome=rejected"))
        d.expect(f"{name}: reasons", [row.rejected for row in left.collect()], ["not_utf8"])
    d.mask("parquet-typed", "one", "--format", "parquet", d.folder / "typed.parquet")
    d.expect("typed: days", sorted(str(row.create_date) for row in d.files("parquet-typed").collect()),
             ["2025-11-28", "2025-11-29", "2025-11-30"])
    d.mask("parquet-fractions", "one", "--format", "parquet", d.folder / "fractions.parquet")
    d.expect("fractions: rows", d.rows("parquet-fractions"), 3)
    for name, flags, words in (("days", [], "column create_date of the input is integer, not string or date:"),
                               ("binary", [], "column ip of the input is binary"),
                               ("numbers", [], "column user_id of the input is long, not string:"),
                               ("instants", [], "column create_date of the input is timestamp, not string or date:"),
                               ("zoneless", [], "column timestamp of the input is timestamp_ntz, not string or"),
                               ("few", [], "the input has no column ip, device_id"),
                               ("few", ["--body", "ip"], "the input has no column ip of text or bytes")):
        d.mask("refused", "one", "--format", "parquet", *flags, d.folder / f"{name}.parquet", code=1, words=words)
    d.expect("runs", d.registered("refused"), {})


def older(d):
    newer = mask_job.F.is_valid_utf8
    del mask_job.F.is_valid_utf8
    try:
        rows = d.spark.read.parquet(str(d.folder / "text.parquet"))
        return rows.select(mask_job.broken([functions.col("user_id")])).collect()
    finally:
        mask_job.F.is_valid_utf8 = newer
