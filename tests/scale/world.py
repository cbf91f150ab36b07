"""What the parts of `make scale` share: the program, the cluster, the events, and questions to Postgres and Parquet.

Invariant: an expectation that is not met ends the run with what was found in the place of what was wanted.
"""

import copy
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import duckdb
import place
from kit import Failed

PROGRAM = os.environ.get("LOGINETL_BIN") or str(place.REPOSITORY / "target/release/loginetl")
JOBS = place.REPOSITORY / "deploy/spark"
KINDS = {"app_version": "INTEGER", "create_date": "DATE", "length": "BIGINT"}
COLUMNS = ("user_id, device_type, masked_ip, masked_device_id, locale, app_version, create_date, ip_hash, "
           "device_id_hash")
DATABASES = ("LOGINETL_DATABASE_URL", "LOGINETL_TEST_DATABASE_URL")


class World:
    """One run: servers, cluster, folders. `count` events."""

    def __init__(self, cluster, folder, count):
        self.cluster, self.folder, self.count = cluster, folder, count
        parts = folder / "events"
        # What three runs of a job read: twice text, plain and packed, and Parquet.
        self.inputs = {"odd": [f"{parts}/text/[135].jsonl", f"{parts}/packed/7.jsonl.gz"],
                       "even": [f"{parts}/text/[024].jsonl", f"{parts}/packed/6.jsonl.gz"],
                       "columns": ["--format", "parquet", f"{parts}/columns/*.parquet"]}
        self.began = time.monotonic()
        self.beside = []  # what is waited for at the end
        self.numbers, self.program = {}, PROGRAM
        self.environment, self.cells = os.environ, COLUMNS
        self.rounds = 3 if count > 500000 else 1

    def elsewhere(self, database):
        """The same cluster and folders with another database of the same server, which is made."""
        self.psql(f"create database {database}")
        other = copy.copy(self)
        urls = {name: urlsplit(self.environment[name])._replace(path=f"/{database}").geturl() for name in DATABASES}
        other.environment = {**self.environment, **urls}
        return other

    def say(self, text):
        print(f"{time.monotonic() - self.began:6.1f} s  {text}", file=sys.stderr, flush=True)

    def expect(self, what, found, wanted):
        if found != wanted:
            raise Failed(f"{what}: {found!r}, not {wanted!r}")

    def loginetl(self, *words, code=0, stdin=None, quiet=False):
        """Runs the program; its output. `code` is what it must end with."""
        done = subprocess.run([PROGRAM, *map(str, words)], stdin=stdin or subprocess.DEVNULL, stderr=subprocess.PIPE,
                              stdout=subprocess.DEVNULL if quiet else subprocess.PIPE, text=True, check=False,
                              env=self.environment)
        if done.returncode != code:
            raise Failed(f"loginetl {' '.join(map(str, words))}\nended with {done.returncode}, not {code}:\n"
                         f"{done.stdout[-2000:]}{done.stderr[-2000:]}")
        return done.stdout + done.stderr if code else done.stdout or ""

    def root(self, archive):
        return self.folder / "lake" / archive

    def start(self, job, archive, run, *arguments, **options):
        """Starts a job on the cluster; its driver."""
        flags = self.flags(archive, run, *arguments)
        return self.cluster.submit(JOBS / f"{job}_job.py", *flags, environment=self.environment, **options)

    def flags(self, archive, run, *arguments):
        """The arguments of a job. Of two programs the last one that is named counts."""
        flags = ["--archive", archive, "--root", self.root(archive), "--run", run, "--program", PROGRAM]
        return list(map(str, [*flags, *arguments]))

    def end(self, driver, code=0, log=None):
        """What a job says at its end."""
        said, _ = driver.communicate(timeout=600)
        if driver.returncode != code:
            raise Failed(f"a job ended with {driver.returncode}, not {code}:\n{self.cluster.words(log)}\n"
                         f"{said[-3000:]}")
        lines = [line for line in said.splitlines() if line.startswith("{")]
        return json.loads(lines[-1]) if lines else said

    def job(self, job, archive, run, *arguments, code=0, **options):
        return self.end(self.start(job, archive, run, *arguments, **options), code)

    def versions(self, archive):
        """{number: what it holds} of an archive with pointers."""
        files = sorted((self.root(archive) / "_published").glob("[0-9]*.json"))
        return {int(file.stem): json.loads(file.read_text(encoding="utf-8")) for file in files}

    def psql(self, sql):
        command = [Path(os.environ["LOGINETL_TEST_PG_BIN"]) / "psql", "-XqAt", "-v", "ON_ERROR_STOP=1",
                   self.environment["LOGINETL_TEST_DATABASE_URL"], "-c", sql]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()

    def table(self, name):
        """The rows of user_logins as they are now, for DuckDB."""
        file = self.folder / f"{name}.csv"
        command = [Path(os.environ["LOGINETL_TEST_PG_BIN"]) / "psql", "-Xq",
                   self.environment["LOGINETL_TEST_DATABASE_URL"], "-c",
                   f"copy (select {self.cells} from user_logins) to stdout (format csv, force_quote *)"]
        with open(file, "wb") as out:
            subprocess.run(command, stdout=out, check=True)
        columns = ", ".join(f"'{name}': '{KINDS.get(name, 'VARCHAR')}'" for name in self.cells.split(", "))
        form = "auto_detect = false, header = false, delim = ',', quote = '\"', escape = '\"', nullstr = ''"
        return f"read_csv('{file}', {form}, allow_quoted_nulls = false, columns = {{{columns}}})"

    def archive(self, archive, *runs, number=None):
        """The rows of the newest version (or of one), of all its runs or of some, for DuckDB."""
        held = self.versions(archive)
        held = held[number or max(held)]["runs"]
        folders = [self.root(archive) / folder for name, folder in held.items() if not runs or name in runs]
        files = ", ".join(f"'{folder}/*/*.parquet'" for folder in folders)
        return f"read_parquet([{files}])"

    def rejected(self, archive):
        return f"read_parquet('{self.root(archive)}/runs/*/*/outcome=rejected/*/*.parquet', hive_partitioning = false)"

    def ask(self, sql):
        """One value."""
        [value] = self.asked(sql)
        return value

    def asked(self, sql):
        """One row."""
        duckdb.sql("set enable_progress_bar = false")
        [row] = duckdb.sql(sql).fetchall()
        return row

    def same(self, what, left, right):
        """Two sets of masked rows are one, each row as often; how many there are."""
        both = f"select {self.cells}, 1 side from {left} union all select {self.cells}, -1 side from {right}"
        differ = f"select sum(side) more, count(*) seen from ({both}) group by {self.cells}"
        more = (f"select count(*) filter (more > 0), count(*) filter (more < 0), sum(seen) filter (more = 0) // 2 "
                f"from ({differ})")
        first, second, shared = self.asked(more)
        self.expect(f"{what}: rows that only {left[:90]}… has, and only {right[:90]}…", (first, second), (0, 0))
        if not shared:
            raise Failed(f"{what}: there are no rows")
        return shared

    def whole(self, what, rows):
        """One token and one hash a value."""
        for token, its_hash in (("masked_ip", "ip_hash"), ("masked_device_id", "device_id_hash")):
            split = f"select {its_hash} from {rows} group by 1 having count(distinct {token}) > 1"
            split = self.ask(f"select count(*) from ({split})")
            self.expect(f"{what}: values with several tokens in {token}", split, 0)

    def keys(self, rows):
        """The numbers of the keys in the tokens."""
        numbers = ", ".join(f"split_part({token}, '.', 2)" for token in ("masked_ip", "masked_device_id"))
        found = duckdb.sql(f"select distinct unnest([{numbers}]) from {rows}").fetchall()
        return sorted(int(key) for (key,) in found)
