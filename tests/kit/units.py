"""The units for systemd: read by systemd-analyze, and started by a systemd of their own, on the real servers.

Each service runs with the login, settings and credential of its role, which its unit names; what it did is
counted in the database. The database, its logins and the queue are the check's own.

Invariant: the units are started as they are shipped, at /etc/systemd/system, with the binary at
/usr/local/bin.
"""

import contextlib
import os
import re
import shutil
import subprocess
import time
import urllib.parse
from pathlib import Path

import tools  # noqa: F401  puts tests/env on the path
from kit import REPOSITORY, Failed, LeftOut, needs_root
from manager import Manager

import servers

UNITS = REPOSITORY / "deploy/systemd"
PROGRAM = "/usr/local/bin/loginetl"
ROLES = {"loginetl": "loader", "loginetl-rotate": "rotator", "loginetl-resume": "rotator",
         "loginetl-verify": "auditor"}
MOST_EXPOSED = 1.5  # of 10, as systemd-analyze counts
MEMORY = 256 * 1024 * 1024  # of the loader
RETIRING = "select count(*) from vault.data_keys where state = 'retiring'"
LOADED = "119|1"  # rows and quarantined, of the sample
COUNTS = "select (select count(*) from user_logins), (select count(*) from ingest.quarantine)"
KEYS = """select count(*) filter (where state = 'active'), count(*) filter (where state = 'retired')
from vault.data_keys"""


def run(kit):
    if not os.environ.get("LOGINETL_TEST_PG_BIN"):
        raise Failed("there are no servers: `make kit` starts some; or `make up`, and source target/env/env.sh")
    analyzed(kit)
    separated(kit)
    needs_root("a systemd of one's own")
    with Installation(kit) as place, Manager(kit, place.files()) as manager:
        loader(kit, place, manager)
        rotation(kit, place, manager)
        verification(place, manager)
        timers(manager)
    tell(kit)


def tell(kit):
    for file in sorted(UNITS.iterdir()):
        path = f"deploy/systemd/{file.name}"
        if file.suffix == ".timer":
            kit.proved(path, "systemd-analyze verify is silent; systemd reads its time and says when it is next due")
        else:
            kit.proved(path, "systemd-analyze verify is silent with the binary in place; exposure at most "
                       f"{MOST_EXPOSED} of 10; started by a real systemd under the login of its role alone")
    kit.proved("deploy/systemd/loginetl.service", "119 rows + 1 quarantined; no capability, seccomp, 256 MiB, as the "
               "kernel says; stopped with 0; exit 2 is not started again, exit 4 is")
    kit.proved("deploy/systemd/loginetl-rotate.service", "one key more, the old one retired")
    kit.proved("deploy/systemd/loginetl-resume.service", "finishes a rotation that was killed, and starts none; "
               "exit 0 where nothing was interrupted")
    kit.proved("deploy/systemd/loginetl-verify.service", "keeps the head; exit 5 for one that the log does not hold, "
               "which stays")


# --- read ----------------------------------------------------------------------------------------


def analyzed(kit):
    """What systemd-analyze says of them: any word of `verify` is too much."""
    if not shutil.which("systemd-analyze"):
        raise LeftOut("systemd-analyze is not on this machine")
    copies = kit.scratch / "units"
    copies.mkdir()
    for file in UNITS.iterdir():
        text = file.read_text(encoding="utf-8").replace(PROGRAM, str(kit.binary))
        (copies / file.name).write_text(text, encoding="utf-8")
    verify = ["systemd-analyze", "--man=no", "verify"]
    said = kit.run(*verify, *sorted(copies.iterdir()))
    if said.strip():
        raise Failed(f"systemd-analyze verify says of deploy/systemd:\n{said}")
    bad = kit.scratch / "bad.service"
    text = (copies / "loginetl.service").read_text(encoding="utf-8")
    bad.write_text(text.replace("NoNewPrivileges", "NoNewPrivilege"), encoding="utf-8")
    if "NoNewPrivilege" not in kit.run(*verify, bad, expect=None):
        raise Failed("systemd-analyze verify does not see a misspelt setting")
    for file in sorted(UNITS.glob("*.timer")):
        kit.run("systemd-analyze", "calendar", dict(settings(file))["OnCalendar"])
    for file in sorted(UNITS.glob("*.service")):
        threshold = f"--threshold={MOST_EXPOSED * 10:.0f}"
        kit.run("systemd-analyze", "--no-pager", "--offline=true", threshold, "security", file)


