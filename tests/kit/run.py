"""Proves what deploy/ and keys/ ship, and keeps the table of it true.

    run.py [CHECK…]         all checks, or those that are named
    LOGINETL_BLESS=1        writes the table into deploy/README.md instead of comparing it

Each file NAME.py of CHECKS beside this one is a check, with a function run(kit). It runs what is shipped, and notes which
file that proved, and how. Started by `make kit`, which gives it a PostgreSQL and a LocalStack.

Invariant: exit 0 only if each check passed or said what it lacks, and the table in deploy/README.md says what the checks
did; every file that is shipped for operators stands in it.
"""

import concurrent.futures
import importlib
import os
import subprocess
import sys
import time
import traceback

from kit import REPOSITORY, Failed, Kit, LeftOut

# In the order in which they begin: the longest first.
CHECKS = ["compose", "alerts", "cloudformation", "chart_run", "rights", "scaling", "drill", "image", "dashboard", "network", "helm",
          "standby", "units", "logs", "spark", "lint"]
PAGE = REPOSITORY / "deploy/README.md"
BEGIN, END = "<!-- made by make kit: begin -->", "<!-- made by make kit: end -->"
# What is shipped for operators. Each file of it stands in the table.
SHIPPED = ["deploy", "keys", "docker-compose.yml", ".github"]
# Text for people; tests/documents looks after it, and the check `helm` after that of the chart.
PAGES = ["deploy/README.md", "deploy/spark/README.md", "keys/README.md"]


def main():
    named = sys.argv[1:]
    unknown = set(named) - set(CHECKS)
    if unknown:
        sys.exit(f"no such check: {', '.join(sorted(unknown))}; there are {', '.join(CHECKS)}")
    # Three at a time: each waits for servers more than it works.
    with concurrent.futures.ProcessPoolExecutor(max_workers=3) as pool:
        outcomes = list(pool.map(one, named or CHECKS))
    failed = [kit.name for kit, outcome in outcomes if outcome == "failed"]
    left_out = [kit.name for kit, outcome in outcomes if outcome == "left out"]
    if not named and not failed:
        try:
            settle(rows([kit for kit, _ in outcomes]), whole=not left_out)
        except Failed as wrong:
            print(f"the table: {wrong}", file=sys.stderr)
            failed.append("the table")
    if left_out:
        print(f"left out on this machine: {', '.join(left_out)}", file=sys.stderr)
    print(f"kit: {len(outcomes) - len(left_out) - len(set(failed) - {'the table'})} passed, {len(failed)} failed, "
          f"{len(left_out)} skipped")
    return 1 if failed else 0


def one(name):
    """Runs one check: what it noted, and how it ended."""
    kit, began = Kit(name), time.monotonic()
    print(f"{name} …", file=sys.stderr, flush=True)
    try:
        importlib.import_module(name).run(kit)
        outcome, why = "passed", ""
    except LeftOut as missing:
        outcome, why = "left out", f": {missing}"
    except Failed as wrong:
        outcome, why = "failed", f": {wrong}"
    except Exception:  # a check that breaks has proved nothing, and the others still run
        outcome, why = "failed", f":\n{traceback.format_exc()}"
    finally:
        kit.discard()
    print(f"{name} {outcome} in {time.monotonic() - began:.0f} s{why}", file=sys.stderr, flush=True)
    return kit, outcome


def shipped():
    """The shipped files that git knows, or would add."""
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *SHIPPED],
                            cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout.split()
    return sorted(path for path in set(listed) - set(PAGES) if (REPOSITORY / path).exists())


def rows(kits):
    """One row a shipped file: (path, [how it was proved], [what cannot be proved here])."""
    table = {path: ([], []) for path in shipped()}
    for kit in kits:
        for column, notes in enumerate((kit.proofs, kit.limits)):
            for path, text in notes:
                if path not in table:
                    raise Failed(f"{kit.name} speaks of {path}, which is not shipped")
                if text not in table[path][column]:
                    table[path][column].append(text)
    return [(path, *columns) for path, columns in table.items()]


def settle(found, whole):
    """Compares the table with what was done, or writes it. What was left out is not compared."""
    if whole:
        bare = [path for path, proofs, limits in found if not proofs and not limits]
        if bare:
            raise Failed(f"no check says a word about {', '.join(bare)}")
    lines = ["| file | verified how | cannot be proved here |", "|---|---|---|"]
    lines += [f"| `{path}` | {'; '.join(proofs)} | {'; '.join(limits)} |" for path, proofs, limits in found]
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    kept, _, after = rest.partition(END)
    if os.environ.get("LOGINETL_BLESS") == "1":
        if not whole:
            raise Failed("not written, for not all checks ran")
        PAGE.write_text(f"{before}{BEGIN}\n" + "\n".join(lines) + f"\n{END}{after}", encoding="utf-8")
    elif whole and kept.strip().splitlines() != lines:
        raise Failed("deploy/README.md does not say what the checks did; LOGINETL_BLESS=1 make kit writes it")


if __name__ == "__main__":
    sys.exit(main())
