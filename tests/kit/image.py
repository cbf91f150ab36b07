"""The image: what deploy/image.py makes is run by runc, confined, with the settings of docker-compose.yml.

Invariant: what runs here are the files of the archive, unpacked; each count is the database's or the queue's, not what
the program says of itself.
"""

import contextlib
import json
import os
import re
import socket
import subprocess
import time

import archive
import bundle
import neighbours
import servers
from kit import Failed, needs_root
from place import Place

ROWS, REJECTED = 119, 1  # of the sample
GRACE = 30  # seconds, as docker-compose.yml has it
UNTRUSTED = 2  # the database URL names no authority that has made the server's certificate
PUBLIC_KEY = """
import boto3, ssl
key = boto3.client("kms").get_public_key(KeyId="alias/loginetl-audit")["PublicKey"]
print(ssl.DER_cert_to_PEM_cert(key).replace("CERTIFICATE", "PUBLIC KEY"), end="")
"""


def run(kit):
    made = archive.made(kit)
    kit.proved("deploy/image.py", "made twice, byte for byte the same; read by skopeo; each file looked at (no shell, "
               "no package manager, no key, no path of the build); a binary that needs another library refused by name")
    kit.proved("deploy/Dockerfile", "its last stage: the very command that fills it was run, and wrote the files of the "
               "archive that `deploy/image.py` makes; user, entry point and environment are the archive's")
    kit.cannot("deploy/Dockerfile", "that the registry has the base image under this digest: it was read in public "
               "Dockerfiles")
    kit.cannot("deploy/image.py", "the other of amd64 and arm64 than this machine is: each is made and run on its own")
    needs_root("running the image by runc")
    with bundle.containers(kit, archive.unpacked(kit, made)) as containers, Place(kit, containers) as place:
        sample(kit, place)
        stop_in_flight(kit, place)
        names(kit, place)
        postgres_over_tls(kit, place)
        aws_over_tls(kit, place)
        exit_codes(kit, place)
    kit.proved("deploy/image.py", "its files run by runc as 10001 with a read-only root, no /tmp, no capability, "
               "no_new_privileges, seccomp and 256 MiB: 119 rows + 1 quarantined with the settings of "
               "docker-compose.yml; `health --ready` asked of it; SIGTERM with messages in flight; names by /etc/hosts "
               "and DNS; TLS to Postgres and to AWS with a CA of one's own; exit codes 0 to 5")


def sample(kit, place):
    """The sample, as the compose file loads it."""
    place.run("init")
    command, options = place.sending(1)
    kit.run(*command, **options)
    said = json.loads(place.run("load", "--drain", "--format", "json")[0].splitlines()[-1])
    found = (place.counts(), place.waiting(), said["loaded"], said["quarantined"])
    if found != ((ROWS, REJECTED), (0, 0), ROWS, REJECTED):
        raise Failed(f"rows and quarantined, messages left, and what the program says: {found}")


def stop_in_flight(kit, place):
    """SIGTERM while messages flow: exit 0 within the grace period, and no message lost or counted twice."""
    times, before = 20, place.counts()
    sent = times * (ROWS + REJECTED)
    address = f"127.0.0.1:{servers.free_port()}"
    container = place.start("load", "--follow", "--listen", address)
    confined(container)
    healthy(place, address)
    with background(*place.sending(times)) as sender:
        await_that(lambda: place.counts()[0] > before[0] + 3 * ROWS, 30, "the loader loads nothing of what is sent")
        peak = container.confinement()[0]["VmHWM"].strip()
        began = time.monotonic()
        container.signal("TERM")
        container.wait(0, timeout=GRACE)
        seconds, stopped = time.monotonic() - began, place.counts()
        place.run("health", address, expect=4)  # nobody is there any more
        if sender.wait(60) != 0:
            raise Failed("the messages could not be sent")
    done, waiting = sum(stopped) - sum(before), sum(place.waiting())
    kit.say(f"SIGTERM: exit 0 after {seconds:.1f} s with {done} of {sent} messages loaded, {waiting} left; peak {peak}")
    if done + waiting != sent or waiting == 0:
        raise Failed(f"{sent} messages were sent, {done} came into the database, and {waiting} are in the queue")
    place.run("load", "--drain")
    if place.counts() != (before[0] + times * ROWS, before[1] + times * REJECTED):
        raise Failed(f"rows and quarantined were {before}, and are {place.counts()} after {times} samples more")


