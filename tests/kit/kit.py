"""What a check of the kit is given, and what it notes: which file was proved, and how.

Invariant: a sentence stands in the table only when the check that says it has come to its end in this run; what was left
out says so, and never passes for proved.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True

REPOSITORY = Path(__file__).resolve().parent.parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or REPOSITORY / "target")


class Failed(Exception):
    """A check found something wrong: what, where, and what to do."""


class LeftOut(Exception):
    """A check cannot run on this machine: what is missing."""


class Kit:
    """What one check works with. `binary` is the program that the image holds."""

    def __init__(self, name):
        self.name = name
        self.binary = Path(os.environ.get("LOGINETL_BIN") or TARGET / "release/loginetl").resolve()
        self.scratch = Path(tempfile.mkdtemp(prefix=f"loginetl-kit-{name}-"))
        self.proofs = []
        self.limits = []

    def proved(self, path, how):
        """`path` (from the top of the repository) was proved: `how`, in some words that are the same in every run."""
        if not (REPOSITORY / path).exists():
            raise Failed(f"{self.name}: {path} does not exist")
        self.proofs.append((path, how))

    def cannot(self, path, what):
        """Something about `path` that nobody can prove without the real thing: say it in the table."""
        self.limits.append((path, what))

    def say(self, text):
        print(f"  {self.name}: {text}", file=sys.stderr, flush=True)

    def run(self, *command, expect=0, quiet=True, timeout=120, **options):
        """Runs a command to its end; its output. Any other exit code than `expect` fails the check, with the output."""
        options.setdefault("cwd", REPOSITORY)
        try:
            done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  stdin=subprocess.DEVNULL, text=True, timeout=timeout, check=False, **options)
        except FileNotFoundError as missing:
            raise LeftOut(f"{command[0]} is not on this machine") from missing
        except subprocess.TimeoutExpired as late:
            raise Failed(f"{command[0]} did not end within {timeout} s:\n{late.output or ''}") from late
        if expect is not None and done.returncode != expect:
            words = " ".join(str(word) for word in command)
            raise Failed(f"{words}\nended with {done.returncode}, not {expect}:\n{done.stdout}")
        if not quiet:
            self.say(done.stdout.rstrip())
        return done.stdout

    def discard(self):
        shutil.rmtree(self.scratch, ignore_errors=True)


def needs_root(what):
    """Leaves a check out where it may not do what it must."""
    if os.geteuid() != 0:
        raise LeftOut(f"{what} needs root")
