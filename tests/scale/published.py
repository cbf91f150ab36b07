"""What the jobs of deploy/spark refuse, keep and clean where something happens between two of their steps.

Invariant: one driver runs all cases of published_cases.py, on a database and archives of its own, beside the steps that
come next; the run ends with 0 only if each case found what it must.
"""

import os
import subprocess
import urllib.parse
from pathlib import Path

CASES = Path(__file__).with_name("published_cases.py")


def published(world):
    """The step of `make scale` begins here. The driver needs one core, now and then: what comes next is beside it."""
    environment, log = own_database(world), world.cluster.log.with_name("published.log")
    driver = world.cluster.submit(CASES, world.folder / "published", world.program, small=True,
                                  environment=environment, log=log)

    def published_ended(world):
        done = world.end(driver, log=log)
        world.say(f"between the steps of a job: {', '.join(done['cases'])}")
    world.beside.append(published_ended)


def own_database(world):
    """A rotation moves nobody else's rows there, and takes no time."""
    name, url = "LOGINETL_DATABASE_URL", urllib.parse.urlsplit(os.environ["LOGINETL_DATABASE_URL"])
    psql = Path(os.environ["LOGINETL_TEST_PG_BIN"]) / "psql"
    subprocess.run([psql, "-Xq", url.geturl(), "-c", "create database scale_published"], check=True)
    environment = {**os.environ, name: url._replace(path="/scale_published").geturl()}
    subprocess.run([world.program, "init"], env=environment, check=True, capture_output=True)
    return environment
