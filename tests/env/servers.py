#!/usr/bin/env python3
"""PostgreSQL and LocalStack on 127.0.0.1, private to one command or kept for playing. No Docker, no root, no settings.

    servers.py run [OPTIONS] -- CMD…   start both, run CMD with the settings exported, stop both, return CMD's status
    servers.py up [OPTIONS]            start both and leave them; says what to type then. The settings are in
                                       target/env/env.sh, and on stdout unless that is a terminal
    servers.py down                    stop exactly what `up` started and delete its data
    servers.py install                 only fill the cache (see install.py)
    servers.py clean                   down, and empty the cache

--durable leaves PostgreSQL's durability settings alone; without it fsync is off, as nobody needs test data after a crash.
--set NAME=VALUE sets one of PostgreSQL's parameters, such as shared_buffers=1GB; it may be repeated.
The keys (keys/create-keys.sh), the queue login-queue and its dead-letter queue exist when CMD starts.

Invariant: every run has servers, ports and a folder of its own, and nothing of it is left behind, however it ends:
CMD's end or failure, Ctrl-C, SIGTERM, SIGHUP, or SIGKILL of this program (then a guard process cleans up).
"""

import argparse
import contextlib
import fcntl
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

sys.dont_write_bytecode = True

import install
from install import EnvError, REPOSITORY, say
from processes import Guard, Interrupted, Ledger, catch_interrupts, ignore_interrupts, interrupts_deferred, stop_tree, tail
from settings import QUEUE, environment_with, link_commands, settings_for, shell_lines

STATE = REPOSITORY / "target/env"
PROGRAM = Path(os.environ.get("LOGINETL_BIN") or REPOSITORY / "target/debug/loginetl").resolve()
PREFIX = "loginetl-env-"
DEAD_LETTERS, MAX_RECEIVES = f"{QUEUE}-dlq", 5
USAGE = "servers.py run [--durable] [--set NAME=VALUE]… -- CMD… | up [--durable] [--set NAME=VALUE]… | down | install | clean"
START_LIMIT = 90  # seconds; a busy machine is slow, a broken server ends at once


def main():
    before, command = split_at_dashes(sys.argv[1:])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, usage=USAGE)
    parser.add_argument("action", choices=["run", "up", "down", "install", "clean"], help=argparse.SUPPRESS)
    parser.add_argument("--durable", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--set", action="append", default=[], type=parameter, dest="parameters", help=argparse.SUPPRESS)
    arguments = parser.parse_args(before)
    if (arguments.action == "run") != bool(command):
        parser.error("`run` needs a command after --, and nothing else takes one")
    parameters = {**({} if arguments.durable else {"fsync": "off"}), **dict(arguments.parameters)}
    catch_interrupts()
    try:
        if arguments.action == "run":
            return run(command, parameters)
        if arguments.action == "up":
            up(parameters)
        else:
            {"down": down, "install": programs, "clean": clean}[arguments.action]()
        return 0
    except EnvError as error:
        say(f"error: {error}")
        return 1
    except Interrupted as interrupted:
        return 128 + interrupted.signum


def split_at_dashes(arguments):
    """Everything behind the first -- is the command's own, further dashes included."""
    at = arguments.index("--") if "--" in arguments else len(arguments)
    return arguments[:at], arguments[at + 1:]


def parameter(text):
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"{text}: write NAME=VALUE")
    return name, value


# --- the five actions ----------------------------------------------------------------------------


def run(command, parameters):
    found = programs()
    with private_folder() as ledger:
        settings = start(ledger, found, parameters)
        status = execute(command, settings)
        if status != 0:
            keep_logs(ledger)
    return status


def up(parameters):
    with state_lock():
        state, ledger = read_state()
        if state and len(ledger.living()) == 2:
            say("already running")
        else:
            discard_state(ledger)
            found = programs()
            with private_folder(keep=True) as ledger:
                state = {"base": str(ledger.base), "settings": start(ledger, found, parameters, ports=(5432, 4566))}
                (ledger.base / "bin/loginetl").symlink_to(PROGRAM)
                write_state(state)
        if not sys.stdout.isatty():  # another program takes them over
            print(shell_lines(state["settings"]), end="", flush=True)
        say(what_to_type())


def what_to_type():
    folder = STATE.relative_to(REPOSITORY)
    build = "" if os.access(PROGRAM, os.X_OK) else "\n    make build"
    return f"""
Both run until `make down`, which deletes their data too. Type:
{build}
    . {folder}/env.sh        # their settings; loginetl, psql and aws are on PATH then
    loginetl init
    loginetl load --file tests/env/sample.jsonl
    psql "$LOGINETL_DATABASE_URL" -c 'select ip_hash, masked_ip, count(*) from user_logins group by 1, 2 order by 3 desc limit 5'
    loginetl unmask --reason 'to try it' --ip-hash …        # one of these hashes
"""


