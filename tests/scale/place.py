"""Where `make scale` runs: Spark in the cache, and a standalone cluster of it on 127.0.0.1.

Invariant: each process is noted in a ledger of its own and ends with the block, whatever it started; nothing listens
elsewhere than on loopback.
"""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
for folder in ("tests/env", "tests/kit"):
    sys.path.insert(1, str(REPOSITORY / folder))

import install  # noqa: E402
import servers  # noqa: E402
from kit import Failed, LeftOut  # noqa: E402
from processes import descendants, identity, send  # noqa: E402

REQUIREMENTS = HERE / "requirements-scale.txt"
BUILD = HERE.parent / "env/requirements-build.txt"
PY_FILES = sorted((REPOSITORY / "deploy/spark").glob("*.py"))  # the jobs too: rates.py and several.py start them
QUICK = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
JAVA = (17, 21, 25)  # what Spark 4 runs on


def python():
    """The Python of a virtual environment with exactly what requirements-scale.txt names."""
    with install.locked():
        target = install._folder("scale", BUILD, REQUIREMENTS)
        if not install._complete(target):
            install.say(f"installing Spark into {target} (once, two minutes, 900 MB) …")
            with install._fresh(target) as log:
                install._make_venv(target, log)
                program = target / "bin/python"
                install._pip(program, log, "--only-binary=:all:", "-r", BUILD)
                install._pip(program, log, "--only-binary=:all:", "--no-binary=pyspark", "--no-build-isolation",
                             "--no-cache-dir", "-r", REQUIREMENTS)
    return target / "bin/python"


