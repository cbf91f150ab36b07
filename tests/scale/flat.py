"""One process of the filter, and five times as many lines as there are events: 10,000,000.

Invariant: its memory at the end is what it was after the first tenth, and it has answered each line.
"""

import re
import shutil
import subprocess
from pathlib import Path

from kit import Failed
from world import PROGRAM

TIMES = 5
MORE = 2 << 20  # bytes that the most may grow by: an allocator's pages, no line in a hundred


def flat(world):
    """The step of `make scale`. The files of events follow one another, again and again."""
    files = sorted((world.folder / "events").glob("*/*.jsonl"))
    plan = world.folder / "flat.json"
    plan.write_text(world.loginetl("mask", "plan", "--job", "flat", "--location", "nowhere"), encoding="utf-8")
    lines = TIMES * sum(file.read_bytes().count(b"\n") for file in files)
    peaks, said = through(world, [PROGRAM, "mask", "--plan", str(plan)], files * TIMES)
    world.loginetl("archive", "drop", "flat", "--open-runs", "--running-too", "--reason", "measured and thrown away")
    found = re.search(r"(\d+) lines, ", said)
    world.expect("lines that were answered", found and int(found.group(1)), lines)
    early, late = peaks[TIMES * len(files) // 10], peaks[-1]
    if late > early + MORE:
        raise Failed(f"the most memory of a filter rose from {early} bytes to {late} over {lines} lines: {peaks}")
    world.say(f"one filter: {lines} lines, at most {late >> 20} MiB; {early >> 20} MiB after the first tenth")


def through(world, command, files):
    """Its most memory after each of the files, in bytes, and its last words."""
    peaks = []
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                          env=world.environment) as process:
        for file in files:
            with open(file, "rb") as source:
                shutil.copyfileobj(source, process.stdin, 1 << 20)
            process.stdin.flush()
            peaks.append(most(process.pid))
        process.stdin.close()
        said = process.stderr.read().decode(errors="replace")
        world.expect(f"what the filter ended with, having said {said[-2000:]}", process.wait(), 0)
    return peaks, said


def most(pid):
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    return int(re.search(r"VmHWM:\s+(\d+) kB", status).group(1)) * 1024