def down():
    with state_lock():
        state, ledger = read_state()
        discard_state(ledger)
        say("stopped, all data deleted" if state else "nothing is running")


def clean():
    down()
    for folder in install.cache().iterdir():
        shutil.rmtree(folder) if folder.is_dir() else folder.unlink()


def programs():
    """The Python of LocalStack and the folder of PostgreSQL's programs, installed if need be."""
    python = install.localstack()
    return python, install.postgres(python)


# --- life of a pair of servers -------------------------------------------------------------------


@contextlib.contextmanager
def private_folder(keep=False):
    """A ledger over a new folder, discarded with all its processes and data; with `keep` only if the block fails."""
    with interrupts_deferred():
        base = tempfile.mkdtemp(prefix=PREFIX)
        guard = Guard(base)
    ledger = Ledger(base)
    done = False
    try:
        os.chmod(base, 0o711)  # the PostgreSQL user passes through
        yield ledger
        done = True
    finally:
        if keep and done:
            guard.dismiss()
        else:
            ignore_interrupts()
            ledger.discard()


def start(ledger, found, parameters, ports=(None, None)):
    """Both servers, the keys and the queue. Returns the settings as a dictionary of environment variables."""
    began = time.monotonic()
    python, postgres_bin = found
    say(f"starting PostgreSQL {install.postgres_version(postgres_bin)} and LocalStack …")
    for attempt in range(5):
        try:
            localstack = start_localstack(ledger, python, ports[1])  # boots while initdb works
            postgres = start_postgres(ledger, postgres_bin, parameters, ports[0])
            await_postgres(ledger, *postgres)
            await_localstack(ledger, *localstack)
            break
        except PortTaken as taken:
            if attempt == 4:
                raise EnvError(f"no free port found: {taken}") from taken
            ledger.stop()
            for leftover in ("postgres", "localstack"):
                shutil.rmtree(ledger.base / leftover, ignore_errors=True)
            ports = (None, None)
    link_commands(ledger, found)
    settings = settings_for(ledger, found, postgres[1], localstack[1])
    create_keys(ledger, settings)
    create_queues(settings["AWS_ENDPOINT_URL"])
    say(f"ready in {time.monotonic() - began:.1f} s: PostgreSQL on port {postgres[1]}, LocalStack on port {localstack[1]}")
    return settings


class PortTaken(Exception):
    """Somebody else took the port between the choice and the start."""


def start_postgres(ledger, programs, parameters, wanted_port):
    port, data, log = free_port(wanted_port), ledger.base / "postgres", ledger.base / "postgres.log"
    data.mkdir(mode=0o700)
    options = {"env": bare_environment(ledger), **install.as_postgres()}
    if "user" in options:
        os.chown(data, options["user"], options["group"])
    initdb = ledger.spawn(
        [programs / "initdb", "--pgdata", data, "--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-locale",
         *(["--no-sync"] if parameters.get("fsync") == "off" else [])], ledger.base / "initdb.log", **options)
    if initdb.wait() != 0:
        raise EnvError(f"initdb failed, saying\n{tail(ledger.base / 'initdb.log')}")
    flags = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": "", "max_connections": 200, **parameters}
    child = ledger.spawn([programs / "postgres", "-D", data, *(f"--{name}={value}" for name, value in flags.items())],
                         log, stop_signal=signal.SIGINT, **options)  # SIGINT: end sessions, then stop
    return child, port, data, log


def await_postgres(ledger, child, port, data, log):
    def ready():
        try:
            return (data / "postmaster.pid").read_text().splitlines()[7].strip() == "ready"
        except (OSError, IndexError):
            return False
    wait_until(ready, child, "PostgreSQL", log)


def start_localstack(ledger, python, wanted_port):
    port, root, log = free_port(wanted_port), ledger.base / "localstack", ledger.base / "localstack.log"
    (root / "usr/lib").mkdir(parents=True)
    root.chmod(0o700)
    (root / "usr/lib/localstack").symlink_to(install.localstack_libraries(python))
    environment = bare_environment(ledger)
    environment.update(
        SERVICES="sqs,kms,sts", GATEWAY_LISTEN=f"127.0.0.1:{port}", LOCALSTACK_HOST=f"127.0.0.1:{port}",
        SQS_ENDPOINT_STRATEGY="off",  # plain queue URLs: http://127.0.0.1:PORT/000000000000/NAME
        DISABLE_EVENTS="1", SKIP_SSL_CERT_DOWNLOAD="1", DNS_ADDRESS="0",
        OVERRIDE_IN_DOCKER="0", FILESYSTEM_ROOT=str(root), TMPDIR=str(root), HOME=str(root))
    # It has nothing to save, and while it starts it does not listen to SIGTERM.
    child = ledger.spawn([python, "-m", "localstack.runtime.main"], log, stop_signal=signal.SIGKILL, env=environment, cwd=root)
    return child, port, log


