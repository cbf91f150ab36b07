"""PostgreSQL servers of a check's own: made, killed, copied and restored with PostgreSQL's own programs.

Invariant: each has a free port of 127.0.0.1 and a folder below the check's; none outlives the check, however that ends
(see tests/env/processes.py), and no other server is touched.
"""

import contextlib
import os
import signal
import sys
import time
from pathlib import Path

from kit import REPOSITORY, Failed, LeftOut

sys.path.insert(0, str(REPOSITORY / "tests/env"))
import install  # noqa: E402
import servers  # noqa: E402
from processes import Guard, Ledger, descendants, send, tail  # noqa: E402

DATABASE = "logins"
LIMIT = 60  # seconds that anything here may take; all of it takes a few
NEEDED = ["initdb", "postgres", "psql", "pg_basebackup", "pg_combinebackup", "pg_dump", "pg_restore"]


@contextlib.contextmanager
def clusters(kit):
    """The servers of one check; all are stopped at its end."""
    guard = Guard(kit.scratch)
    found = Clusters(kit)
    try:
        yield found
    finally:
        found.ledger.stop()
        guard.dismiss()


class Clusters:
    """Makes servers, and runs programs beside them."""

    def __init__(self, kit):
        self.kit = kit
        self.programs = Path(os.environ["LOGINETL_TEST_PG_BIN"])
        missing = [name for name in NEEDED if not (self.programs / name).exists()]
        if missing:
            raise LeftOut(f"{self.programs} has no {', '.join(missing)}")
        if install.postgres_version(self.programs) < 17:
            raise LeftOut("incremental backups need PostgreSQL 17")
        self.as_postgres = install.as_postgres()
        self.base = kit.scratch / "clusters"
        kit.scratch.chmod(0o711)  # the PostgreSQL user passes through
        self.base.mkdir()
        if "user" in self.as_postgres:
            os.chown(self.base, self.as_postgres["user"], self.as_postgres["group"])
        self.ledger = Ledger(kit.scratch)

    def program(self, name, *arguments):
        """Runs one of PostgreSQL's programs as its user, to its end."""
        return self.kit.run(self.programs / name, *arguments, env=servers.bare_environment(self.ledger), **self.as_postgres)

    def folder(self, name):
        """A new folder of the PostgreSQL user's."""
        folder = self.base / name
        self.kit.run("mkdir", "-m", "700", folder, **self.as_postgres)
        return folder

    def new(self, name, **parameters):
        """A new server with an empty database. Segments of 1 MiB, so that a little work fills several."""
        data = self.base / name
        self.program("initdb", "--pgdata", data, "--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-locale",
                     "--no-sync", "--wal-segsize=1")
        cluster = self.existing(name, **parameters)
        cluster.start()
        cluster.sql(f"create database {DATABASE}", database="postgres")
        return cluster

    def existing(self, name, **parameters):
        """A server over the folder that a backup has filled; it is not started."""
        return Cluster(self, name, parameters)


class Cluster:
    """One server: its port stays, also when it is started again."""

    def __init__(self, all_of_them, name, parameters):
        self.all, self.data, self.log = all_of_them, all_of_them.base / name, all_of_them.base / f"{name}.log"
        self.port = servers.free_port()
        self.parameters = {"listen_addresses": "127.0.0.1", "port": self.port, "unix_socket_directories": "", "fsync": "off",
                           "shared_buffers": "32MB", **parameters}
        self.child = None

    def url(self, user="postgres", database=DATABASE):
        return f"postgres://{user}@127.0.0.1:{self.port}/{database}?sslmode=disable"

    def start(self):
        """Starts it, and waits until it takes connections (a standby: reading ones)."""
        self.launch()
        self.wait(self.is_ready, "start")

    def launch(self):
        flags = [f"--{name}={value}" for name, value in self.parameters.items()]
        environment = servers.bare_environment(self.all.ledger)
        self.child = self.all.ledger.spawn([self.all.programs / "postgres", "-D", self.data, *flags], self.log,
                                           stop_signal=signal.SIGINT, env=environment, **self.all.as_postgres)

    def is_ready(self):
        try:
            return (self.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()[7].strip() == "ready"
        except (OSError, IndexError):
            return False

    def wait(self, ready, what):
        deadline = time.monotonic() + LIMIT
        while not ready():
            if self.child.poll() is not None:
                raise Failed(f"{self.data.name} ended while it should {what}:\n{tail(self.log)}")
            if time.monotonic() > deadline:
                raise Failed(f"{self.data.name} did not {what} within {LIMIT} s:\n{tail(self.log)}")
            time.sleep(0.02)

    def stop(self):
        """Ends sessions and stops, as a system that shuts down does."""
        send(self.child.pid, signal.SIGINT)
        self.child.wait(timeout=LIMIT)

    def kill(self):
        """SIGKILL to all of its processes at once, as if its machine were gone."""
        for pid in [self.child.pid, *descendants(self.child.pid)]:
            send(pid, signal.SIGKILL)
        self.child.wait(timeout=LIMIT)

    def sql(self, statement, database=DATABASE):
        """The answer of a statement, without a last line feed."""
        return self.all.kit.run(self.all.programs / "psql", "-XqAt", "-v", "ON_ERROR_STOP=1", self.url(database=database),
                                "-c", statement).rstrip("\n")

    def back_up(self, name, *arguments):
        """A base backup without WAL, which the archive has."""
        folder = self.all.base / name
        self.all.program("pg_basebackup", "--host=127.0.0.1", f"--port={self.port}", "--username=postgres", "--no-password",
                         "--pgdata", folder, "--checkpoint=fast", "--no-sync", *arguments)
        return folder

    def configure(self, **parameters):
        """Adds parameters to its configuration, where the flags of a start say nothing else."""
        lines = "".join(f"{name} = '{value}'\n" for name, value in parameters.items())
        with open(self.data / "postgresql.auto.conf", "a", encoding="utf-8") as file:
            file.write(lines)

    def signal_file(self, name):
        """`recovery.signal` or `standby.signal`."""
        path = self.data / name
        path.touch()
        if "user" in self.all.as_postgres:
            os.chown(path, self.all.as_postgres["user"], self.all.as_postgres["group"])

    def promoted(self):
        return self.is_ready() and self.sql("select pg_is_in_recovery()") == "f"