def java():
    """Its version. Leaves the run out where Spark would not start."""
    program = shutil.which("java")
    if not program:
        raise LeftOut("there is no java on PATH; Spark 4 needs Java 17 or newer (Debian: openjdk-17-jre-headless)")
    words = subprocess.run([program, "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "((\d+)[^"]*)', words)
    if not found or int(found.group(2)) not in JAVA:
        raise LeftOut(f"{program} is none of Java {', '.join(map(str, JAVA))}: {words.splitlines()[:1]}")
    return found.group(1)


def classes(program):
    """Spark's classes in an archive, read and checked once for all JVMs: a start takes two thirds of the time. Beside
    Spark, for one version of Java. A JVM that cannot use it starts without it."""
    archive = program.parent.parent / f"classes-{java()}.jsa"
    made = archive.with_suffix(".part")
    with install.locked(), install.readable_by_all(), tempfile.TemporaryDirectory(prefix="loginetl-classes-") as folder:
        if not archive.exists():
            install.say("writing Spark's classes into an archive (once, half a minute, 170 MB) …")
            command = [program.parent / "spark-submit", "--master", "local[1]", "--driver-memory", "512m",
                       "--conf=spark.ui.enabled=false", "--conf=spark.driver.bindAddress=127.0.0.1",
                       f"--conf=spark.driver.extraJavaOptions={QUICK} -XX:ArchiveClassesAtExit={made}",
                       HERE / "classes.py", f"{folder}/made"]
            own = {**os.environ, "SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": str(program)}
            done = subprocess.run(list(map(str, command)), cwd=folder, env=own, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
            if done.returncode != 0 or not made.exists():
                raise Failed(f"Spark does not run here; its last words:\n{done.stdout[-3000:]}")
            made.rename(archive)
    return archive


class Cluster:
    """A master and two workers with one core each, on 127.0.0.1."""

    def __init__(self, ledger, program):
        self.ledger, self.programs = ledger, program.parent
        self.shared = f"-XX:SharedArchiveFile={classes(program)}"
        self.master, self.workers, self.log = None, [], ledger.base / "driver.log"
        self.environment = self.settings()

    def settings(self):
        """What the cluster's processes are told: KMS, and no database."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("LOGINETL_")}
        return {**environment, "SPARK_LOCAL_IP": "127.0.0.1", "SPARK_DAEMON_MEMORY": "256m", "TZ": "UTC",
                "SPARK_DAEMON_JAVA_OPTS": f"{self.shared} {QUICK}",
                "SPARK_LOCAL_DIRS": str(self.ledger.base / "local"), "PYSPARK_PYTHON": str(self.programs / "python")}

    def start(self):
        port, log = servers.free_port(), self.ledger.base / "master.log"
        self.master = f"spark://127.0.0.1:{port}"
        self.spawn("master.Master", log, "--host", "127.0.0.1", "--port", port, "--webui-port", servers.free_port())
        wait_for(lambda: "I have been elected leader" in log.read_text(), "the master", log)
        for number in (1, 2):
            log = self.ledger.base / f"worker-{number}.log"
            self.workers.append(self.spawn(
                "worker.Worker", log, "--host", "127.0.0.1", "--webui-port", servers.free_port(), "--cores", 1,
                "--memory", "768m", "--work-dir", self.ledger.base / f"work-{number}", self.master))
        for number in (1, 2):
            log = self.ledger.base / f"worker-{number}.log"
            wait_for(lambda log=log: "Successfully registered with master" in log.read_text(), "a worker", log)

    def spawn(self, kind, log, *arguments):
        command = [self.programs / "spark-class", f"org.apache.spark.deploy.{kind}", *map(str, arguments)]
        return self.ledger.spawn(command, log, env=self.environment, cwd=self.ledger.base)

    def executors(self):
        """The JVMs of executors that work now."""
        return self.below("CoarseGrainedExecutorBackend")

    def filters(self):
        return self.below("\0--plan\0")

    def words(self, log=None):
        """The last that the drivers' JVMs have said."""
        return (log or self.log).read_text(errors="replace")[-3000:]

    def below(self, word):
        found = []
        for worker in self.workers:
            for pid in descendants(worker.pid):
                with contextlib.suppress(OSError):
                    if word in Path(f"/proc/{pid}/cmdline").read_text(errors="replace"):
                        found.append(pid)
        return found

    def submit(self, script, *arguments, options=(), small=False, measured=False, environment=os.environ,
               log=None):
        """Starts a driver; its process. Its log is beside those of the cluster. A small job runs in it alone.
        What is not measured begins quickly: its JVMs compile little. Of all processes the driver alone is told of a
        database, by `environment`."""
        java = self.shared if measured else f"{self.shared} {QUICK}"
        settings = {"spark.driver.bindAddress": "127.0.0.1", "spark.driver.host": "127.0.0.1",
                    "spark.driver.extraJavaOptions": java, "spark.executor.extraJavaOptions": java,
                    "spark.ui.enabled": "false", "spark.executor.memory": "512m",
                    "spark.sql.files.maxPartitionBytes": "16m"}
        master = "local[1]" if small else self.master
        command = [self.programs / "spark-submit", "--master", master, "--driver-memory", "512m",
                   *(f"--conf={name}={value}" for name, value in settings.items()), *options,
                   "--py-files", ",".join(map(str, PY_FILES)), script, *map(str, arguments)]
        own = {**environment, **self.environment}
        with open(log or self.log, "ab") as log:
            child = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                     stderr=log, text=True, env=own, cwd=self.ledger.base, start_new_session=True)
        with open(self.ledger.file, "a", encoding="ascii") as ledger:
            ledger.write(f"{child.pid} 9 {identity(child.pid)}\n")
        return child


def kill(pid):
    send(pid, 9)


def wait_for(ready, name, log, seconds=180):
    deadline = time.monotonic() + seconds
    while not (log.exists() and ready()):
        if time.monotonic() > deadline:
            raise Failed(f"{name} does not answer; its last lines:\n{log.read_text()[-2000:] if log.exists() else ''}")
        time.sleep(0.1)


@contextlib.contextmanager
def cluster():
    program = python()
    with servers.private_folder() as ledger:
        ledger.base.chmod(0o755)
        place = Cluster(ledger, program)
        place.start()
        yield place