def await_localstack(ledger, child, port, log):
    def ready():
        try:
            return request(f"http://127.0.0.1:{port}/_localstack/health")["services"]["sqs"] in ("available", "running")
        except (OSError, ValueError):
            return False
    wait_until(ready, child, "LocalStack", log)


def wait_until(ready, child, name, log):
    deadline = time.monotonic() + START_LIMIT
    while not ready():
        if child.poll() is not None:
            if "address already in use" in log.read_text(errors="replace").lower():
                raise PortTaken(name)
            raise EnvError(f"{name} ended with status {child.returncode} while starting; its last lines:\n{tail(log)}")
        if time.monotonic() > deadline:
            raise EnvError(f"{name} does not answer after {START_LIMIT} s; its last lines:\n{tail(log)}")
        time.sleep(0.05)


def free_port(wanted=None):
    """The wanted port if nobody has it, else one below the range from which the system serves outgoing connections."""
    for port in [wanted] * bool(wanted) + random.sample(range(15000, 32000), 200):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return port
    raise EnvError("no free port on 127.0.0.1")


def bare_environment(ledger):
    """Nothing of the caller's settings changes a server."""
    return {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(ledger.base), "LC_ALL": "C.UTF-8", "TZ": "UTC"}


# --- keys and queues -----------------------------------------------------------------------------


def create_keys(ledger, settings):
    log = ledger.base / "keys.log"
    environment = {**environment_with(settings), "TMPDIR": str(ledger.base)}
    script = ledger.spawn(["bash", REPOSITORY / "keys/create-keys.sh"], log, stop_signal=signal.SIGKILL, env=environment)
    if script.wait() != 0:
        raise EnvError(f"keys/create-keys.sh failed, saying\n{tail(log)}")


def create_queues(endpoint):
    sqs(endpoint, "CreateQueue", QueueName=DEAD_LETTERS)
    redrive = {"deadLetterTargetArn": f"arn:aws:sqs:us-east-1:000000000000:{DEAD_LETTERS}", "maxReceiveCount": MAX_RECEIVES}
    sqs(endpoint, "CreateQueue", QueueName=QUEUE, Attributes={"RedrivePolicy": json.dumps(redrive)})


def sqs(endpoint, operation, **parameters):
    credential = "Credential=test/20250101/us-east-1/sqs/aws4_request"  # LocalStack reads the region, and checks nothing
    return request(endpoint, json.dumps(parameters).encode(), {
        "Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": f"AmazonSQS.{operation}",
        "Authorization": f"AWS4-HMAC-SHA256 {credential}, SignedHeaders=host, Signature=none"})


def request(url, body=None, headers=()):
    straight = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with straight.open(urllib.request.Request(url, body, dict(headers)), timeout=30) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        if body is None:
            raise
        raise EnvError(f"LocalStack refused {headers['X-Amz-Target']}: {error.read(500).decode(errors='replace')}") from error


# --- the command ---------------------------------------------------------------------------------


def execute(command, settings):
    """Runs the command in the foreground, as if there were nothing around it. Passes signals on to all of its processes."""
    child = None
    try:
        with interrupts_deferred():
            child = subprocess.Popen(command, env=environment_with(settings))
        status = child.wait()
    except OSError as error:
        say(f"error: cannot run {command[0]}: {error.strerror}")
        return 127
    except Interrupted as interrupted:
        if child:
            stop_tree(child, interrupted.signum)
        raise
    return status if status >= 0 else 128 - status


def keep_logs(ledger):
    with contextlib.suppress(OSError):
        (STATE / "logs").mkdir(parents=True, exist_ok=True)
        for log in ledger.base.glob("*.log"):
            shutil.copyfile(log, STATE / "logs" / log.name)
        say(f"the servers' logs are kept in {STATE / 'logs'}")


# --- the state of `up` ---------------------------------------------------------------------------


@contextlib.contextmanager
def state_lock():
    STATE.mkdir(parents=True, exist_ok=True)
    with open(STATE / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def read_state():
    try:
        state = json.loads((STATE / "state.json").read_text())
        if not Path(state["base"]).name.startswith(PREFIX):
            raise ValueError("not a folder of ours")
        return state, Ledger(state["base"])
    except (OSError, ValueError, KeyError):
        return None, None


def write_state(state):
    (STATE / "env.sh").write_text(shell_lines(state["settings"]))
    temporary = STATE / "state.json.new"
    temporary.write_text(json.dumps(state, indent=1) + "\n")
    temporary.rename(STATE / "state.json")


def discard_state(ledger):
    if ledger:
        ledger.discard()
    for file in ("state.json", "env.sh"):
        (STATE / file).unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())
