"""What the jobs of deploy/spark refuse, keep and clean where something happens between two of their steps.

Invariant: one driver runs all cases of published_cases.py, on a database and archives of its own; it ends with 0 only
if each found what it must.
"""

import contextlib
import os
import subprocess
import urllib.parse
from pathlib import Path

CASES = Path(__file__).with_name("published_cases.py")


def published(world):
    """The step of `make scale`."""
    with own_database(world):
        done = world.end(world.cluster.submit(CASES, world.folder / "published", world.program, small=True))
    world.say(f"between the steps of a job: {', '.join(done['cases'])}")


@contextlib.contextmanager
def own_database(world):
    """A rotation moves nobody else's rows here, and takes no time."""
    name, url = "LOGINETL_DATABASE_URL", urllib.parse.urlsplit(os.environ["LOGINETL_DATABASE_URL"])
    psql = Path(os.environ["LOGINETL_TEST_PG_BIN"]) / "psql"
    subprocess.run([psql, "-Xq", url.geturl(), "-c", "create database scale_published"], check=True)
    try:
        os.environ[name] = url._replace(path="/scale_published").geturl()
        world.loginetl("init")
        yield
    finally:
        os.environ[name] = url.geturl()
