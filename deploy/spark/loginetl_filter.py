"""Lets the rows of a DataFrame through `loginetl mask` or `loginetl remask`, one process a partition.

    masked(lines, plan, program)      a column `value` of JSON text becomes masked columns, or a reason code
    remasked(rows, plan, program)     masked rows come under the keys of the plan; `unopened` names what did not open

`plan` is the text of a plan. It goes with the task, and to the process in memory: no file of ours is on an executor.

Invariant: a task ends well only if its process ended with 0 and answered each line with one row. A process is never
handed more than it and the pipes can hold, and does not outlive its task.
"""

import contextlib
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

PIPE_BYTES = 1024 * 1024
TYPES = {"app_version": ("int", pa.int32()), "create_date": ("date", pa.date32()),
         "length": ("bigint", pa.int64())}
ESCAPES = {"t": "\t", "n": "\n", "r": "\r", "\\": "\\"}


def masked_fields(plan):
    return [field["field"] for field in json.loads(plan)["fields"]]


def masked_columns(plan):
    """The columns of `mask --output tsv`, in their order."""
    optional = [field for field in masked_fields(plan) if field == "user_id"]
    others = [column for field in optional for column in (f"masked_{field}", f"{field}_hash")]
    return ["user_id", "device_type", "masked_ip", "masked_device_id", "locale", "app_version", "create_date",
            "ip_hash", "device_id_hash", *others, "rejected", "field", "length"]


def masked_schema(plan):
    return ", ".join(f"{name} {TYPES.get(name, ('string',))[0]}" for name in masked_columns(plan))


def masked(lines, plan, program="loginetl"):
    names = masked_columns(plan)

    def mask(batches):
        with Filter(program, "mask", plan, "--output", "tsv") as process:
            # A blank line first: nothing that comes behind it is taken for the beginning of a packed file.
            yield from process.rows(batches, mask_feed, names, skip=1)
    return lines.select("value").mapInArrow(mask, masked_schema(plan))


def mask_feed(batch):
    """The lines of a batch as bytes, whatever these are, and how many there are."""
    lines = batch.column(0)
    if pa.types.is_binary(lines.type):
        # A whole event as it came. Between the parts of JSON both count alike; within a text both are refused.
        lines = pc.replace_substring(lines, b"\n", b"\r")
    lines = pc.fill_null(lines.cast(pa.binary()), b"")
    return joined(lines), len(lines)


def joined(lines):
    whole = pa.ListArray.from_arrays(pa.array([0, len(lines)], pa.int32()), lines)
    return pc.binary_join(whole, b"\n")[0].as_py() + b"\n"


def remasked(rows, plan, program="loginetl"):
    pairs = [(f"masked_{field}", f"{field}_hash") for field in masked_fields(plan)
             # An archive of before user ids were masked has no columns for them.
             if field != "user_id" or {"masked_user_id", "user_id_hash"} & set(rows.columns)]
    names = [name for pair in pairs for name in pair]
    missing = [name for name in names if name not in rows.columns]
    if missing:
        raise ValueError(f"the archive has no column {', '.join(missing)}, which this plan masks")
    # Where it stands in clear, a row is of before.
    sent = [*names, "user_id"] if "masked_user_id" in names and "user_id" in rows.columns else names
    rows = rows.drop("unopened")
    columns = rows.columns

    def remask(batches):
        waiting = queue.SimpleQueue()  # of what is on its way: bounded by what the pipes hold

        def feed(batch):
            waiting.put(batch)
            return remask_feed(batch, sent), batch.num_rows
        with Filter(program, "remask", plan, "--columns", ",".join(sent)) as process:
            answers = process.rows(batches, feed, [*sent, "unopened"])
            yield from rejoined(answers, waiting, names, columns)
    return rows.mapInArrow(remask, ", ".join([*(f"`{name}` {kind}" for name, kind in rows.dtypes), "unopened string"]))


def remask_feed(batch, names):
    """The tokens and hashes alone travel, as cells; all other columns stay where they are."""
    cells = [pc.fill_null(sendable(batch.column(name)), "\\N") for name in names]
    return joined(pc.binary_join_element_wise(*cells, "\t").cast(pa.binary()))


def sendable(texts):
    """What is no token and no hash, and would break the line, is sent as an empty cell, which does not open."""
    return pc.if_else(breaks(texts), "", texts)


def breaks(texts):
    return pc.fill_null(pc.match_substring_regex(texts, r"[\t\n\r\\]"), False)


def rejoined(answers, waiting, names, columns):
    """Each batch that was sent, with its new cells."""
    have = []
    while True:
        answer = next(answers, None)
        if answer is not None:
            have.append(answer)
        total = sum(part.num_rows for part in have)
        while not waiting.empty() and have:
            batch = waiting.get()
            while total < batch.num_rows:
                have.append(next(answers))  # Filter.rows raises if there are too few
                total += have[-1].num_rows
            table = pa.Table.from_batches(have)
            new, rest = table.slice(0, batch.num_rows), table.slice(batch.num_rows)
            have, total = rest.to_batches(), rest.num_rows
            yield from renewed(batch, new, names, columns)
        if answer is None:
            return