def healthy(place, address):
    """The image asks its own loader, as a probe does where there is no shell."""
    def ready():
        question = place.start("health", "--ready", address)
        question.wait(expect=None)
        return question.process.returncode == 0
    await_that(ready, 15, f"`loginetl health --ready {address}` in the image does not end with 0")
    place.run("health", address)


def confined(container):
    """The kernel's word that the process has what it was given, and nothing else."""
    status, mounts, limit = container.confinement()
    ids = "\t".join(["10001"] * 4)
    none = dict.fromkeys(("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"), "0" * 16)
    wanted = {"Uid": ids, "Gid": ids, "Groups": "", "NoNewPrivs": "1", "Seccomp": "2", **none}
    found = {name: status[name].strip() for name in wanted}
    if found != wanted:
        raise Failed(f"{container} runs with {found}")
    writable = [place for _, place, kind, options, *_ in mounts
                if "rw" in options.split(",") and kind != "proc" and place != "/dev"]  # /dev is root's
    if writable or limit != str(bundle.MEMORY):
        raise Failed(f"{container} may write to {writable}, and its memory limit is {limit}")


@contextlib.contextmanager
def background(command, options):
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, **options)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def await_that(true, seconds, otherwise):
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise Failed(otherwise)
        time.sleep(0.05)


def names(kit, place):
    """`postgres` and `localstack` stood in /etc/hosts so far. Now a DNS server, and a name that nobody knows."""
    with neighbours.dns({"db.kit.example": "127.0.0.1"}) as (address, asked):
        resolv = kit.scratch / "resolv.conf"
        resolv.write_text(f"nameserver {address}\noptions timeout:1 attempts:2\n", encoding="utf-8")

        def listed_at(name, expect):
            url = place.settings()["LOGINETL_DATABASE_URL"].replace("@postgres:", f"@{name}:")
            place.run("keys", "list", mounts=[(resolv, "/etc/resolv.conf")], expect=expect,
                      env=place.settings(LOGINETL_DATABASE_URL=url))

        listed_at("localhost", 0)
        if asked:
            raise Failed(f"localhost stands in /etc/hosts, and DNS was asked for {asked}")
        listed_at("db.kit.example", 0)
        listed_at("other.kit.example", 4)
        if set(asked) != {"db.kit.example", "other.kit.example"}:
            raise Failed(f"the DNS server was asked for {asked}")


def postgres_over_tls(kit, place):
    """A PostgreSQL with a certificate of an authority of one's own, told to the program in three ways, and not told."""
    ours, others = neighbours.Authority(kit, "postgres"), neighbours.Authority(kit, "others")
    by_url = {"parameters": "?sslrootcert=/tls/ca.pem"}

    def run_there(port, *command, expect=0, file=ours.certificate, at="/tls/ca.pem", parameters="", **more):
        url = f"postgres://postgres@postgres:{port}/postgres{parameters}"
        settings = place.settings(LOGINETL_DATABASE_URL=url, **more)
        return place.run(*command, mounts=[(file, at)], expect=expect, env=settings)

    with neighbours.tls_postgres(*ours.issue("postgres")) as port:
        run_there(port, "init", **by_url)
        run_there(port, "keys", "list", SSL_CERT_FILE="/tls/ca.pem")
        # Over the roots of the image: it is there that it looks for them.
        run_there(port, "keys", "list", at=f"/{archive.CERTIFICATES}")
        for refused in ({}, {"file": others.certificate, **by_url}):
            says(run_there(port, "keys", "list", expect=UNTRUSTED, **refused), "certificate: UnknownIssuer")
    with neighbours.tls_postgres(*ours.issue("another")) as port:
        says(run_there(port, "keys", "list", expect=UNTRUSTED, **by_url), "certificate not valid for name")


