"""docker-compose.yml as it stands, run by Docker's engine and Docker Compose (engine.py).

The images of the servers are made of the pinned servers (compose_images.py) and carry the names that the file
gives; the one of loginetl is the archive of deploy/image.py.

Invariant: each count is the database's or the engine's, not what the program says of itself, and is asked at
the address that the file publishes; in the end the engine holds no container, network or volume.
"""

import json
import os
import re
import sys
import time
from pathlib import Path

import engine
from kit import REPOSITORY, Failed

import install  # beside tests/env, which engine has put on the path
import servers

FILE = "docker-compose.yml"
COUNTS = "select (select count(*) from user_logins), (select count(*) from ingest.quarantine)"
ENDPOINT = "http://localhost:4566"
SENT = 120  # messages, of the sample
LOADED = "119|1"  # rows and quarantined, of the sample
GRACE = 30  # seconds, as the file has it
LIMIT = 400  # seconds for all of it, on a machine that does other things too


def run(kit):
    programs, compose, state, archives = engine.fetch(kit)
    ours = kit.scratch / "ours.tar"
    kit.run(sys.executable, REPOSITORY / "deploy/image.py", "--binary", kit.binary, "--out", ours)
    engine.compose_images.loginetl(ours, kit.scratch / "loginetl.tar")
    said = engine.inside(kit, __file__, programs, compose, state, kit.scratch, *archives, kit.scratch / "loginetl.tar",
                         timeout=LIMIT)
    kit.say("\n  ".join(said.splitlines()))
    kit.proved(FILE, "run as it stands by Docker's engine and Docker Compose 2 (Debian's) with images made of the "
               "pinned servers under the names that it gives: both healthy, `init` ends with 0, 119 rows + 1 "
               "quarantined are counted at 127.0.0.1:5432, the loader is confined as written, `run --rm loginetl "
               "quarantine list`, `stop` ends it with 0 within the grace period, `down` leaves no container, network "
               "or volume")
    kit.proved("deploy/localstack-ready.sh", "run by LocalStack's own code as a hook of ready.d in docker-compose.yml: "
               "the keys, both queues and 120 messages are there when the container is healthy")
    kit.cannot(FILE, "the official images of PostgreSQL and LocalStack, and a build by `docker compose build`: there "
               "is no registry of images where this is checked")


# --- inside --------------------------------------------------------------------------------------


def main(programs, compose, state, scratch, *archives):
    docker = engine.Engine(programs, compose, state, scratch)
    try:
        began = time.monotonic()
        docker.load(archives)
        loaded = time.monotonic()
        look_first(docker)
        up(docker)
        seconds = stop(docker)
        down(docker)
        print(f"images loaded in {loaded - began:.0f} s; SIGTERM to exit 0 in {seconds:.1f} s; "
              f"all of it in {time.monotonic() - began:.0f} s")
    except Failed as failed:
        raise Failed(f"{failed}\n{docker.compose('logs', '--tail', '15', expect=None)}") from failed
    finally:
        docker.end()


def look_first(docker):
    """What the head of the file says: the servers alone, to see the messages before they are loaded."""
    docker.compose("up", "--detach", "--wait", "postgres", "localstack", timeout=240)
    programs = install.localstack().parent
    settings = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
    shown = engine.command(  # with the endpoint, this is what awslocal does
        [programs / "aws", "--endpoint-url", ENDPOINT, "sqs", "receive-message", "--visibility-timeout", "0",
         "--queue-url", f"{ENDPOINT}/000000000000/login-queue"], env={**docker.environment, **settings})
    if waiting() != (SENT, 0) or not json.loads(shown)["Messages"]:
        raise Failed(f"{waiting()} messages are in the queue and its dead-letter queue when LocalStack is healthy; "
                     f"seen:\n{shown}")


def waiting():
    """Messages in the queue, seen or not, and in its dead-letter queue."""
    counts = []
    for queue in (servers.QUEUE, servers.DEAD_LETTERS):
        url = f"{ENDPOINT}/000000000000/{queue}"
        found = servers.sqs(ENDPOINT, "GetQueueAttributes", QueueUrl=url, AttributeNames=["All"])["Attributes"]
        counts.append(sum(int(found[f"ApproximateNumberOfMessages{kind}"]) for kind in ("", "NotVisible")))
    return tuple(counts)


def up(docker):
    """All of it: what waits for the servers, waits; the sample is loaded, and the loader is confined as written."""
    docker.compose("up", "--detach")
    first = docker.inspect("container", "loginetl-init-1")["State"]
    if (first["Status"], first["ExitCode"]) != ("exited", 0):
        raise Failed(f"`init` is {first['Status']} with {first['ExitCode']}:\n{docker.compose('logs', 'init')}")
    deadline = time.monotonic() + 20
    while psql() != LOADED or waiting() != (0, 0):
        if time.monotonic() > deadline:
            raise Failed(f"rows and quarantined are {psql()}, not {LOADED}; {waiting()} are left in the queues:\n"
                         f"{docker.compose('logs', 'loginetl')}")
        time.sleep(0.2)
    confined(docker.inspect("container", "loginetl-loginetl-1"))
    listed = docker.compose("run", "--rm", "loginetl", "quarantine", "list")
    if "missing_field" not in listed:
        raise Failed(f"`compose run --rm loginetl quarantine list` says:\n{listed}")


def psql():
    """Rows and quarantined, asked as the head of the file says."""
    program = install._pinned_postgres(install._localstack()) / "psql"
    words = [program, "-d", "postgres", "-U", "postgres", "-p", "5432", "-h", "localhost", "-Atc", COUNTS]
    return engine.command(words, env={**os.environ, "PGPASSWORD": "postgres"}).strip()


def confined(container):
    """The kernel's word on the loader's process."""
    proc = Path(f"/proc/{container['State']['Pid']}")
    status = dict(re.findall(r"^(\w+):\t(.*)$", (proc / "status").read_text(), re.MULTILINE))
    mounts = [line.split() for line in (proc / "mounts").read_text().splitlines()]
    root = next(options for _, place, _, options, *_ in mounts if place == "/").split(",")[0]
    fields = ("CapEff", "CapBnd", "NoNewPrivs", "Seccomp")
    found = (status["Uid"].split()[0], *(status[name] for name in fields), root)
    if found != ("10001", "0" * 16, "0" * 16, "1", "2", "ro"):
        raise Failed(f"the loader runs with user, capabilities, no_new_privileges, seccomp, root file system {found}")


def stop(docker):
    began = time.monotonic()
    docker.compose("stop", "loginetl")
    seconds = time.monotonic() - began
    state = docker.inspect("container", "loginetl-loginetl-1")["State"]
    if state["Status"] != "exited" or state["ExitCode"] != 0 or seconds > GRACE:
        raise Failed(f"`compose stop loginetl` left it {state['Status']} with {state['ExitCode']} after "
                     f"{seconds:.0f} s:\n{docker.compose('logs', 'loginetl')}")
    return seconds


def down(docker):
    docker.compose("down")
    kept = {"bridge", "host", "none"}
    kinds = {"container": ["{{.Names}}", "--all"], "network": ["{{.Name}}"], "volume": ["{{.Name}}"]}
    left = {kind: set(docker.docker(kind, "ls", "--format", *how).split()) - kept for kind, how in kinds.items()}
    if any(left.values()):
        raise Failed(f"`compose down` leaves {left}")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except Failed as failed:
        sys.exit(str(failed))
