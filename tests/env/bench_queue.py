"""Loading from a queue at full speed: part of `make bench`, and runs by itself.

    load --drain    from the instrument (tests/instrument), an SQS endpoint on loopback that is never the bottleneck, with a
                    simulated round trip of 0, 5 and 20 ms
                    the same of messages in envelopes of SNS, taking turns with plain ones
    load --follow   from the same, alone and then while rotate-keys runs at its default duty

Invariant: a measurement counts only if every message was loaded once, deleted, and nothing is left. The time is from the
start of the process until the queue is empty, so that the wait at the end of a drain is not in it; the CPU time is all of it.
Bounded: MESSAGES messages, ROUNDS rounds, loopback only.
"""

import contextlib
import json
import os
import resource
import statistics
import subprocess
import sys
import time
import urllib.request

sys.dont_write_bytecode = True

from bench_tools import BINARY, ROUNDS, environment, fresh, peak_rss, print_machine, psql, spread

INSTRUMENT = os.path.join(os.path.dirname(BINARY), "examples", "sqs-instrument")
MESSAGES = int(os.environ.get("BENCH_MESSAGES", "300000"))
ROUND_TRIPS = os.environ.get("BENCH_ROUND_TRIPS", "0ms 5ms 20ms").split()
RECEIVERS = int(os.environ.get("BENCH_RECEIVERS", "100"))
WRAPPED = 100_000
# So few that the processor is not what they wait for.
FEW = 20
DATABASE = "bench_queue"


def main():
    print_machine()
    print_all_queues()


