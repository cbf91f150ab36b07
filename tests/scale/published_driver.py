"""The driver in which published_cases.py starts jobs one after the other, without a spark-submit each.

Invariant: a job runs as from the command line, by its main(); what it says and ends with is all that a case sees of it.
"""

import contextlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import deltalake
import mask_job
import rewrite_job
from pyspark.sql import SparkSession

FEW = 20


def event(number, day="2026-11-28", **more):
    return json.dumps({"user_id": f"u{number}", "app_version": "1.2", "ip": f"192.0.2.{number % 250}",
                       "device_id": f"d{number}", "create_date": day, **more}) + "\n"


class Ended:
    """How a job has ended: its exit code, all that it said, and its last line as JSON."""

    def __init__(self, code, words):
        lines = [line for line in words.splitlines() if line.startswith("{")]
        self.code, self.words, self.result = code, words, json.loads(lines[-1]) if lines else {}


class Driver:
    def __init__(self, folder, program):
        self.folder, self.program = Path(folder), program
        # What is small is not worth to be compiled, nor to be planned anew.
        quick = {"spark.sql.shuffle.partitions": "1", "spark.sql.codegen.wholeStage": "false",
                 "spark.sql.adaptive.enabled": "false"}
        self.spark = SparkSession.builder.config(map=quick).getOrCreate()
        self.events = self.file("events.jsonl", *(event(number) for number in range(FEW)))

    def file(self, name, *lines):
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(lines), encoding="utf-8")
        return file

    def root(self, archive):
        return self.folder / "lake" / archive

    def mask(self, archive, run, *arguments, **options):
        return self.job(mask_job, archive, run, *(arguments or [self.events]), **options)

    def rewrite(self, archive, run, *arguments, **options):
        return self.job(rewrite_job, archive, run, *arguments, **options)

    def job(self, module, archive, run, *arguments, code=0, words="", table=None):
        """Runs a job. `code` is what it must end with, and `words` what it must say."""
        flags = ["--archive", archive, "--root", self.root(archive), "--run", run, "--program", self.program]
        # As the cases call an archive, so it is kept.
        flags += ["--table", table or ("delta" if archive.endswith("delta") else "pointer")]
        ended = self.ended(module, [*flags, *arguments])
        if ended.code != code or words not in ended.words:
            raise AssertionError(f"{module.__name__} {archive} {run} ended with {ended.code}, not {code}, or without "
                                 f"{words!r}:\n{ended.words}")
        return ended

    def ended(self, module, arguments):
        said, before = io.StringIO(), sys.argv
        sys.argv = [module.__name__, *map(str, arguments)]
        try:
            with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
                code = module.main()
        except SystemExit as end:
            code = end.code
            if isinstance(code, str):
                said.write(code)
                code = 1
        finally:
            sys.argv = before
        return Ended(code, said.getvalue())

    @contextlib.contextmanager
    def meanwhile(self, module, name, act, after=False):
        """Once, something happens before a function of a job is called, or after it."""
        real = getattr(module, name)

        def function(*arguments, **more):
            setattr(module, name, real)
            if not after:
                act()
            made = real(*arguments, **more)
            if after:
                act()
            return made
        setattr(module, name, function)
        try:
            yield
        finally:
            setattr(module, name, real)

    def loginetl(self, *words, code=0):
        done = subprocess.run([self.program, *map(str, words)], capture_output=True, text=True, check=False)
        self.expect(f"loginetl {' '.join(map(str, words))}: {done.stderr}", done.returncode, code)
        return done.stdout

    def registered(self, archive):
        """The runs of an archive that are open or committed, {id: time of the commit}."""
        views = map(json.loads, self.loginetl("archive", "list", "--format", "json").splitlines())
        runs = next((view["runs"] for view in views if view["archive"] == archive), [])
        return {run["run"]: run["committed_at"] for run in runs}

    def open_runs(self, archive):
        return [run for run, at in self.registered(archive).items() if not at]

    def expect(self, what, found, wanted):
        if found != wanted:
            raise AssertionError(f"{what}: {found!r}, not {wanted!r}")

    def files(self, archive):
        """What the newest version holds."""
        reader = self.spark.read.option("mergeSchema", "true")
        if archive.endswith("delta"):
            return reader.parquet(*deltalake.DeltaTable(str(self.root(archive))).file_uris())
        folders = self.version(archive)["runs"].values()
        return reader.option("basePath", str(self.root(archive) / "runs")).parquet(
            *(str(self.root(archive) / folder) for folder in folders))

    def rows(self, archive):
        return self.files(archive).count()

    def version(self, archive):
        newest = max((self.root(archive) / "_published").glob("0*.json"))
        return json.loads(newest.read_text(encoding="utf-8"))

    def left(self, archive, run):
        """The names in the folder of a run."""
        folder = self.root(archive) / f"runs/run={run}"
        names = os.listdir(folder) if folder.exists() else []
        return sorted(name.partition("=")[0].partition("-")[0] for name in names if not name.startswith("."))
