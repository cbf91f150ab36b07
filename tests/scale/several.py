"""Several starts of the jobs in one session of Spark: to start a JVM takes longer than a small job does.

As a program (on the cluster): several.py CASES, a JSON list of {"name", "job", "arguments", "environment"}. Prints
{name: [code, what the job has printed]}, and ends with the code of the last one.

Invariant: each start ends with the code, and says the words, that it would as a driver by itself.
"""

import contextlib
import importlib
import io
import json
import os
import sys
import traceback

MARK = "=== start of "


def starts(world, cases, **options):
    """{name: (code, what its job printed as JSON, all words of it)} of {name: (world, job, archive, run, arguments)}.
    The world of each says what database its driver has."""
    file = world.folder / "cases.json"
    file.write_text(json.dumps([one(name, *case) for name, case in cases.items()]), encoding="utf-8")
    driver = world.cluster.submit(__file__, file, environment=world.environment, **options)
    said, _ = driver.communicate(timeout=1200)  # Spark writes both outputs of a driver's Python to this one
    *words, last = said.splitlines() or [""]
    ended = json.loads(last) if last.startswith("{") else {}
    world.expect(f"starts that ended:\n{said[-3000:]}\n{world.cluster.words()}", sorted(ended), sorted(cases))
    world.expect("the code that Spark passes on", driver.returncode, list(ended.values())[-1][0])
    parts = {name: said for name, _, said in (part.partition("\n") for part in "\n".join(words).split(MARK))}
    return {name: (code, printed, parts[name]) for name, (code, printed) in ended.items()}


def done(world, cases, **options):
    """{name: what its job has told}, where all must end well."""
    ended = starts(world, cases, **options)
    for name, (code, _, said) in ended.items():
        world.expect(f"{name}: what it ended with, having said {said[-3000:]}", code, 0)
    return {name: json.loads(printed) for name, (_, printed, _) in ended.items()}


def one(name, world, job, archive, run, *arguments):
    own = {key: value for key, value in world.environment.items() if key.startswith("LOGINETL_")}
    return {"name": name, "job": job, "arguments": world.flags(archive, run, *arguments), "environment": own}


def main(file):
    ended, code = {}, 0
    with open(file, encoding="utf-8") as text:
        cases = json.load(text)
    for case in cases:
        print(f"{MARK}{case['name']}", flush=True)
        job = importlib.import_module(f"{case['job']}_job")
        sys.argv = [job.__file__, *case["arguments"]]
        os.environ.update(case["environment"])
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            code = code_of(job.main)
        ended[case["name"]] = [code, printed.getvalue()]
    print(json.dumps(ended), flush=True)
    return code


def code_of(job):
    """What Python would end with."""
    try:
        return job() or 0
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr, flush=True)
            return 1
        return end.code or 0
    except Exception:
        traceback.print_exc()
        return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
