"""Background processes that never outlive their purpose.

Every server gets a session of its own and is noted in a ledger file, with its start time, in the moment it exists.
Invariant: only what stands in that ledger is ever signalled, and only while pid *and* start time still agree, so that a
pid which the system gave to somebody else is left alone. A guard process holds a pipe to the supervisor: when that is
gone, however it died, the guard stops the servers and deletes their data.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

GRACE = 10  # seconds between asking a process to stop and killing it


def identity(pid):
    """A text that no other process has had since boot: the start time. None if the process has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return None if fields[0] == "Z" else fields[19]
    except OSError:
        if Path("/proc/self/stat").exists():
            return None
    row = subprocess.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], stdout=subprocess.PIPE, text=True).stdout.split(None, 1)
    return None if len(row) < 2 or row[0].startswith("Z") else " ".join(row[1].split())


class Interrupted(BaseException):
    """Somebody asked this program to end: Ctrl-C, SIGTERM, or the terminal has gone."""

    def __init__(self, signum):
        super().__init__(signum)
        self.signum = signum


SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_deferred, _pending = 0, None


def catch_interrupts():
    """From here on the first such signal raises Interrupted, and later ones do not disturb the cleaning up."""
    for signum in SIGNALS:
        if signal.getsignal(signum) != signal.SIG_IGN:  # nohup meant it
            signal.signal(signum, _interrupt)


def ignore_interrupts():
    for signum in SIGNALS:
        signal.signal(signum, signal.SIG_IGN)


@contextlib.contextmanager
def interrupts_deferred():
    """No interrupt between the birth of a process and the moment it is noted."""
    global _deferred
    _deferred += 1
    try:
        yield
    finally:
        _deferred -= 1
    if _pending and not _deferred:
        raise Interrupted(_pending)


def _interrupt(signum, _frame):
    global _pending
    _pending = signum
    # Not SIG_IGN: a program started from here on would inherit it.
    for each in SIGNALS:
        signal.signal(each, lambda *_: None)
    if not _deferred:
        raise Interrupted(signum)


class Ledger:
    """The processes that serve from one folder: `BASE/processes`, a line each of pid, stop signal, start time."""

    def __init__(self, base):
        self.base = Path(base)
        self.file = self.base / "processes"
        self.children = []

    def spawn(self, command, log, stop_signal=signal.SIGTERM, **options):
        """Starts a process in a session of its own, its output going to the file `log`."""
        with open(log, "ab") as out, open(self.file, "a") as ledger, interrupts_deferred():
            child = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True, **options,
            )
            self.children.append(child)
            ledger.write(f"{child.pid} {int(stop_signal)} {identity(child.pid)}\n")
        return child

    def living(self):
        """(pid, stop signal) of the processes that still run, the youngest first."""
        rows = [line.split(" ", 2) for line in self.file.read_text().splitlines()] if self.file.exists() else []
        return [(int(pid), int(stop)) for pid, stop, start in reversed(rows) if identity(pid) == start]

    def stop(self):
        """Asks all to stop, each with what it started; kills what does not, and returns when none is left."""
        for pid, stop in self.living():
            send(pid, stop, group=True)
        self._wait(GRACE)
        for pid, _ in self.living():
            send(pid, signal.SIGKILL, group=True)
        self._wait(GRACE)

    def discard(self):
        """Stops everything and deletes the folder with all data."""
        self.stop()
        for _ in range(50):  # a dying server may still write for a moment
            shutil.rmtree(self.base, ignore_errors=True)
            if not self.base.exists():
                return
            time.sleep(0.1)
        print(f"warning: could not delete {self.base}", file=sys.stderr)

    def _wait(self, seconds):
        deadline = time.monotonic() + seconds
        while self.living() and time.monotonic() < deadline:
            time.sleep(0.02)
        for child in self.children:
            child.poll()


class Guard:
    """Discards a ledger's folder when this process disappears without having done so."""

    def __init__(self, base):
        self.process = subprocess.Popen(
            [sys.executable, "-B", __file__, str(base)], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True,
        )

    def dismiss(self):
        """From here on the servers may outlive this process."""
        try:
            self.process.communicate(b"dismissed", timeout=GRACE)
        except (OSError, subprocess.TimeoutExpired):
            self.process.kill()


def send(pid, signum, group=False):
    """Signals a process (or its group), which may be gone already."""
    try:
        os.killpg(pid, signum) if group else os.kill(pid, signum)
    except (ProcessLookupError, PermissionError):
        pass


def descendants(pid):
    """All processes below `pid`, as {pid: identity}."""
    table = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], stdout=subprocess.PIPE, text=True).stdout if shutil.which("ps") \
        else "\n".join(_proc_table())
    children = {}
    for row in table.splitlines():
        child, parent = map(int, row.split())
        children.setdefault(parent, []).append(child)
    found, front = {}, [pid]
    while front:
        front = [child for parent in front for child in children.get(parent, ())]
        found.update((child, identity(child)) for child in front)
    return found


def _proc_table():
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            yield f"{stat.parent.name} {stat.read_text().rpartition(')')[2].split()[1]}"
        except OSError:
            pass


def stop_tree(child, signum):
    """Passes a signal on to a child and everything below it, and kills what has not ended after the grace."""
    tree = {child.pid: identity(child.pid), **descendants(child.pid)}
    living = lambda: [pid for pid, start in tree.items() if start and identity(pid) == start]
    for pid in living():
        send(pid, signum)
    deadline = time.monotonic() + GRACE
    while living() and time.monotonic() < deadline:
        child.poll()
        time.sleep(0.05)
    for pid in living():
        send(pid, signal.SIGKILL)
    child.wait()


def tail(log, lines=15):
    """The last lines of a log file, indented, for an error message."""
    try:
        text = Path(log).read_text(errors="replace").splitlines()[-lines:]
    except OSError as error:
        text = [str(error)]
    return "\n".join("    " + line for line in text) or "    (empty)"


def _guard(base):
    ignore_interrupts()
    if sys.stdin.read() != "dismissed" and os.path.isdir(base):
        Ledger(base).discard()


if __name__ == "__main__":
    _guard(sys.argv[1])
