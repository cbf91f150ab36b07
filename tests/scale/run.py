"""`make scale`: a real Spark masks many events, and what it makes joins with what `load` has made.

    run.py [STEP…]          all steps of steps.py, or those that are named, with what they need
    SCALE_EVENTS=100000     fewer than 2,000,000

Started with a PostgreSQL and a LocalStack of its own. Installs Spark into the cache, pinned by hash.

Invariant: exit 0 only if each step found what it must, or the machine has no Java, which is said.
"""

import os
import sys
import tempfile
import time
import traceback
from pathlib import Path

sys.dont_write_bytecode = True

import place
from kit import Failed, LeftOut
from processes import Interrupted, catch_interrupts


def main():
    catch_interrupts()
    try:
        place.java()
        program = place.python()
        place.classes(program)
        if Path(sys.prefix).resolve() != program.parent.parent.resolve():
            os.execv(program, [str(program), *sys.argv])  # where DuckDB and pyarrow are
        return run(sys.argv[1:])
    except LeftOut as missing:
        print(f"scale is left out on this machine: {missing}", file=sys.stderr)
        print("scale: 0 passed, 0 failed, 1 skipped")
        return 0
    except Failed as wrong:
        print(f"scale failed: {wrong}", file=sys.stderr)
        return 1
    except Interrupted as interrupted:  # the cluster has ended, and the folders are gone
        return 128 + interrupted.signum


def run(named):
    import steps  # noqa: PLC0415
    from world import World  # noqa: PLC0415
    count, took, wanted, began = int(os.environ.get("SCALE_EVENTS", "2000000")), {}, [], time.monotonic()
    with tempfile.TemporaryDirectory(prefix="loginetl-scale-") as folder:
        try:
            wanted = steps.with_needs(named)
            with place.cluster() as cluster:
                Path(folder).chmod(0o755)
                world = World(cluster, Path(folder), count)
                for step in wanted:
                    attempt(world, step, took)
                wanted += world.beside
                for step in world.beside:
                    attempt(world, step, took)
        except Failed as wrong:
            print(f"scale failed: {wrong}", file=sys.stderr)
        except Exception:
            traceback.print_exc()
    # What the cluster takes to start and to end is in it; what installs Spark, once, is not.
    print("took      " + ", ".join(f"{name} {seconds:.0f}" for name, seconds in took.items()))
    failed = 0 if wanted and len(took) == len(wanted) else 1
    print(f"scale: {len(took)} passed, {failed} failed, 0 skipped, in {time.monotonic() - began:.0f} s")
    return failed


def attempt(world, step, took):
    world.say(f"{step.__name__} …")
    began = time.monotonic()
    try:
        step(world)
    except Failed as wrong:
        raise Failed(f"{step.__name__}: {wrong}") from wrong
    took[step.__name__] = time.monotonic() - began


if __name__ == "__main__":
    sys.exit(main())
