"""Measures what docs/scaling.md says: one, two and three loaders on one queue and one PostgreSQL.

    python3 tests/env/servers.py run --durable -- python3 tests/kit/scale_bench.py

Needs LOGINETL_BIN, a release build with its examples: `cargo build --release --locked --bins --examples`. The
queue is that of `make bench`, 20 ms away. BENCH_MESSAGES and BENCH_ROUNDS as there. Of each run: messages a
second until all are deleted; CPU of the loaders, of PostgreSQL and of the queue; WAL; connections; bytes on
disk. Then what the metrics of one loader say while nothing, PostgreSQL or the queue is what it waits for.

Invariant: a run counts only if every message was loaded once, and nothing is left.
"""

import contextlib
import os
import signal
import statistics
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(1, str(Path(__file__).resolve().parent.parent / "env"))

import bench_queue  # noqa: E402
import servers  # noqa: E402
from bench_tools import ADMIN, ROUNDS, fresh, print_machine, psql, spread  # noqa: E402

MESSAGES = int(os.environ.get("BENCH_MESSAGES", "200000"))
LOADERS = (1, 2, 3)
TICKS = os.sysconf("SC_CLK_TCK")
DATABASE = bench_queue.DATABASE
SIZES = """select (select pg_relation_size('user_logins') / count(*) from user_logins),
    (select pg_indexes_size('user_logins') / count(*) from user_logins),
    (select sum(pg_total_relation_size(inhrelid)) / (select count(*) from ingest.ledger) from pg_inherits
     where inhparent = 'ingest.ledger'::regclass)"""
CONNECTIONS = f"select count(*) from pg_stat_activity where datname = '{DATABASE}' and pid <> pg_backend_pid()"


def main():
    print_machine()
    runs = {count: [] for count in LOADERS}
    for _ in range(ROUNDS):
        for count in LOADERS:
            runs[count].append(measure(count))
    for count, rounds in runs.items():
        every = {name: [one[name] for one in rounds] for name in rounds[0]}
        ratio = statistics.median(every["rate"]) / statistics.median([one["rate"] for one in runs[1]])
        cpu = ", ".join(f"{name} {spread(every[name], 'µs', 1)}" for name in ("loaders", "postgres", "queue"))
        print(f"  {count} loaders: {spread(every['rate'], 'messages/s')}, {ratio:.2f} × one; CPU a message: {cpu}; "
              f"{spread(every['wal'], 'bytes of WAL')}; {max(every['connections'])} connections", flush=True)
    print("  bytes a row: table, its indexes, ledger", psql(DATABASE, SIZES), flush=True)
    watch_all()


def measure(count):
    fresh(DATABASE)
    psql(DATABASE, "checkpoint")
    server = postmaster()
    with bench_queue.instrument("--messages", str(MESSAGES), "--rtt", "20ms") as queue:
        [instrument] = children(os.getpid(), "sqs-instrument")
        variables, command = bench_queue.loader(queue, bench_queue.RECEIVERS, "--follow")
        wal, cpu = lsn(), (spent_by_tree(server), spent(instrument))
        started = time.monotonic()
        loaders = [subprocess.Popen(command, env=variables, stdout=subprocess.DEVNULL) for _ in range(count)]
        connections = 0
        try:
            while bench_queue.stats(queue["endpoint"])["distinct_deleted"] < MESSAGES:
                if connections == 0 and time.monotonic() - started > 2:
                    connections = int(psql("postgres", CONNECTIONS))
                time.sleep(0.05)
            wall, mine = time.monotonic() - started, sum(spent(one.pid) for one in loaders)
            after = (spent_by_tree(server), spent(instrument))
        finally:
            for one in loaders:
                one.terminate()
            for one in loaders:
                one.wait()
        left = bench_queue.stats(queue["endpoint"])
    assert left["visible"] == 0 and left["in_flight"] == 0, left
    assert psql(DATABASE, "select count(*) from user_logins") == str(MESSAGES)
    each = 1e6 / MESSAGES
    return {"rate": MESSAGES / wall, "loaders": mine * each, "postgres": (after[0] - cpu[0]) * each,
            "queue": (after[1] - cpu[1]) * each, "wal": (lsn() - wal) / MESSAGES, "connections": connections}


def watch_all():
    watch("nothing in the way", contextlib.nullcontext)
    watch("PostgreSQL stopped for 190 of each 200 ms", stopping)
    watch("two receivers", contextlib.nullcontext, receivers=2)


def watch(what, hindered, receivers=bench_queue.RECEIVERS, seconds=5):
    """What one loader's metrics say in some seconds of its work."""
    fresh(DATABASE)
    address = f"127.0.0.1:{servers.free_port()}"
    with bench_queue.instrument("--messages", "1000000", "--rtt", "20ms") as queue:
        variables, command = bench_queue.loader(queue, receivers, "--follow", "--listen", address)
        loader = subprocess.Popen(command, env=variables, stdout=subprocess.DEVNULL)
        try:
            time.sleep(3)
            with hindered():
                before = metrics(address)
                time.sleep(seconds)
                after = metrics(address)
        finally:
            loader.terminate()
            loader.wait()
    done = {name: after[name] - before.get(name, 0) for name in after}
    batches = done["loginetl_write_seconds_count"] or 1
    print(f"  {what}: {done['loginetl_messages_loaded_total'] / seconds:,.0f} messages/s, a batch has "
          f"{done['loginetl_batch_messages_sum'] / batches:.0f} messages and takes "
          f"{done['loginetl_write_seconds_sum'] / batches * 1000:.0f} ms; in hand "
          f"{after['loginetl_messages_in_hand']:.0f}, receivers {after['loginetl_receivers']:.0f}", flush=True)


def metrics(address):
    straight = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with straight.open(f"http://{address}/metrics", timeout=10) as answer:
        lines = [line.rsplit(" ", 1) for line in answer.read().decode().splitlines() if line[0] != "#"]
    return {name: float(value) for name, value in lines}


@contextlib.contextmanager
def stopping():
    """Lets the sessions of this database work a twentieth of the time."""
    backends = [int(pid) for pid in psql("postgres", CONNECTIONS.replace("count(*)", "pid")).split()]
    over = threading.Event()

    def stop_and_go():
        while not over.wait(0.01):
            for number in (signal.SIGSTOP, signal.SIGCONT):
                for pid in backends:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, number)
                time.sleep(0.19 * (number == signal.SIGSTOP))
    thread = threading.Thread(target=stop_and_go)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def lsn():
    return int(psql("postgres", "select pg_current_wal_lsn() - '0/0'"))


def postmaster():
    """The server's first process, of which all others are children."""
    port = urllib.parse.urlsplit(ADMIN).port
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            words = command_line(folder.name).split("\0")
            if Path(words[0]).name == "postgres" and f"--port={port}" in words:
                return int(folder.name)
    sys.exit(f"no PostgreSQL with --port={port} on this machine")


def children(pid, name=""):
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split() if name in command_line(child)]


def command_line(pid):
    with contextlib.suppress(OSError):  # it has ended meanwhile
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    return ""


def spent(pid, ended=False):
    """Seconds of CPU of a process; with `ended`, those of its ended children too."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15 if ended else 13])) / TICKS


def spent_by_tree(pid):
    total = spent(pid, ended=True)
    for child in children(pid):
        try:
            total += spent(child)
        except OSError:  # it has ended, and so counts for its parent next time
            continue
    return total


if __name__ == "__main__":
    main()