def renewed(batch, new, names, columns):
    made = []
    for name in columns:
        old = batch.column(name)
        fresh = new.column(name).combine_chunks() if name in names else old
        made.append(pc.if_else(breaks(old), old, fresh) if name in names else old)
    table = pa.table([*made, new.column("unopened")], names=[*columns, "unopened"])
    yield from table.combine_chunks().to_batches()


class Filter:
    """One process of loginetl. Leaves nothing behind when its block ends, however that is."""

    def __init__(self, program, command, plan, *flags):
        self.program, self.command, self.plan, self.flags = located(program), command, plan, flags
        self.process = self.feeder = self.failure = None
        self.sent = 0

    def __enter__(self):
        self.words = tempfile.TemporaryFile()
        return self

    def __exit__(self, *_):
        if self.process:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()  # it has ended, but where the task was given up
            self.process.wait()
            self.feeder.join()
            self.process.stdout.close()
        self.words.close()

    def rows(self, batches, feed, names, skip=0):
        """What the lines of the batches become, in their order. No process is started for no line at all."""
        first = next((batch for batch in batches if batch.num_rows), None)
        if first is None:
            return
        self.start()
        self.feeder = threading.Thread(target=self.feed, args=(first, batches, feed, b"\n" * skip), daemon=True)
        self.feeder.start()
        came = -skip
        try:
            for part in cells(self.process.stdout, names):
                came += part.num_rows
                part = part.slice(skip)  # a first answer is no shorter than the one line that is skipped
                skip = 0
                if part.num_rows:
                    yield part
        except pa.ArrowInvalid:
            self.end()
            # Not with the error itself, which quotes what it could not read.
            raise RuntimeError(f"loginetl {self.command} did not answer with its columns") from None
        self.end()
        if came != self.sent:
            raise RuntimeError(f"loginetl {self.command} answered {self.sent} lines with {came} rows")

    def start(self):
        plan = os.memfd_create("plan", 0)
        try:
            with os.fdopen(os.dup(plan), "w", encoding="utf-8") as out:
                out.write(self.plan)
            self.process = subprocess.Popen(
                [self.program, self.command, "--plan", f"/dev/fd/{plan}", *self.flags], stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=self.words, pass_fds=[plan], bufsize=PIPE_BYTES,
                env=environment(self.plan))
        finally:
            os.close(plan)

    def feed(self, first, batches, feed, before):
        try:
            with self.process.stdin as lines:
                lines.write(before)
                for batch in chain(first, batches):
                    if batch.num_rows:
                        text, count = feed(batch)
                        self.sent += count
                        lines.write(text)
                        lines.flush()
        except BrokenPipeError:
            pass  # it has ended, and its exit code says why
        except BaseException as failure:  # told by whoever reads
            self.failure = failure

    def end(self):
        """Waits for its end. Its words are none about values."""
        self.feeder.join()
        if self.failure:
            raise self.failure
        code = self.process.wait()
        self.words.seek(0)
        words = self.words.read().decode(errors="replace").strip()[-2000:]
        if code != 0:
            raise RuntimeError(f"loginetl {self.command} ended with {code}: {words}")
        if words:
            print(words, file=sys.stderr)


def chain(first, rest):
    yield first
    yield from rest


def environment(plan):
    """That of the task. Where it names no region, KMS is asked in that of the keys."""
    made = dict(os.environ)
    if not any(made.get(name) for name in ("LOGINETL_KMS_REGION", "AWS_REGION", "AWS_DEFAULT_REGION")):
        arn = json.loads(plan)["keys"][0]["kms_key_arn"].split(":")
        made.update({"AWS_REGION": arn[3]} if len(arn) > 3 else {})
    return made


def located(program):
    """Where `spark-submit --files` has put the program, if it did; else as it is."""
    with contextlib.suppress(Exception):
        from pyspark import SparkFiles  # noqa: PLC0415 - nobody else who reads this file needs Spark
        if os.path.exists(SparkFiles.get(program)):
            return SparkFiles.get(program)
    return program


def cells(stream, names):
    """Batches of the cells that come, as columns."""
    types = {name: TYPES.get(name, (None, pa.string()))[1] for name in names}
    reader = pa.csv.open_csv(
        stream, pa.csv.ReadOptions(column_names=names, use_threads=False, block_size=PIPE_BYTES),
        pa.csv.ParseOptions(delimiter="\t", quote_char=False, escape_char=False, newlines_in_values=False),
        pa.csv.ConvertOptions(column_types=types, null_values=["\\N"], strings_can_be_null=True, check_utf8=True))
    for batch in reader:
        yield unescaped(batch)


def unescaped(batch):
    """Four characters are escaped in cells; they are rare."""
    columns = batch.columns
    for at, column in enumerate(columns):
        if pa.types.is_string(column.type) and pc.any(pc.match_substring(column, "\\")).as_py():
            columns[at] = pa.array([cell and unescape(cell) for cell in column.to_pylist()], pa.string())
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema)


def unescape(cell):
    before, *parts = cell.split("\\")
    made, parts = [before], iter(parts)
    for part in parts:
        # Two of them are one: what stands behind the second is not escaped.
        made.append("\\" + next(parts, "") if part == "" else ESCAPES[part[0]] + part[1:])
    return "".join(made)
