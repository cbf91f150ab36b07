"""What the filter `mask --plan` costs an event, beside parsing alone and beside the masking of `load --file`.

Invariant: the same lines, taking turns; CPU seconds of the process, user and system, divided by lines; each output is
counted. Bounded: ROWS lines, ROUNDS rounds.
"""

import json
import os
import resource
import statistics
import subprocess

from bench_tools import BINARY, ROUNDS, ROWS, environment, fresh, spread, write_events

FORMS = ["jsonl", "tsv", "arrow"]


def measure_filter(folder):
    """CPU microseconds an event: of parsing, of parsing and masking, and of the filter in each form."""
    events, plan = os.path.join(folder, "filter.jsonl"), os.path.join(folder, "plan.json")
    write_events(events, ROWS)
    fresh("bench_filter")
    planned = subprocess.run([BINARY, "mask", "plan", "--job", "bench", "--location", "nowhere"], check=True,
                             capture_output=True, env=environment("bench_filter"))
    with open(plan, "wb") as file:
        file.write(planned.stdout)
    speed = os.path.join(os.path.dirname(BINARY), "examples", "filter-speed")
    times = {name: [] for name in ["parse", "parse_and_mask", *FORMS]}
    for _ in range(ROUNDS):
        said = json.loads(subprocess.run([speed, events], check=True, capture_output=True).stdout)
        for name, nanoseconds in said.items():
            times[name].append(nanoseconds / 1000)
        for form in FORMS:
            times[form].append(filter_once(plan, events, form) / ROWS * 1e6)
    return times


def filter_once(plan, events, form):
    """CPU seconds of one process over all events."""
    with open(events, "rb") as lines:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run([BINARY, "mask", "--plan", plan, "--output", form], stdin=lines, check=True,
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment("bench_filter"))
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert f"{ROWS} lines, 0 of them rejected" in done.stderr.decode(), done.stderr
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def print_filter(times):
    print(f"\nmask --plan, {ROWS} events, CPU an event (start and KMS included)")
    for name in ["parse", "parse_and_mask", *FORMS]:
        ratios = [whole / one for whole, one in zip(times["parse_and_mask"], times[name])]
        words = {"parse": "parsing alone", "parse_and_mask": "parsing and masking, as load --file does"}
        print(f"{words.get(name, f'mask --plan, {name}'):45} {spread(times[name], 'µs', 2):28} "
              f"{statistics.median(ratios):.2f} x the rate of load's masking")
