"""`make bench`: measures on this machine, in one run, loginetl beside the obvious alternative. Prints one table.

    load --file     beside a COPY of the same masked rows into a table with the same columns and indexes
    load --drain    from a queue at 0, 5 and 20 ms, beside other ways to load it (bench_queue.py, bench_peers.py)
    unmask --from   beside the SELECT that fetches the rows of the same hashes
    masking         of one value, beside the AES blocks and the HMAC in it (masking.rs)
    mask --plan     beside parsing alone, and beside the masking of load --file (bench_filter.py, filtering.rs)
    rotate-keys     beside an UPDATE of the same columns, and beside loads (bench_rotation.py)
    audit verify    of an export in which every record is signed, with the public key alone

Invariant: both sides of a comparison handle the same rows on the same server, taking turns, and what they did is checked;
medians are reported, with the machine and the server's settings beside them.
Bounded: ROWS rows, HASHES hashes, RECORDS records, ROUNDS rounds, loopback only.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True

from bench_filter import measure_filter, print_filter
from bench_peers import print_peers
from bench_queue import print_all_queues
from bench_rotation import measure_loads_beside, measure_rotations, print_loads_beside, print_rotations
from bench_tools import BINARY, ROUNDS, ROWS, environment, fresh, loginetl, print_machine, psql, spread, write_events

HASHES = int(os.environ.get("BENCH_HASHES", "10000"))
RECORDS = int(os.environ.get("BENCH_RECORDS", "50000"))
COLUMNS = "user_id, device_type, masked_ip, masked_device_id, locale, app_version, create_date, ip_hash, device_id_hash"


def main():
    with tempfile.TemporaryDirectory(prefix="loginetl-bench-") as folder:
        print_machine()
        print_loads(*measure_loads(folder))
        print_all_queues()
        print_peers()
        print_masking()
        print_filter(measure_filter(folder))
        print_recovery(*measure_recovery(folder))
        psql("bench_load", "drop table wanted")
        print_rotations(*measure_rotations())
        print_loads_beside(*measure_loads_beside(folder))
        print_verification(*measure_verification(folder))
    for database in ["bench_load", "bench_copy", "bench_filter"]:
        psql("postgres", f"drop database {database}")


def print_masking():
    """Of one value, beside the cryptography in it: tests/env/masking.rs."""
    print(flush=True)
    subprocess.run([os.path.join(os.path.dirname(BINARY), "examples", "masking-speed")], check=True)


def measure_loads(folder):
    """Leaves the loaded rows in bench_load."""
    events, masked = os.path.join(folder, "events.jsonl"), os.path.join(folder, "masked.bin")
    write_events(events, ROWS)
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
    return loads, copies, ratios, cpus, peaks


def measure_recovery(folder):
    """For the SELECT the hashes lie in a table already, so that it is nothing but the SELECT."""
    hashes, values, rows = (os.path.join(folder, name) for name in ["hashes.txt", "values.jsonl", "rows.txt"])
    chosen = f"select ip_hash from (select distinct ip_hash from user_logins) h order by md5(ip_hash::text) limit {HASHES}"
    psql("bench_load", f"create table wanted as {chosen}")
    psql("bench_load", f"\\copy wanted to '{hashes}'")
    psql("bench_load", "vacuum analyze")
    with open(hashes, encoding="ascii") as file:
        wanted = file.read().split()

    unmask = [BINARY, "unmask", "--from", hashes, "--max-values", str(HASHES), "--reason", "benchmark", "--format", "json"]
    recoveries, selects = [], []
    for _ in range(ROUNDS):
        with open(values, "w", encoding="utf-8") as out:
            started = time.monotonic()
            done = subprocess.run(unmask, env=environment("bench_load"), stdout=out, stderr=subprocess.PIPE, text=True)
            recoveries.append(time.monotonic() - started)
        if done.returncode != 0:
            sys.exit(f"loginetl unmask ended with {done.returncode}, saying\n{done.stderr}")

        started = time.monotonic()
        psql("bench_load", f"\\copy (select u.* from user_logins u join wanted using (ip_hash)) to '{rows}'")
        selects.append(time.monotonic() - started)
        check_values(values, rows, wanted)
    return recoveries, selects, len(wanted)


def check_values(values, rows, wanted):
    """Every hash has its value, and all of them together as many rows as the SELECT."""
    with open(values, encoding="utf-8") as file:
        answers = [json.loads(line) for line in file]
    with open(rows, encoding="utf-8") as file:
        selected = sum(1 for _ in file)
    assert sorted(answer["hash"] for answer in answers) == sorted(wanted), "not every hash was answered"
    assert all(answer["value"] for answer in answers), "an answer has no value"
    assert sum(answer["rows"] for answer in answers) == selected, "the rows differ"


def measure_verification(folder):
    generator = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bench_audit.py")
    subprocess.run([os.environ["LOGINETL_TEST_PYTHON"], generator, folder, str(RECORDS)], check=True)
    export, public_key = os.path.join(folder, "audit.jsonl"), os.path.join(folder, "audit.pem")
    walls, cpus = [], []
    for _ in range(ROUNDS):
        report, wall, cpu, _ = loginetl("postgres", "audit", "verify", "--file", export, "--public-key", public_key)
        assert (report["result"], report["signed"]) == ("intact", RECORDS), report
        walls.append(wall)
        cpus.append(cpu / RECORDS * 1e6)
    return walls, cpus


def print_loads(loads, copies, ratios, cpus, peaks):
    print()
    print(f"  load --file: parse, validate, mask, COPY      {spread(loads, 'rows/s')}")
    print(f"  psql COPY of the same masked rows, one stream {spread(copies, 'rows/s')}")
    print(f"  ratio load / COPY                             {statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})")
    print(f"  CPU of loginetl a row                         {statistics.median(cpus):.1f} µs")
    print(f"  peak memory of loginetl                       {statistics.median(peaks):.0f} MiB (max {max(peaks):.0f})", flush=True)


def print_recovery(recoveries, selects, count):
    limit = 2 * statistics.median(selects) + 1
    held = "held" if statistics.median(recoveries) <= limit else "NOT HELD"
    print()
    print(f"  {f'unmask --from with {count:,} hashes':45} {spread(recoveries, 's', 3)}")
    print(f"  psql SELECT of their rows                     {spread(selects, 's', 3)}")
    print(f"  limit: 2 x SELECT + 1 s                       {limit:.3f} s, {held}", flush=True)


def print_verification(walls, cpus):
    a_record, cpu = statistics.median(walls) / RECORDS, statistics.median(cpus)
    print()
    print(f"  {f'audit verify --file, {RECORDS:,} signed records':45} {spread(walls, 's', 2)}")
    print(f"  {f'records a second, on {os.cpu_count()} cores':45} {1 / a_record:,.0f}")
    print(f"  time a record; CPU of loginetl a record       {a_record * 1e6:.0f} µs; {cpu:.0f} µs", flush=True)


if __name__ == "__main__":
    main()
