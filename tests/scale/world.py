"""What the parts of `make scale` share: the program, the cluster, the events, and questions to Postgres and Parquet.

Invariant: an expectation that is not met ends the run with what was found in the place of what was wanted.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import place
from kit import Failed

PROGRAM = os.environ.get("LOGINETL_BIN") or str(place.REPOSITORY / "target/release/loginetl")
JOBS = place.REPOSITORY / "deploy/spark"
KINDS = {"app_version": "INTEGER", "create_date": "DATE"}
COLUMNS = ("user_id, device_type, masked_ip, masked_device_id, locale, app_version, create_date, ip_hash, "
           "device_id_hash")


class World:
    """One run: servers, cluster, folders. `count` events."""

    def __init__(self, cluster, folder, count):
        self.cluster, self.folder, self.count = cluster, folder, count
        self.text = [folder / "events/text", f"{folder}/events/packed/*.gz"]
        self.columns = ["--format", "parquet", f"{folder}/events/columns/*.parquet"]
        self.began = time.monotonic()
        self.numbers, self.program = {}, PROGRAM
        self.rounds = 3 if count > 500000 else 1

    def say(self, text):
        print(f"{time.monotonic() - self.began:6.1f} s  {text}", file=sys.stderr, flush=True)

    def expect(self, what, found, wanted):
        if found != wanted:
            raise Failed(f"{what}: {found!r}, not {wanted!r}")

    def loginetl(self, *words, code=0, stdin=None, quiet=False):
        """Runs the program; its output. `code` is what it must end with."""
        done = subprocess.run([PROGRAM, *map(str, words)], stdin=stdin or subprocess.DEVNULL, stderr=subprocess.PIPE,
                              stdout=subprocess.DEVNULL if quiet else subprocess.PIPE, text=True, check=False)
        if done.returncode != code:
            raise Failed(f"loginetl {' '.join(map(str, words))}\nended with {done.returncode}, not {code}:\n"
                         f"{done.stdout[-2000:]}{done.stderr[-2000:]}")
        return done.stdout + done.stderr if code else done.stdout or ""

    def root(self, archive):
        return self.folder / "lake" / archive

    def start(self, job, archive, run, *arguments, **options):
        """Starts a job on the cluster; its driver."""
        flags = ["--archive", archive, "--root", self.root(archive), "--run", run, "--program", PROGRAM]
        return self.cluster.submit(JOBS / f"{job}_job.py", *flags, *arguments, **options)

    def end(self, driver, code=0):
        """What a job says at its end."""
        said, _ = driver.communicate(timeout=600)
        if driver.returncode != code:
            log = (self.cluster.ledger.base / "driver.log").read_text(errors="replace")
            raise Failed(f"a job ended with {driver.returncode}, not {code}:\n{log[-3000:]}\n{said[-3000:]}")
        lines = [line for line in said.splitlines() if line.startswith("{")]
        return json.loads(lines[-1]) if lines else said

    def job(self, job, archive, run, *arguments, code=0, **options):
        return self.end(self.start(job, archive, run, *arguments, **options), code)

    def versions(self, archive):
        """{number: what it holds} of an archive with pointers."""
        files = sorted((self.root(archive) / "_published").glob("[0-9]*.json"))
        return {int(file.stem): json.loads(file.read_text(encoding="utf-8")) for file in files}

    def parquet(self, archive, *runs, number=None):
        """The files of the newest version (or of one), of all its runs or of some, for DuckDB's read_parquet."""
        known = self.versions(archive)
        held = known[number or max(known)]["runs"]
        return glob(self.root(archive) / folder for name, folder in held.items() if not runs or name in runs)

    def rejected(self, archive):
        return str(self.root(archive) / "runs/*/*/outcome=rejected/*/*.parquet")

    def psql(self, sql):
        command = [Path(os.environ["LOGINETL_TEST_PG_BIN"]) / "psql", "-XqAt", "-v", "ON_ERROR_STOP=1",
                   os.environ["LOGINETL_TEST_DATABASE_URL"], "-c", sql]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def table(self, name):
        """The rows of user_logins as they are now, for DuckDB."""
        file = self.folder / f"{name}.csv"
        command = [Path(os.environ["LOGINETL_TEST_PG_BIN"]) / "psql", "-Xq", os.environ["LOGINETL_TEST_DATABASE_URL"],
                   "-c", f"copy (select {COLUMNS} from user_logins) to stdout (format csv, force_quote *)"]
        with open(file, "wb") as out:
            subprocess.run(command, stdout=out, check=True)
        columns = ", ".join(f"'{name}': '{KINDS.get(name, 'VARCHAR')}'" for name in COLUMNS.split(", "))
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
        duckdb.sql("set enable_progress_bar = false")
        return duckdb.sql(sql).fetchall()[0][0]

    def same(self, what, left, right):
        """Two sets of masked rows are one, each row as often; how many there are."""
        for one, other in ((left, right), (right, left)):
            more = f"select {COLUMNS} from {one} except all select {COLUMNS} from {other}"
            more = self.ask(f"select count(*) from ({more})")
            self.expect(f"{what}: rows of {one[:90]}… that the other has not", more, 0)
        return self.ask(f"select count(*) from {left}")

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