def print_all_queues():
    print()
    for round_trip in ROUND_TRIPS:
        print_queue(round_trip, [measure_queue(round_trip, MESSAGES) for _ in range(ROUNDS)])
    print_few_receivers([measure_queue("20ms", MESSAGES // 2, receivers=FEW)["rate"] for _ in range(ROUNDS)])
    print_wrapped([measure_wrapped() for _ in range(ROUNDS)])
    large = MESSAGES // 20
    print_peak(f"{large:,} messages with bodies of 256 kB", measure_queue("5ms", large, "--body", "256kB"))
    print_peak(f"{1_000_000:,} small messages", measure_queue("5ms", 1_000_000))
    print_beside_rotation([measure_beside_rotation() for _ in range(ROUNDS)])
    psql("postgres", f"drop database {DATABASE}")


@contextlib.contextmanager
def instrument(*flags):
    """The instrument's addresses, while it runs."""
    straight = {**os.environ, "NO_PROXY": "127.0.0.1"}
    process = subprocess.Popen([INSTRUMENT, *flags], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=straight)
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.stdin.close()
        process.wait()


def stats(endpoint):
    straight = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with straight.open(f"{endpoint}/stats", timeout=10) as answer:
        return json.load(answer)["queues"]["login-queue"]


def measure_queue(round_trip, messages, *flags, receivers=RECEIVERS):
    """Messages a second, µs of CPU a message and MiB at the peak, of one drain."""
    fresh(DATABASE)
    psql(DATABASE, "checkpoint")
    with instrument("--messages", str(messages), "--rtt", round_trip, *flags) as queue:
        variables, command = loader(queue, receivers, "--drain")
        before, started, peak, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic(), 0, None
        process = subprocess.Popen(command, env=variables, stdout=subprocess.PIPE)
        while process.poll() is None:
            peak = max(peak, peak_rss(process.pid))
            if wall is None and stats(queue["endpoint"])["distinct_deleted"] == messages:
                wall = time.monotonic() - started
            time.sleep(0.05)
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        summary = json.loads(process.stdout.read().decode().splitlines()[-1])
        left = stats(queue["endpoint"])
    assert process.returncode == 0 and summary["loaded"] == messages, summary
    assert left["visible"] == 0 and left["in_flight"] == 0, left
    assert psql(DATABASE, "select count(*) from user_logins") == str(messages)
    cpu = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    return {"rate": messages / wall, "cpu": cpu / messages * 1e6, "peak": peak}


def loader(queue, receivers, *flags):
    """Environment and command of a loader from the instrument."""
    endpoint = {"AWS_ENDPOINT_URL_SQS": queue["endpoint"], "LOGINETL_QUEUE_URL": queue["queue_url"]}
    return {**environment(DATABASE), **endpoint}, [BINARY, "load", *flags, "--format", "json", "--receivers", str(receivers)]


def measure_beside_rotation():
    """Messages a second of one loader: in the seconds before a rotation, and while it runs (for 30 s at most)."""
    fresh(DATABASE)
    with instrument("--messages", "2000000", "--rtt", "20ms") as queue:
        loaded = lambda: (stats(queue["endpoint"])["distinct_deleted"], time.monotonic())
        variables, command = loader(queue, RECEIVERS, "--follow")
        process = subprocess.Popen(command, env=variables, stdout=subprocess.DEVNULL)
        try:
            while loaded()[0] < 200_000:
                time.sleep(0.05)
            first = loaded()
            time.sleep(5)
            second = loaded()
            rotation = subprocess.Popen([BINARY, "rotate-keys"], env=variables, stdout=subprocess.DEVNULL)
            third = loaded()
            with contextlib.suppress(subprocess.TimeoutExpired):
                rotation.wait(30)
            fourth = loaded()
            rotation.terminate()
            assert rotation.wait() in (0, 4)
        finally:
            process.terminate()
            process.wait()
    rate = lambda since, until: (until[0] - since[0]) / (until[1] - since[1])
    return {"alone": rate(first, second), "beside": rate(third, fourth)}


def print_beside_rotation(rounds):
    ratios = [one["beside"] / one["alone"] for one in rounds]
    held = "held" if statistics.median(ratios) >= 0.5 else "NOT HELD"
    print(f"  {'load --follow, 20ms away, undisturbed':45} {spread([one['alone'] for one in rounds], 'messages/s')}")
    print(f"  the same while rotate-keys runs               {spread([one['beside'] for one in rounds], 'messages/s')}")
    print(f"  ratio disturbed / undisturbed; at least 0.5   {spread(ratios, '', 2).strip()}, {held}", flush=True)


def print_queue(round_trip, rounds):
    every = lambda name: [one[name] for one in rounds]
    rate = f"  {f'load --drain, {MESSAGES:,} messages, {round_trip} away':45} {spread(every('rate'), 'messages/s')}"
    print(f"{rate}, {spread(every('cpu'), 'µs CPU each', 1)}, peak {max(every('peak')):.0f} MiB", flush=True)


def print_few_receivers(rates):
    ratios = [rate / (FEW * 10 / 0.020) for rate in rates]
    held = "held" if statistics.median(ratios) >= 0.9 else "NOT HELD"
    print(f"  {f'load --drain --receivers {FEW}, 20ms away':45} {spread(rates, 'messages/s')}")
    print(f"  of receivers x 10 / round trip; at least 0.9  {spread(ratios, '', 2).strip()}, {held}", flush=True)


def measure_wrapped():
    plain = measure_queue("5ms", WRAPPED)["rate"]
    return {"plain": plain, "wrapped": measure_queue("5ms", WRAPPED, "--envelope", "sns")["rate"]}


def print_wrapped(rounds):
    ratios = [one["wrapped"] / one["plain"] for one in rounds]
    held = "held" if statistics.median(ratios) >= 0.9 else "NOT HELD"
    print(f"  {f'load --drain, {WRAPPED:,} SNS notifications, 5ms away':45} {spread([one['wrapped'] for one in rounds], 'messages/s')}")
    print(f"  of the rate of plain messages; at least 0.9   {spread(ratios, '', 2).strip()}, {held}", flush=True)


def print_peak(what, one):
    held = "held" if one["peak"] < 150 else "NOT HELD"
    print(f"  {f'peak memory, {what}':64} {one['peak']:.0f} MiB; limit 150, {held} ({one['rate']:,.0f} messages/s)", flush=True)


if __name__ == "__main__":
    main()
