"""`make scale`: a real Spark masks many events, and what it makes joins with what `load` has made.

    run.py [STEP…]          all steps of steps.py and of the other modules, or those that are named and what they need
    SCALE_EVENTS=100000     fewer than 2,000,000

Started with a PostgreSQL and a LocalStack of its own. Installs Spark into the cache, pinned by hash.

Invariant: exit 0 only if each step found what it must, or the machine has no Java, which is said.
"""

import os
import sys
import tempfile
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
        if Path(sys.prefix).resolve() != program.parent.parent.resolve():
            os.execv(program, [str(program), *sys.argv])  # where DuckDB and pyarrow are
        return run(sys.argv[1:])
    except LeftOut as missing:
        print(f"scale is left out on this machine: {missing}", file=sys.stderr)
        print("scale: 0 passed, 0 failed, 1 skipped")
        return 0
    except Interrupted as interrupted:  # the cluster has ended, and the folders are gone
        return 128 + interrupted.signum


def run(named):
    import steps  # noqa: PLC0415
    from world import World  # noqa: PLC0415
    count, done = int(os.environ.get("SCALE_EVENTS", "2000000")), 0
    with tempfile.TemporaryDirectory(prefix="loginetl-scale-") as folder, place.cluster() as cluster:
        Path(folder).chmod(0o755)
        world = World(cluster, Path(folder), count)
        for step in steps.STEPS:
            if named and step.__name__ not in {*named, *steps.ALWAYS}:
                continue
            world.say(f"{step.__name__} …")
            try:
                step(world)
                done += 1
            except Failed as wrong:
                print(f"{step.__name__} failed: {wrong}", file=sys.stderr)
                print(f"scale: {done} passed, 1 failed, 0 skipped")
                return 1
            except Exception:
                traceback.print_exc()
                print(f"scale: {done} passed, 1 failed, 0 skipped")
                return 1
        world.say("done")
    print(f"scale: {done} passed, 0 failed, 0 skipped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
