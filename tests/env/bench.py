"""`make bench`: measures on this machine, in one run, loginetl beside the obvious alternative. Prints one table.

Invariant: both sides of a comparison write the same rows into a table with the same columns and indexes on the same
server, taking turns; medians and their ratio are reported, with the machine and the server's settings beside them.
Bounded: ROWS rows, ROUNDS rounds, loopback only.
"""

import json
import os
import platform
import random
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time

ROWS = int(os.environ.get("BENCH_ROWS", "500000"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
BINARY = os.environ["LOGINETL_BIN"]
PSQL = os.path.join(os.environ["LOGINETL_TEST_PG_BIN"], "psql")
ADMIN = os.environ["LOGINETL_TEST_DATABASE_URL"]
COLUMNS = "user_id, device_type, masked_ip, masked_device_id, locale, app_version, create_date, ip_hash, device_id_hash"


def url_of(database):
    return re.sub(r"/[^/?]*(\?|$)", rf"/{database}\1", ADMIN, count=1) if "?" in ADMIN else f"{ADMIN.rsplit('/', 1)[0]}/{database}"


def psql(database, sql):
    command = [PSQL, "-XqAt", "-v", "ON_ERROR_STOP=1", url_of(database), "-c", sql]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def loginetl(database, *args):
    """Runs the binary; returns its summary, wall seconds, CPU seconds and peak RSS in MiB."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.monotonic()
    process = subprocess.Popen(
        [BINARY, *args, "--format", "json"], env={**os.environ, "LOGINETL_DATABASE_URL": url_of(database)}, stdout=subprocess.PIPE
    )
    peak = 0
    while process.poll() is None:
        peak = max(peak, peak_rss(process.pid))
        time.sleep(0.02)
    wall = time.monotonic() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if process.returncode != 0:
        sys.exit(f"loginetl {' '.join(args)} ended with {process.returncode}")
    last = process.stdout.read().decode().strip().splitlines()[-1]
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return json.loads(last), wall, cpu, peak


def peak_rss(pid):
    try:
        with open(f"/proc/{pid}/status", encoding="ascii") as status:
            found = re.search(r"VmHWM:\s+(\d+) kB", status.read())
            return int(found.group(1)) / 1024 if found else 0
    except OSError:
        return 0


def write_events(path):
    """Events as apps send them: addresses and devices repeat, a third of the locales is null."""
    seeded = random.Random(1)
    with open(path, "w", encoding="ascii") as out:
        for number in range(ROWS):
            address = f"{seeded.randrange(1, 224)}.{seeded.randrange(256)}.{seeded.randrange(256)}.{seeded.randrange(64)}"
            device = f"{seeded.randrange(1000):03}-{seeded.randrange(100):02}-{seeded.randrange(10000):04}"
            locale = seeded.choice(['"DE"', '"US"', "null"])
            user = f"{seeded.getrandbits(128):032x}"
            out.write(
                f'{{"user_id": "{user}", "app_version": "2.{number % 10}.{number % 7}", "device_type": "android", '
                f'"ip": "{address}", "locale": {locale}, "device_id": "{device}"}}\n'
            )


def fresh(database):
    psql("postgres", f"drop database if exists {database}")
    psql("postgres", f"create database {database}")
    loginetl(database, "init")


def main():
    with tempfile.TemporaryDirectory(prefix="loginetl-bench-") as folder:
        events, masked = os.path.join(folder, "events.jsonl"), os.path.join(folder, "masked.bin")
        write_events(events)
        fresh("bench_load")
        loginetl("bench_load", "load", "--file", events)
        export = f"\\copy (select {COLUMNS} from user_logins) to '{masked}' (format binary)"
        psql("bench_load", export)

        loads, copies, ratios, cpus, peaks = [], [], [], [], []
        for _ in range(ROUNDS):
            fresh("bench_load")
            psql("bench_load", "checkpoint")
            summary, wall, cpu, peak = loginetl("bench_load", "load", "--file", events)
            assert summary["loaded"] == ROWS, summary
            loads.append(ROWS / wall)
            cpus.append(cpu / ROWS * 1e6)
            peaks.append(peak)

            fresh("bench_copy")
            psql("bench_copy", "checkpoint")
            started = time.monotonic()
            psql("bench_copy", f"\\copy user_logins ({COLUMNS}) from '{masked}' (format binary)")
            copies.append(ROWS / (time.monotonic() - started))
            ratios.append(loads[-1] / copies[-1])
        report(loads, copies, ratios, cpus, peaks)
        for database in ["bench_load", "bench_copy"]:
            psql("postgres", f"drop database {database}")


def report(loads, copies, ratios, cpus, peaks):
    settings = psql(
        "postgres",
        "select string_agg(name || '=' || current_setting(name), ' ' order by name) from pg_settings "
        "where name in ('fsync', 'synchronous_commit', 'shared_buffers', 'max_wal_size')",
    )
    version = psql("postgres", "show server_version")
    print(f"machine   {os.cpu_count()} cores, {platform.machine()}, {cpu_model()}")
    print(f"server    PostgreSQL {version}, {settings}")
    print(f"method    {ROWS} rows, {ROUNDS} rounds taking turns, medians (range)")
    print()
    spread = lambda values, unit="": f"{statistics.median(values):,.0f}{unit} ({min(values):,.0f}-{max(values):,.0f})"
    print(f"  load --file: parse, validate, mask, COPY      {spread(loads)} rows/s")
    print(f"  psql COPY of the same masked rows, one stream {spread(copies)} rows/s")
    print(f"  ratio load / COPY                             {statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})")
    print(f"  CPU of loginetl a row                         {statistics.median(cpus):.1f} µs")
    print(f"  peak memory of loginetl                       {statistics.median(peaks):.0f} MiB (max {max(peaks):.0f})")


def cpu_model():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as info:
            found = re.search(r"model name\s*:\s*(.+)", info.read())
            return found.group(1) if found else "unknown processor"
    except OSError:
        return "unknown processor"


if __name__ == "__main__":
    main()
