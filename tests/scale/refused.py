"""What must not be published: a plan that was changed, is too old or names a destroyed key, a filter that fails or
answers too little, a run given up.

Invariant: in each case the job fails, no version of the archive appears, and the run is not committed.
"""

import datetime
import json
import time

from compare import few, in_force, registered
from kit import Failed
from several import starts
from world import PROGRAM

WRAPPER = """#!/bin/sh
case "$1 $2" in
"mask plan") {plan} ;;
"mask --plan") {filter} ;;
"mask commit") {commit} ;;
*) exec {program} "$@" ;;
esac
"""
GIVE_UP = "{program} archive drop {case} --open-runs --running-too --reason dead >&2"
AS_IT_IS = '{program} "$@"'
# What the program does instead at a step, what the job ends with, and words that it says.
CASES = {
    "changed": ({}, 1, ["ended with 5", "is not the plan that was printed"]),
    "failing": ({"filter": '{program} "$@"; exit 3'}, 1, ["ended with 3"]),
    "short": ({"filter": "{program} \"$@\" | sed '$d'"}, 1, ["answered"]),
    "longer": ({"filter": '{program} "$@"; exec printf "a\\tb\\n"'}, 1, ["did not answer with its columns"]),
    "dead": ({"filter": "kill -9 $$"}, 1, ["ended with -9"]),
    # The database alone knows that a key is destroyed: a filter masks by such a plan.
    "destroyed": ({"commit": "{give_up}; {program} rotate-keys >&2; {program} keys destroy {key} --after 0m --yes >&2; "
                             '{program} "$@"'}, 3,
                  ["a data key of its plan is destroyed", "mask commit ended with 3: nothing is published"]),
    # A filter looks at the clock. At the commit a plan may be too old: lines are masked by then, or never.
    "expired": ({"plan": "cat {plans}/expired.json"}, 1, ["mask ended with 3", "expired at"]),
    # The last one: its code is seen as Spark passes it on.
    "given-up": ({"commit": '{give_up}; {program} "$@"'}, 3,
                 ["was given up", "mask commit ended with 3: nothing is published"]),
}


def plan_ahead(world):
    """A plan that is to age. It is of another database, where keys can be turned at no cost."""
    world.aside = world.elsewhere("scale_refused")
    world.aside.loginetl("init")
    plan = world.aside.loginetl("mask", "plan", "--job", "expired", "--location", "nowhere", "--valid-for", "1m")
    (world.folder / "expired.json").write_text(plan, encoding="utf-8")
    world.aside.loginetl("rotate-keys")  # the key of that plan is none that is destroyed


def refused(world):
    """The step of `make scale`. A rotation, or anybody, may be in the way between plan and commit."""
    file, cases = few(world), {}
    change_plan(world, "changed")
    wait_until_expired(world)
    for case, (instead, _, _) in CASES.items():
        where = world.aside if case in ("destroyed", "expired") else world
        cases[case] = (where, "mask", case, "one", "--program", wrapper(world, case, instead), file)
    for case, (code, _, said) in starts(world, cases, small=True).items():
        must_have_failed(cases[case][0], case, code, said)
    world.say(f"refused, with nothing published: {', '.join(CASES)}")


def wrapper(world, case, instead):
    """A program that does something else at one of the three steps."""
    parts = {step: AS_IT_IS for step in ("plan", "filter", "commit")} | instead
    known = {"program": PROGRAM, "plans": world.folder, "case": case, "key": in_force(world.aside)}
    known["give_up"] = GIVE_UP.format(**known)
    parts = {step: part.format(**known) for step, part in parts.items()}
    file = world.folder / f"loginetl-{case}"
    file.write_text(WRAPPER.format(program=PROGRAM, **parts), encoding="utf-8")
    file.chmod(0o755)
    return file


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


def wait_until_expired(world):
    """No plan is made for less than a minute, which the steps before this one have taken, as a rule."""
    expiry = json.loads((world.folder / "expired.json").read_text(encoding="utf-8"))["expires_at"]
    expiry = datetime.datetime.fromisoformat(expiry.partition(".")[0].rstrip("Z") + "+00:00").timestamp() + 1
    time.sleep(max(0, expiry - time.time()))


def must_have_failed(world, case, code, said):
    _, wanted, words = CASES[case]
    missing = [word for word in words if word not in said]
    if code != wanted or missing:
        raise Failed(f"{case}: the job ended with {code}, not {wanted}, and without {missing}:\n{said[-3000:]}")
    if world.versions(case):
        raise Failed(f"{case}: a version was published")
    runs = (registered(world, case) or {"runs": []})["runs"]
    world.expect(f"{case}: runs that were committed", [run for run in runs if run["committed_at"]], [])
