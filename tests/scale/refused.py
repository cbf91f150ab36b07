"""What must not be published: a plan that was changed, a filter that fails or answers too little, a run given up.

Invariant: in each case the job fails, no version of the archive appears, and the run is not committed.
"""

import json

import place
from kit import Failed
from world import PROGRAM

LINES = 2000
WRAPPER = """#!/bin/sh
case "$1 $2" in
"mask --plan") {filter} ;;
"mask commit") {commit} ;;
*) exec {program} "$@" ;;
esac
"""
CASES = {
    "changed": ("", "", "is not the plan that was printed"),
    "failing": ('{program} "$@"; exit 3', "", "ended with 3"),
    "short": ("{program} \"$@\" | sed '$d'", "", "answered"),
    "longer": ('{program} "$@"; exec printf "a\\tb\\n"', "", "did not answer with its columns"),
    "dead": ("kill -9 $$", "", "ended with -9"),
    "given-up": ("", '{program} archive drop given-up --open-runs --running-too --reason dead >&2; {program} "$@"',
                 "ended with 3: nothing is published"),
}


def refused(world):
    """The step of `make scale`. A rotation, or anybody, may be in the way between plan and commit."""
    file = world.folder / "few.jsonl"
    with open(next((world.folder / "events/text").glob("*.jsonl")), "rb") as source:
        file.write_bytes(b"".join(line for _, line in zip(range(LINES), source, strict=False)))
    for case, (filtering, committing, words) in CASES.items():
        archive = case
        wrapper = world.folder / f"loginetl-{case}"
        parts = {"filter": filtering or '{program} "$@"', "commit": committing or '{program} "$@"'}
        text = WRAPPER.format(program=PROGRAM, **{name: part.format(program=PROGRAM) for name, part in parts.items()})
        wrapper.write_text(text, encoding="utf-8")
        wrapper.chmod(0o755)
        if case == "changed":
            change_plan(world, archive)
        must_fail(world, archive, file, wrapper, words)
    world.say(f"refused, with nothing published: {', '.join(CASES)}")


def change_plan(world, archive):
    """The plan that an earlier start has left, with one sign of it changed."""
    plan = world.loginetl("mask", "plan", "--job", archive, "--location", str(world.root(archive)))
    folder = world.root(archive) / "runs/run=one"
    folder.mkdir(parents=True)
    # JSON still, for the driver reads it; what the filter reads is another plan than was printed.
    changed = plan.replace(json.loads(plan)["expires_at"][:4], "2999", 1)
    if changed == plan:
        raise Failed("the plan has no such member")
    (folder / "_plan.json").write_text(changed, encoding="utf-8")


def must_fail(world, archive, file, program, words):
    flags = ["--archive", archive, "--root", world.root(archive), "--run", "one", "--program", program, file]
    log = world.cluster.ledger.base / "driver.log"
    before = log.stat().st_size
    driver = world.cluster.submit(place.REPOSITORY / "deploy/spark/mask_job.py", *flags, small=True)
    said, _ = driver.communicate(timeout=300)
    with open(log, encoding="utf-8", errors="replace") as all_words:
        all_words.seek(before)
        said += all_words.read()
    if driver.returncode == 0 or words not in said:
        raise Failed(f"{archive}: the job ended with {driver.returncode} and without {words!r}:\n{said[-3000:]}")
    if world.versions(archive):
        raise Failed(f"{archive}: a version was published")
    views = map(json.loads, world.loginetl("archive", "list", "--format", "json").splitlines())
    ended = [run for view in views if view["archive"] == archive for run in view["runs"] if run["committed_at"]]
    world.expect(f"{archive}: runs that were committed", ended, [])