def aws_over_tls(kit, place):
    """AWS behind a certificate of an authority of one's own: trusted by SSL_CERT_FILE, and not without. Exit code 1."""
    ours = neighbours.Authority(kit, "aws")
    with neighbours.tls_front(*ours.issue("localstack"), place.port) as front:
        settings = {name: value.replace(f"http://localstack:{place.port}", f"https://localstack:{front}")
                    for name, value in place.settings().items()}
        place.send(json.dumps({"user_id": "kit"}))  # no login event: one more than the budget allows
        command, mounts = ("load", "--drain", "--poison-budget", "0"), [(ours.certificate, "/tls/ca.pem")]
        # The variable of other AWS SDKs is none of this one's.
        for untrusted in ({}, {"AWS_CA_BUNDLE": "/tls/ca.pem"}):
            says(place.run(*command, mounts=mounts, env={**settings, **untrusted}, expect=4), "cannot be reached")
        before = place.counts()
        place.run(*command, mounts=mounts, env={**settings, "SSL_CERT_FILE": "/tls/ca.pem"}, expect=1)
        if (place.counts(), place.waiting()) != ((before[0], before[1] + 1), (0, 0)):
            raise Failed(f"a message over TLS: {before} before, {place.counts()} after, {place.waiting()} in the queue")


def exit_codes(kit, place):
    """Those that were not provoked so far: 2 to 5."""
    says(place.run("load", "--no-such-flag", expect=2), "--no-such-flag")

    url = place.settings()["LOGINETL_DATABASE_URL"]
    place.psql(f"create role {place.name} login in role loginetl_analyst")
    analyst = place.settings(LOGINETL_DATABASE_URL=url.replace("//postgres:postgres@", f"//{place.name}@"))
    value = place.psql("select ip_hash from user_logins limit 1")
    refused = place.run("unmask", "--ip-hash", value, "--reason", "a check of the image", env=analyst, expect=3)
    says(refused, "may not recover values")

    with socket.create_server(("127.0.0.1", 0)) as nobody:
        closed = nobody.getsockname()[1]
    down = place.settings(LOGINETL_DATABASE_URL=re.sub(r"@postgres:\d+", f"@postgres:{closed}", url))
    says(place.run("load", "--drain", env=down, expect=4), "database")

    place.run("audit", "verify")
    newer = place.psql("select (seq + 1) || ':' || encode(hash, 'hex') from audit.head")
    place.run("audit", "verify", "--expect-head", newer, expect=5)
    changed_export(kit, place)


def changed_export(kit, place):
    """An export of the log verifies without AWS and database; changed in one letter, exit code 5."""
    export, public_key = kit.scratch / "audit.jsonl", kit.scratch / "audit.pem"
    export.write_text(place.run("audit", "export", "--out", "-")[0], encoding="utf-8")
    public_key.write_text(kit.run(os.environ["LOGINETL_TEST_PYTHON"], "-c", PUBLIC_KEY), encoding="utf-8")
    mounts = [(export, "/audit.jsonl"), (public_key, "/audit.pem")]
    command = ("audit", "verify", "--file", "/audit.jsonl", "--public-key", "/audit.pem")
    place.run(*command, mounts=mounts, env={})
    whole = export.read_text(encoding="utf-8")
    if "ingest" not in whole:
        raise Failed(f"the export does not hold the word that this check changes:\n{whole[:500]}")
    export.write_text(whole.replace("ingest", "Ingest", 1), encoding="utf-8")
    place.run(*command, mounts=mounts, env={}, expect=5)


def says(output, words):
    if words not in output[1]:
        raise Failed(f"this should have said “{words}”:\n{output[1]}")
