"""The obvious alternatives to `load`, on the same queue and server: part of `make bench`, and runs by itself.

    boto3 + psycopg2      one loop: receive ten, hash, an insert for each, commit, delete (peer_boto3.py)
    sqs-consumer + pg     forty consumers, one insert for each ten (peer_sqs_consumer.mjs)

Each is measured where it can run; else one line says what is missing. Nothing is installed.
Invariant: a measurement counts only if every message became one row and was deleted. Peers mask by SHA-256 alone, know no
duplicates and write a table without indexes, and neither the time nor the CPU of their start counts: all to their advantage.
Bounded: their messages below, PEER_ROUNDS rounds, LIMIT seconds each, loopback only.
"""

import json
import os
import resource
import shutil
import subprocess
import sys
import time

sys.dont_write_bytecode = True

from bench_queue import instrument, stats
from bench_tools import print_machine, psql, spread, url_of

HERE = os.path.dirname(os.path.abspath(__file__))
ROUND_TRIP = "20ms"
ROUNDS = int(os.environ.get("BENCH_PEER_ROUNDS", "3"))
PYTHON = os.environ.get("BENCH_PEER_PYTHON") or os.environ["LOGINETL_TEST_PYTHON"]
NODE, NODE_FOLDER = shutil.which("node"), os.environ.get("BENCH_PEER_NODE", "")
LIMIT = 120
DATABASE = "bench_peers"
TABLE = """
    create table user_logins (
        user_id varchar(128), device_type varchar(32), masked_ip varchar(256), masked_device_id varchar(256),
        locale varchar(32), app_version integer, create_date date)
"""


def main():
    print_machine()
    print_peers()


def print_peers():
    print()
    print(f"  peers, the same queue {ROUND_TRIP} away, {ROUNDS} rounds")
    boto3 = [PYTHON, os.path.join(HERE, "peer_boto3.py")]
    consumers = [NODE, os.path.join(HERE, "peer_sqs_consumer.mjs")]
    if is_there("boto3 + psycopg2", python_lacks()):
        print_peer("boto3 + psycopg2", 5_000, boto3, "ten")
        print_peer("  with a delete for each", 500, boto3, "one")
    if is_there("40 x sqs-consumer + pg", node_lacks()):
        print_peer("40 x sqs-consumer + pg", 50_000, consumers)


def is_there(name, lacks):
    if lacks:
        print(f"  {name:45} not measured: {lacks}", flush=True)
    return not lacks


def python_lacks():
    """What keeps the peer from running, and its remedy; nothing if it can run."""
    missing = [name for name in ["boto3", "psycopg2"] if not succeeds(PYTHON, "-c", f"import {name}")]
    remedy = "python3 -m venv DIR && DIR/bin/pip install boto3 psycopg2-binary; BENCH_PEER_PYTHON=DIR/bin/python"
    return f"no {' and '.join(missing)} for {PYTHON} ({remedy})" if missing else None


def node_lacks():
    if not NODE:
        return "no node on PATH (install Node.js 20 or newer)"
    packages = ["sqs-consumer", "@aws-sdk/client-sqs", "pg"]
    missing = [name for name in packages if not os.path.isdir(os.path.join(NODE_FOLDER, "node_modules", name))]
    remedy = "npm install --prefix DIR sqs-consumer@14 @aws-sdk/client-sqs pg; BENCH_PEER_NODE=DIR"
    return f"no {' and '.join(missing)} under BENCH_PEER_NODE={NODE_FOLDER or 'unset'} ({remedy})" if missing else None


def succeeds(*command):
    return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


def print_peer(name, messages, command, *flags):
    rounds = [measure_peer(messages, command, *flags) for _ in range(ROUNDS)]
    every = lambda of: [one[of] for one in rounds]
    label = f"{name}, {messages:,} messages"
    print(f"  {label:45} {spread(every('rate'), 'messages/s')}, {spread(every('cpu'), 'µs CPU each', 1)}", flush=True)


def measure_peer(messages, command, *flags):
    """Messages a second, and µs of CPU a message."""
    psql("postgres", f"drop database if exists {DATABASE}")
    psql("postgres", f"create database {DATABASE}")
    psql(DATABASE, TABLE)
    psql(DATABASE, "checkpoint")
    with instrument("--messages", str(messages), "--rtt", ROUND_TRIP) as queue:
        wall, cpu = drain(queue, messages, [*command, queue["queue_url"], url_of(DATABASE), *flags])
        left = stats(queue["endpoint"])
    assert left["visible"] == 0 and left["in_flight"] == 0, left
    rows = psql(DATABASE, "select count(*) from user_logins")
    assert rows == str(messages), f"{messages} messages became {rows} rows"
    psql("postgres", f"drop database {DATABASE}")
    return {"rate": messages / wall, "cpu": cpu / messages * 1e6}


def drain(queue, messages, command):
    """Runs a peer until the queue is empty; returns the seconds and the CPU seconds since it was ready."""
    variables = {**os.environ, "AWS_ENDPOINT_URL_SQS": queue["endpoint"], "NODE_NO_WARNINGS": "1"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    process = subprocess.Popen(command, env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        ready = process.stdout.readline()
        if not ready:
            sys.exit(f"{' '.join(command)} ended before it was ready")
        process.stdin.write("\n")
        process.stdin.flush()
        started = time.monotonic()
        while stats(queue["endpoint"])["distinct_deleted"] < messages:
            if process.poll() is not None or time.monotonic() > started + LIMIT:
                sys.exit(f"{' '.join(command)} did not empty the queue in {LIMIT} s")
            time.sleep(0.02)
        wall = time.monotonic() - started
    finally:
        process.terminate()
        process.wait()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    return wall, cpu - json.loads(ready)["cpu"]


if __name__ == "__main__":
    main()
