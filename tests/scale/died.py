"""A driver that dies after `mask commit`: before its version is published, and after that before it has cleaned up.

As a program (a driver): died.py ARGUMENTS of mask_job.py, which is killed where it would clean up.

Invariant: the next start publishes what the first one has committed, once, with the same counts; one after that does
nothing.
"""

import os
import signal
import sys

from compare import alone, committed, few
from kit import Failed
from refused import wrapper
from several import done

DEATHS = {"committed": {}, "published": {1}}  # the versions that are there when the driver has died
# All of the driver's processes, its JVM too.
COMMITS_AND_DIES = '{program} "$@" && kill -KILL 0'


def died(world):
    """The step of `make scale`."""
    file = few(world)
    rows, counts = alone(world, file)
    program = wrapper(world, "committed", {"commit": COMMITS_AND_DIES})
    drivers = {"committed": world.start("mask", "committed", "one", "--program", program, file, small=True),
               "published": world.cluster.submit(__file__, *world.flags("published", "one", file), small=True)}
    before = {}
    for case, driver in drivers.items():
        said, _ = driver.communicate(timeout=300)
        world.expect(f"{case}: how the driver ended, having said {said}", driver.returncode, -signal.SIGKILL)
        world.expect(f"{case}: versions then", set(world.versions(case)), set(DEATHS[case]))
        before[case] = once(world, case)
        world.expect(f"{case}: the counts", before[case][1], counts)
        if not (world.root(case) / "runs/run=one/_plan.json").exists():
            raise Failed(f"{case}: the driver had cleaned up before it died")
    again = {f"{case}, start {number}": (world, "mask", case, "one", file) for case in DEATHS for number in (2, 3)}
    nothing = {"run": "one", "already": True}
    world.expect("the next starts", done(world, again, small=True), {
        "committed, start 2": {"run": "one", "version": 1, "rows": counts[0], "rejected": counts[1]},
        "committed, start 3": nothing, "published, start 2": nothing, "published, start 3": nothing})
    for case in DEATHS:
        world.expect(f"{case}: versions", set(world.versions(case)), {1})
        world.same(f"{case}: the rows of one process", world.archive(case), rows)
        world.expect(f"{case}: what was committed", once(world, case), before[case])
    world.say(f"a driver that died before, and one that died after its version was published: {counts[0]} rows, once")


def once(world, archive):
    """What was committed of an archive, and that this was recorded once."""
    records = world.psql("select count(*) from audit.log where kind = 'mask.commit' "
                         f"and record::jsonb ->> 'archive' = '{archive}'")
    world.expect(f"records that {archive} was committed", records, "1")
    return committed(world, archive)


def main():
    import mask_job
    from loginetl_archive import Run
    if not callable(getattr(Run, "clean", None)):
        sys.exit("loginetl_archive.py cleans up elsewhere: kill the driver there")
    Run.clean = lambda *_, **__: os.killpg(0, signal.SIGKILL)
    return mask_job.main()


if __name__ == "__main__":
    sys.exit(main())