def settings(file):
    """The settings of a unit, in their order, and ExecStart among them."""
    return re.findall(r"^([A-Z]\w+)=(.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)


def separated(kit):
    """Each service has the user, the settings and the credential of its own role, and they are confined alike."""
    confinement = set()
    for file in sorted(UNITS.glob("*.service")):
        found, role = dict(settings(file)), ROLES[file.stem]
        named = (found["User"], found["EnvironmentFile"], found["LoadCredential"])
        if named != (f"loginetl-{role}", f"/etc/loginetl/{role}.env", f"database-url:/etc/loginetl/{role}.url"):
            raise Failed(f"{file.name} is for the role {role}, and has {named}")
        confinement.add(file.read_text(encoding="utf-8").partition("# Confinement")[2].partition("\n\n")[0].strip())
    if len(confinement) != 1:
        raise Failed("the services of deploy/systemd are not confined alike")


# --- run -----------------------------------------------------------------------------------------


class Installation:
    """A database with a login for each role, a queue with the sample, and what is installed for the units."""

    def __init__(self, kit):
        self.kit, self.name = kit, f"kit_units_{os.getpid()}"
        self.url = urllib.parse.urlsplit(os.environ["LOGINETL_DATABASE_URL"])
        self.endpoint = os.environ["AWS_ENDPOINT_URL"]
        self.queue = f"{self.endpoint}/000000000000/{self.name}"

    def __enter__(self):
        self.psql(f"create database {self.name}", "postgres")
        try:
            self.kit.run(self.kit.binary, "init", env={**os.environ, "LOGINETL_DATABASE_URL": self.of("postgres")})
            for role in sorted(set(ROLES.values())):
                self.psql(f"create role {self.name}_{role} login in role loginetl_{role}")
            servers.sqs(self.endpoint, "CreateQueue", QueueName=self.name)
            self.send()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.psql(f"drop database {self.name} with (force)", "postgres")
        for role in sorted(set(ROLES.values())):
            self.psql(f"drop role if exists {self.name}_{role}", "postgres")
        with contextlib.suppress(Exception):  # the database is gone all the same
            servers.sqs(self.endpoint, "DeleteQueue", QueueUrl=self.queue)

    def send(self):
        tests = REPOSITORY / "tests/env"
        self.kit.run(os.environ["LOGINETL_TEST_PYTHON"], tests / "send.py", tests / "sample.jsonl",
                     env={**os.environ, "LOGINETL_QUEUE_URL": self.queue})

    def of(self, login, database=None, port=None):
        """The URL of a login, as it stands in a credential."""
        server = f"{login}@{self.url.hostname}:{port or self.url.port}"
        return self.url._replace(netloc=server, path=f"/{database or self.name}").geturl()

    def psql(self, command, database=None):
        program = Path(os.environ["LOGINETL_TEST_PG_BIN"]) / "psql"
        url = self.of("postgres", database)
        return self.kit.run(program, "-XqAt", "-v", "ON_ERROR_STOP=1", "-c", command, url).strip()

    @contextlib.contextmanager
    def row_held(self):
        """Another session has a row locked, as a long transaction of somebody's would."""
        script = "begin; select 1 from user_logins limit 1 for update; select pg_sleep(60)"
        program = Path(os.environ["LOGINETL_TEST_PG_BIN"]) / "psql"
        held = subprocess.Popen([program, "-XqAt", "-c", script, self.of("postgres")], stdin=subprocess.DEVNULL,
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        mine = "from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'"
        try:
            await_that(lambda: self.psql(f"select count(*) {mine}") == "1", 10, lambda: "no session holds a row")
            yield
        finally:
            self.psql(f"select pg_terminate_backend(pid) {mine}")
            held.wait()

    def files(self):
        """{path: (content, mode)}: units and program as they are installed, settings and URLs as root keeps them."""
        files = {f"etc/systemd/system/{file.name}": (file.read_bytes(), 0o644) for file in UNITS.iterdir()}
        files[PROGRAM.lstrip("/")] = (self.kit.binary.read_bytes(), 0o755)
        lines = [f"{name}={value}\n" for name, value in sorted(os.environ.items())
                 if re.match(r"AWS_|LOGINETL_\w+_KEY$", name)]
        variables = "".join([*lines, f"LOGINETL_QUEUE_URL={self.queue}\n"]).encode()
        for role in set(ROLES.values()):
            files[f"etc/loginetl/{role}.env"] = (variables, 0o600)
            files[f"etc/loginetl/{role}.url"] = (f"{self.of(f'{self.name}_{role}')}\n".encode(), 0o600)
        return files


def loader(kit, place, manager):
    manager.systemctl("start", "loginetl.service")
    await_that(lambda: place.psql(COUNTS) == LOADED, 20,
               lambda: f"rows and quarantined are {place.psql(COUNTS)}, not {LOADED}:\n"
                       f"{manager.journal('loginetl.service')}")
    confined(manager, "loginetl.service")
    began = time.monotonic()
    manager.systemctl("stop", "loginetl.service")
    ended(manager, "loginetl.service", 0)
    kit.say(f"loginetl.service: {LOADED} rows and quarantined; stopped with 0 after {time.monotonic() - began:.1f} s")
    restarts(place, manager)


def confined(manager, unit):
    """The kernel's word that the process has what the unit grants it."""
    shown = manager.show(unit, "MainPID", "ControlGroup")
    text, group = manager.place(f"proc/{shown['MainPID']}/status").read_text(), shown["ControlGroup"]
    status = dict(re.findall(r"^(\w+):\t(.*)$", text, re.MULTILINE))
    found = [status[name] for name in ("CapEff", "CapBnd", "NoNewPrivs", "Seccomp")]
    limits = [manager.place(f"sys/fs/cgroup/memory{group}/memory.limit_in_bytes"),
              manager.place(f"sys/fs/cgroup{group}/memory.max")]  # of version 1 and 2
    limit = next((file.read_text().strip() for file in limits if file.exists()), "none")
    if found != ["0" * 16, "0" * 16, "1", "2"] or status["Uid"].split()[0] == "0" or limit != str(MEMORY):
        raise Failed(f"{unit} runs with {found}, as {status['Uid']}, with a memory limit of {limit}")


def restarts(place, manager):
    """Exit 2 (a database without our schema) is for a person; exit 4 (no database) is tried again."""
    url = manager.place("etc/loginetl/loader.url")
    kept = url.read_text(encoding="utf-8")
    url.write_text(place.of("postgres", database="template1"), encoding="utf-8")
    manager.systemctl("start", "loginetl.service", expect=None)
    await_that(lambda: manager.show("loginetl.service", "ActiveState")["ActiveState"] == "failed", 10,
               lambda: f"exit 2 does not end it:\n{manager.journal('loginetl.service')}")
    ended(manager, "loginetl.service", 2, "exit-code")
    manager.systemctl("reset-failed", "loginetl.service")
    url.write_text(place.of("postgres", port=1), encoding="utf-8")
    manager.systemctl("start", "loginetl.service", expect=None)
    await_that(lambda: manager.show("loginetl.service", "NRestarts")["NRestarts"] == "1", 15,
               lambda: f"exit 4 is not started again:\n{manager.journal('loginetl.service')}")
    manager.systemctl("stop", "loginetl.service")
    url.write_text(kept, encoding="utf-8")
    manager.systemctl("reset-failed")


def ended(manager, unit, status, result="success"):
    found = manager.show(unit, "Result", "ExecMainStatus")
    if found != {"Result": result, "ExecMainStatus": str(status)}:
        raise Failed(f"{unit} ended with {found}, not {status}:\n{manager.journal(unit)}")


def rotation(kit, place, manager):
    """A new mask key, and the nightly end of a rotation, of which there is none."""
    active, retired = map(int, place.psql(KEYS).split("|"))
    once(manager, "loginetl-rotate.service")
    found = place.psql(KEYS)
    if found != f"{active}|{retired + 1}":
        raise Failed(f"keys active and retired are {found} after loginetl-rotate.service, not {active}|{retired + 1}")
    once(manager, "loginetl-resume.service")
    if place.psql(KEYS) != found:
        raise Failed(f"loginetl-resume.service has changed keys from {found} to {place.psql(KEYS)}")
    interrupted(place, manager)


def interrupted(place, manager):
    """A rotation that is killed while it waits for a row; the nightly service finishes that one and starts none."""
    active, retired = map(int, place.psql(KEYS).split("|"))
    with place.row_held():
        manager.systemctl("start", "--no-block", "loginetl-rotate.service")
        await_that(lambda: place.psql(RETIRING) == "1", 15,
                   lambda: f"no rotation begins:\n{manager.journal('loginetl-rotate.service')}")
        manager.systemctl("kill", "--signal=KILL", "loginetl-rotate.service")
        await_that(lambda: manager.show("loginetl-rotate.service", "ActiveState")["ActiveState"] == "failed", 10,
                   lambda: "SIGKILL does not end loginetl-rotate.service")
    if (place.psql(RETIRING), place.psql(KEYS)) != ("1", f"{active}|{retired}"):
        raise Failed(f"keys active and retired are {place.psql(KEYS)} after a rotation was killed")
    once(manager, "loginetl-resume.service")
    if (place.psql(RETIRING), place.psql(KEYS)) != ("0", f"{active}|{retired + 1}"):
        raise Failed(f"loginetl-resume.service leaves keys active and retired at {place.psql(KEYS)}:\n"
                     f"{manager.journal('loginetl-resume.service')}")


def once(manager, unit):
    """Starts a service that comes to its end."""
    if manager.systemctl("start", unit, expect=None, timeout=90).strip():
        raise Failed(f"{unit} fails:\n{manager.journal(unit)}")
    ended(manager, unit, 0)


def verification(place, manager):
    """The head is made, then kept and compared; one that the log does not hold is exit 5, and stays."""
    head = manager.place("var/lib/private/loginetl-auditor/head")
    for _ in range(2):
        once(manager, "loginetl-verify.service")
    kept = head.read_text(encoding="utf-8")
    if head.stat().st_mode & 0o77:
        raise Failed(f"others may read {head}: {oct(head.stat().st_mode)}")
    sequence, _, digest = kept.strip().partition(":")
    newer = f"{int(sequence) + 1}:{digest}\n"
    head.write_text(newer, encoding="utf-8")
    manager.systemctl("start", "loginetl-verify.service", expect=1)
    ended(manager, "loginetl-verify.service", 5, "exit-code")
    if head.read_text(encoding="utf-8") != newer:
        raise Failed("a head that the log does not hold was replaced")


def timers(manager):
    for file in sorted(UNITS.glob("*.timer")):
        manager.systemctl("start", file.name)
        due = manager.show(file.name, "NextElapseUSecRealtime", "Unit")
        if not due["NextElapseUSecRealtime"] or due["Unit"] != f"{file.stem}.service":
            raise Failed(f"{file.name} is due {due}")


def await_that(true, seconds, otherwise):
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise Failed(otherwise())
        time.sleep(0.1)
