"""What the measurements share: databases of their own, events, loginetl and psql under a clock, and numbers in words.

Invariant: only databases named bench_* are made and dropped.
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
import time

ROWS = int(os.environ.get("BENCH_ROWS", "500000"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
BINARY = os.environ["LOGINETL_BIN"]
PSQL = os.path.join(os.environ["LOGINETL_TEST_PG_BIN"], "psql")
ADMIN = os.environ["LOGINETL_TEST_DATABASE_URL"]


def url_of(database):
    return re.sub(r"/[^/?]*(\?|$)", rf"/{database}\1", ADMIN, count=1) if "?" in ADMIN else f"{ADMIN.rsplit('/', 1)[0]}/{database}"


def psql(database, sql):
    command = [PSQL, "-XqAt", "-v", "ON_ERROR_STOP=1", url_of(database), "-c", sql]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def environment(database):
    return {**os.environ, "LOGINETL_DATABASE_URL": url_of(database), "RUST_LOG": "error"}


def loginetl(database, *args):
    """Runs the binary; returns its summary, wall seconds, CPU seconds and peak RSS in MiB."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.monotonic()
    process = subprocess.Popen([BINARY, *args, "--format", "json"], env=environment(database), stdout=subprocess.PIPE)
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


def write_events(path, count, seed=1):
    """Events as apps send them: addresses and devices repeat, a third of the locales is null."""
    seeded = random.Random(seed)
    with open(path, "w", encoding="ascii") as out:
        for number in range(count):
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


def print_machine():
    settings = psql(
        "postgres",
        "select string_agg(name || '=' || current_setting(name), ' ' order by name) from pg_settings "
        "where name in ('fsync', 'synchronous_commit', 'shared_buffers', 'max_wal_size')",
    )
    version = psql("postgres", "show server_version")
    print(f"machine   {os.cpu_count()} cores, {platform.machine()}, {cpu_model()}")
    print(f"server    PostgreSQL {version}, {settings}")
    print(f"method    {ROWS} rows, {ROUNDS} rounds taking turns, medians (range)", flush=True)


def spread(values, unit, digits=0):
    return f"{statistics.median(values):,.{digits}f} ({min(values):,.{digits}f}-{max(values):,.{digits}f}) {unit}"


def cpu_model():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as info:
            found = re.search(r"model name\s*:\s*(.+)", info.read())
            return found.group(1) if found else "unknown processor"
    except OSError:
        return "unknown processor"
