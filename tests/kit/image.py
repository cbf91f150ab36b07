"""The image: made twice and compared, looked into, and run by runc with the settings of docker-compose.yml, confined.

Invariant: what is run here are the files of the archive, unpacked; each count is the database's or the queue's, not what the
program says of itself.
"""

import contextlib
import gzip
import hashlib
import io
import json
import os
import re
import socket
import stat
import sys
import tarfile
import time
import urllib.parse
from pathlib import Path

import bundle
import neighbours
import tools
from kit import REPOSITORY, Failed, needs_root

import servers  # beside tests/env, which neighbours has put on the path

SAMPLE = REPOSITORY / "tests/env/sample.jsonl"
ROWS, REJECTED = 119, 1  # of the sample
TLS_REFUSED = 2  # the URL names no authority that made the certificate
EPOCH = "1700000000"
MOST_MEGABYTES = 16  # of the archive
PUBLIC_KEY = """
import boto3, ssl
key = boto3.client("kms").get_public_key(KeyId="alias/loginetl-audit")["PublicKey"]
print(ssl.DER_cert_to_PEM_cert(key).replace("CERTIFICATE", "PUBLIC KEY"), end="")
"""
# What makes a shell or a package manager, by name.
TOOLS = {"sh", "bash", "dash", "ash", "busybox", "env", "apt", "apt-get", "dpkg", "rpm", "apk", "pip", "python3", "perl", "ldconfig"}


def run(kit):
    needs_root("running the image by runc")
    if not os.environ.get("LOGINETL_TEST_PG_BIN"):
        raise Failed("no servers: `make kit` starts them, and so does `make up`, whose target/env/env.sh sets their names")
    archive, root = build(kit)
    look_into(kit, archive, root)
    refusals(kit)
    with bundle.containers(kit, unpacked(kit, archive)) as containers, Place(kit, containers) as place:
        sample(kit, place)
        stop_in_flight(kit, place)
        names(kit, place)
        postgres_over_tls(kit, place)
        aws_over_tls(kit, place)
        exit_codes(kit, place)
    tell(kit)


def tell(kit):
    kit.proved("deploy/image.py", "made twice, byte for byte the same; read by skopeo; each file looked at (no shell, no package "
               "manager, no key, no path of the build); a binary that needs another library refused by its name")
    kit.proved("deploy/image.py", "its files run by runc as 10001: read-only root, no /tmp, no capability, no_new_privileges, "
               "seccomp, 256 MiB; 119 rows + 1 quarantined with the settings of docker-compose.yml; SIGTERM with messages in "
               "flight; names by /etc/hosts and by DNS; TLS to Postgres and to AWS with a CA of one's own; exit codes 0 to 5")
    kit.proved("deploy/Dockerfile", "its last stage: the very command that fills it was run here, and wrote file for file the "
               "archive that was run by runc; user, entry point and environment are the archive's")
    kit.cannot("deploy/Dockerfile", "that the registry has the base image under this digest: it was read in public Dockerfiles")


# --- made ----------------------------------------------------------------------------------------


def build(kit):
    """The archive and the folder that deploy/image.py makes; the archive twice, under other circumstances."""
    first, second, root = kit.scratch / "first.tar", kit.scratch / "second.tar", kit.scratch / "root"
    command = [REPOSITORY / "deploy/image.py", "--binary", kit.binary]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": EPOCH}
    kit.say(kit.run(sys.executable, *command, "--out", first, env=environment).partition(": ")[2].rstrip())
    odd = {"PATH": os.environ["PATH"], "HOME": "/", "TZ": "Asia/Kathmandu", "LC_ALL": "C", "SOURCE_DATE_EPOCH": EPOCH}
    kit.run(sys.executable, *command, "--out", second, env=odd, cwd="/", umask=0o077)
    if first.read_bytes() != second.read_bytes():
        raise Failed(f"deploy/image.py makes two archives of one binary: compare {first} and {second}")
    places = {"target/release/loginetl": kit.binary, "/image": root}
    kit.run(sys.executable, *(places.get(word, word) for word in dockerfile(first)), env=environment)
    return first, root


def dockerfile(archive):
    """What deploy/Dockerfile has Python do for its last stage, which is that and the archive's configuration, nothing else."""
    text = (REPOSITORY / "deploy/Dockerfile").read_text(encoding="utf-8")
    lines = [line.split(None, 1) for line in re.sub(r"^#.*\n|\\\n", "", text, flags=re.MULTILINE).splitlines() if line]
    last = max(number for number, line in enumerate(lines) if line[0] == "FROM")
    config = blobs(archive)[0]["config"]
    wanted = [["FROM", "scratch"], ["COPY", "--from=build /image/ /"], ["ENV", config["Env"][0]], ["USER", config["User"]],
              ["ENTRYPOINT", json.dumps(config["Entrypoint"])]]
    base = dict(line[1].partition("=")[::2] for line in lines if line[0] == "ARG").get("BASE", "")
    if lines[last:] != wanted or re.search(r"^# *syntax", text, re.MULTILINE) or not re.search(r"@sha256:[0-9a-f]{64}$", base):
        raise Failed(f"deploy/Dockerfile: its last stage should be {wanted}, its base pinned, its syntax the engine's own")
    making = [line[1].rpartition("&& python3 ")[2].split() for line in lines if line[0] == "RUN" and "&& python3 " in line[1]]
    ignored = (REPOSITORY / ".dockerignore").read_text(encoding="utf-8").splitlines()
    if len(making) != 1 or f"!{making[0][0]}" not in ignored:
        raise Failed(f"deploy/Dockerfile makes its last stage by {making}, which .dockerignore keeps from the builder")
    return making[0]


def blobs(archive):
    """(the image's configuration, its only layer, unpacked) after each digest was computed again."""
    with tarfile.open(archive) as tar:
        content = {entry.name: tar.extractfile(entry).read() for entry in tar if entry.isfile()}
        order = [entry.name for entry in tar]
    for name, data in content.items():
        if name.startswith("blobs/") and name != f"blobs/sha256/{hashlib.sha256(data).hexdigest()}":
            raise Failed(f"{archive}: {name} is not what its name says")
    if order != sorted(order) or json.loads(content["oci-layout"]) != {"imageLayoutVersion": "1.0.0"}:
        raise Failed(f"{archive} is no OCI layout in order")
    read = lambda described: content[described["digest"].replace("sha256:", "blobs/sha256/")]  # noqa: E731
    manifest = json.loads(read(json.loads(content["index.json"])["manifests"][0]))
    config, layer = json.loads(read(manifest["config"])), gzip.decompress(read(manifest["layers"][0]))
    if config["rootfs"]["diff_ids"] != [f"sha256:{hashlib.sha256(layer).hexdigest()}"]:
        raise Failed(f"{archive}: the configuration names another layer than it has")
    return config, layer


def unpacked(kit, archive):
    """The files of the archive's layer in a folder, for runc."""
    folder = kit.scratch / "unpacked"
    with tarfile.open(fileobj=io.BytesIO(blobs(archive)[1])) as tar:
        tar.extractall(folder, numeric_owner=True, filter="fully_trusted")  # looked into before
    return folder


def look_into(kit, archive, root):
    """Each file of the layer: what it is, who may write it, what it holds; and that `--root` wrote the same."""
    config, layer = blobs(archive)
    asked = {"User": "10001:10001", "Entrypoint": ["/usr/local/bin/loginetl"]}
    if {key: config["config"][key] for key in asked} != asked:
        raise Failed(f"the image does not start as it should: {config['config']}")
    if archive.stat().st_size > MOST_MEGABYTES * 1e6:
        raise Failed(f"the archive has {archive.stat().st_size / 1e6:.1f} MB, and {MOST_MEGABYTES} were enough")
    with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
        entries = {entry.name: (entry, tar.extractfile(entry).read() if entry.isfile() else None) for entry in tar}
    for name, (entry, content) in entries.items():
        look_at(name, entry, content)
        same_as(root / name, entry, content)
    there = {str(path.relative_to(root)) for path in root.rglob("*")}
    if there != set(entries):
        raise Failed(f"--root and --out differ in {sorted(there ^ set(entries))}")
    if entries["etc/ssl/certs/ca-certificates.crt"][1].count(b"-----BEGIN CERTIFICATE-----") < 100:
        raise Failed("the image holds fewer than 100 root certificates")
    read_by_skopeo(kit, archive)


def look_at(name, entry, content):
    if not (entry.isfile() or entry.isdir()):
        raise Failed(f"{name} is neither a file nor a folder")
    if (entry.uid, entry.gid, entry.mtime) != (0, 0, int(EPOCH)):
        raise Failed(f"{name} belongs to {entry.uid}:{entry.gid}, or is of another time than SOURCE_DATE_EPOCH")
    if entry.mode & 0o7022:
        raise Failed(f"{name} has the mode {entry.mode:o}: others may write it, or it lends its rights")
    program = name == "usr/local/bin/loginetl" or re.match(r"lib(64)?/.*\.so\.\d+$", name)
    if entry.isfile() and entry.mode & 0o111 and not program:
        raise Failed(f"{name} can be executed, and only the program and its libraries should")
    if entry.isfile() and Path(name).name in TOOLS:
        raise Failed(f"{name}: no shell and no package manager belongs into the image")
    if content and re.search(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/=]{40}", content):
        raise Failed(f"{name} holds a private key")
    if content and str(REPOSITORY).encode() + b"/" in content:
        raise Failed(f"{name} names {REPOSITORY}, where it was built")


def same_as(path, entry, content):
    found = path.lstat()
    if (stat.S_IMODE(found.st_mode), int(found.st_mtime), path.is_dir()) != (entry.mode, entry.mtime, entry.isdir()):
        raise Failed(f"{path} has another mode, time or kind than in the archive")
    if content is not None and path.read_bytes() != content:
        raise Failed(f"{path} is another file than in the archive")


def read_by_skopeo(kit, archive):
    """A tool that others have made takes the archive: it checks each digest, and finds user and labels."""
    skopeo = tools.debian("skopeo") / "bin/skopeo"
    kit.run(skopeo, "--insecure-policy", "copy", f"oci-archive:{archive}", f"dir:{kit.scratch / 'copied'}")
    seen = json.loads(kit.run(skopeo, "inspect", f"oci-archive:{archive}"))
    version = kit.run(kit.binary, "--version").split()[1]
    if seen["Labels"].get("org.opencontainers.image.version") != version or not seen["Created"].startswith("2023-11-14T22:13:20"):
        raise Failed(f"skopeo sees another image: {seen}")


def refusals(kit):
    """What is no release binary for this machine is refused by name, and nothing is written."""
    binary = kit.binary.read_bytes()
    other = binary[:18] + b"\x08\x00" + binary[20:]  # MIPS
    cases = {
        "no ELF file": b"#!/bin/sh\n",
        "another machine": other,
        "needs libX.so.6, which the image does not hold": binary.replace(b"libm.so.6\0", b"libX.so.6\0"),
        "as loginetl does": Path("/bin/true").read_bytes(),
    }
    for words, content in cases.items():
        wrong, out = kit.scratch / "wrong", kit.scratch / "wrong.tar"
        wrong.write_bytes(content)
        wrong.chmod(0o755)
        said = kit.run(sys.executable, REPOSITORY / "deploy/image.py", "--binary", wrong, "--out", out, expect=1)
        if words not in said or out.exists():
            raise Failed(f"deploy/image.py should have refused this because of “{words}”; it said {said}")


# --- where it runs -------------------------------------------------------------------------------


class Place:
    """A database, a queue and a hosts file of this check's own, and the settings of docker-compose.yml for them."""

    def __init__(self, kit, containers):
        self.kit, self.containers = kit, containers
        self.name = f"kit_image_{os.getpid()}"
        self.endpoint = os.environ["AWS_ENDPOINT_URL"]
        self.url = urllib.parse.urlsplit(os.environ["LOGINETL_DATABASE_URL"])
        self.queue = f"{self.endpoint}/000000000000/{self.name}"
        self.hosts = kit.scratch / "hosts"
        self.hosts.write_text("127.0.0.1 localhost postgres localstack\n", encoding="utf-8")
        self.service = compose_service(kit)

    def __enter__(self):
        self.psql(f"create database {self.name}", "postgres")
        servers.sqs(self.endpoint, "CreateQueue", QueueName=self.name)
        return self

    def __exit__(self, *_):
        with contextlib.suppress(Exception):
            servers.sqs(self.endpoint, "DeleteQueue", QueueUrl=self.queue)
        self.psql(f"drop database {self.name} with (force)", "postgres")
        self.psql(f"drop role if exists {self.name}", "postgres")

    def settings(self, **others):
        """The environment of the compose file's service, with the ports, database and queue of this check."""
        settings = dict(self.service["environment"])
        port = urllib.parse.urlsplit(self.endpoint).port
        settings["LOGINETL_DATABASE_URL"] = self.database(urllib.parse.urlsplit(settings["LOGINETL_DATABASE_URL"]))
        settings["AWS_ENDPOINT_URL"] = settings["AWS_ENDPOINT_URL"].replace(":4566", f":{port}")
        settings["LOGINETL_QUEUE_URL"] = (settings["LOGINETL_QUEUE_URL"].replace(":4566", f":{port}")
                                          .replace("/login-queue", f"/{self.name}"))
        settings["RUST_LOG"] = ""
        return {**settings, **others}

    def database(self, url):
        return url._replace(netloc=url.netloc.replace(":5432", f":{self.url.port}"), path=f"/{self.name}").geturl()

    def run(self, *arguments, mounts=(), expect=0, timeout=60, env=None):
        return self.start(*arguments, mounts=mounts, env=env).wait(expect, timeout)

    def start(self, *arguments, mounts=(), env=None):
        return self.containers.start(*arguments, env=self.settings() if env is None else env,
                                     mounts=[(self.hosts, "/etc/hosts"), *mounts])

    def psql(self, command, database=None):
        url = self.url._replace(path=f"/{database or self.name}").geturl().replace("?sslmode=disable", "")
        psql = Path(os.environ["LOGINETL_TEST_PG_BIN"]) / "psql"
        return self.kit.run(psql, "-XqAt", "-v", "ON_ERROR_STOP=1", "-c", command, url).strip()

    def counts(self):
        """(rows, quarantined) in the database."""
        found = self.psql("select (select count(*) from user_logins), (select count(*) from ingest.quarantine)")
        return tuple(map(int, found.split("|")))

    def waiting(self):
        """(visible, in flight) in the queue."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = servers.sqs(self.endpoint, "GetQueueAttributes", QueueUrl=self.queue, AttributeNames=names)["Attributes"]
        return tuple(int(found[name]) for name in names)

    def sending(self, times):
        """The command and options that send the sample that often."""
        file = self.kit.scratch / f"sample-{times}.jsonl"
        file.write_text(SAMPLE.read_text(encoding="utf-8") * times, encoding="utf-8")
        return ([os.environ["LOGINETL_TEST_PYTHON"], REPOSITORY / "tests/env/send.py", file],
                {"env": {**os.environ, "LOGINETL_QUEUE_URL": self.queue}})


def compose_service(kit):
    """The service `loginetl` of docker-compose.yml, with what it inherits there."""
    program = "import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1]))['services']['loginetl']))"
    service = json.loads(kit.run(os.environ["LOGINETL_TEST_PYTHON"], "-c", program, REPOSITORY / "docker-compose.yml"))
    confined = {"read_only": True, "cap_drop": ["ALL"], "security_opt": ["no-new-privileges:true"], "stop_grace_period": "30s"}
    if {key: service.get(key) for key in confined} != confined:
        raise Failed(f"docker-compose.yml does not confine the loader as this check does: {service}")
    return service


# --- what it does there --------------------------------------------------------------------------


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
    command, options = place.sending(times)
    container = place.start("load", "--follow")
    confined(container)
    with background(command, options) as sender:
        await_that(lambda: place.counts()[0] > before[0] + 3 * ROWS, 30, "the loader loads nothing of what is sent")
        peak = container.status("VmHWM")
        container.signal("TERM")
        began = time.monotonic()
        container.wait(0, timeout=30)
        seconds = time.monotonic() - began
        stopped = place.counts()
        if sender.wait(60) != 0:
            raise Failed("the messages could not be sent")
    sent = times * (ROWS + REJECTED)
    done, waiting = sum(stopped) - sum(before), sum(place.waiting())
    kit.say(f"SIGTERM: exit 0 after {seconds:.1f} s with {done} of {sent} messages loaded and {waiting} left; peak {peak}")
    if done + waiting != sent or waiting == 0:
        raise Failed(f"{sent} messages were sent, {done} came into the database, and {waiting} are in the queue")
    place.run("load", "--drain")
    if place.counts() != (before[0] + times * ROWS, before[1] + times * REJECTED):
        raise Failed(f"after the rest was loaded, rows and quarantined are {place.counts()}, and were {before} before "
                     f"{times} samples")


def confined(container):
    """The kernel's word that the process has what it was given, and nothing else."""
    status, mounts, limit = container.confinement()
    ids = "\t".join(["10001"] * 4)
    wanted = {"Uid": ids, "Gid": ids, "NoNewPrivs": "1", "Seccomp": "2", "Groups": " ",
              **{name: "0" * 16 for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}}
    found = {name: status[name] for name in wanted}
    if {name: text.strip() for name, text in found.items()} != {name: text.strip() for name, text in wanted.items()}:
        raise Failed(f"{container} runs with {found}")
    writable = [place for _, place, kind, options, *_ in mounts
                if "rw" in options.split(",") and kind not in ("proc",) and place != "/dev"]
    if writable or limit != bundle.MEMORY:
        raise Failed(f"{container} may write to {writable}, and has {limit} bytes of memory")


@contextlib.contextmanager
def background(command, options):
    import subprocess  # the only process here that is no container and outlives its call
    sender = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, **options)
    try:
        yield sender
    finally:
        if sender.poll() is None:
            sender.kill()
            sender.wait()


def await_that(true, seconds, otherwise):
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise Failed(otherwise)
        time.sleep(0.05)


def names(kit, place):
    """Names: `postgres` and `localstack` stood in /etc/hosts so far. Now a DNS server, and a name that nobody knows."""
    with neighbours.dns({"db.kit.example": "127.0.0.1"}) as (address, asked):
        resolv = kit.scratch / "resolv.conf"
        resolv.write_text(f"nameserver {address}\noptions timeout:1 attempts:2\n", encoding="utf-8")
        mounts = [(resolv, "/etc/resolv.conf")]

        def listed_at(name, expect):
            url = place.settings()["LOGINETL_DATABASE_URL"].replace("@postgres:", f"@{name}:")
            return place.run("keys", "list", mounts=mounts, env=place.settings(LOGINETL_DATABASE_URL=url), expect=expect)

        listed_at("localhost", 0)
        if asked:
            raise Failed(f"localhost stands in /etc/hosts, and DNS was asked for {asked}")
        listed_at("db.kit.example", 0)
        listed_at("other.kit.example", 4)
        if set(asked) != {"db.kit.example", "other.kit.example"}:
            raise Failed(f"the DNS server was asked for {asked}")


def postgres_over_tls(kit, place):
    """A PostgreSQL with a certificate of a CA of one's own: trusted by sslrootcert or SSL_CERT_FILE, and not without."""
    ours, others = neighbours.Authority(kit, "postgres"), neighbours.Authority(kit, "others")
    with neighbours.tls_postgres(*ours.issue("postgres")) as port:
        def listed(expect, file=ours.certificate, parameters="", *, command=("keys", "list"), at="/tls/ca.pem", **more):
            url = f"postgres://postgres@postgres:{port}/postgres{parameters}"
            return place.run(*command, mounts=[(file, at)], expect=expect,
                             env=place.settings(LOGINETL_DATABASE_URL=url, **more))

        listed(0, parameters="?sslrootcert=/tls/ca.pem", command=("init",))
        listed(0, parameters="?sslrootcert=/tls/ca.pem")
        listed(0, SSL_CERT_FILE="/tls/ca.pem")
        listed(0, at="/etc/ssl/certs/ca-certificates.crt")  # in place of the image's own: so that is where it looks
        for refused in ({}, {"file": others.certificate, "parameters": "?sslrootcert=/tls/ca.pem"}):
            says(listed(TLS_REFUSED, **refused), "invalid peer certificate: UnknownIssuer")
    with neighbours.tls_postgres(*ours.issue("another")) as port:
        says(listed(TLS_REFUSED, parameters="?sslrootcert=/tls/ca.pem"), "invalid peer certificate")


def says(output, words):
    if words not in output[1]:
        raise Failed(f"this should have said “{words}”:\n{output[1]}")


def aws_over_tls(kit, place):
    """AWS behind a certificate of a CA of one's own: trusted by SSL_CERT_FILE, and not without."""
    ours = neighbours.Authority(kit, "aws")
    port = urllib.parse.urlsplit(place.endpoint).port
    with neighbours.tls_front(*ours.issue("localstack"), port) as front:
        settings = {name: value.replace(f"http://localstack:{port}", f"https://localstack:{front}")
                    for name, value in place.settings().items()}
        mounts = [(ours.certificate, "/tls/ca.pem")]
        bad = json.dumps({"user_id": "kit"})
        servers.sqs(place.endpoint, "SendMessage", QueueUrl=place.queue, MessageBody=bad)
        # The variable of other AWS SDKs is none of this one's.
        for refused in ({}, {"AWS_CA_BUNDLE": "/tls/ca.pem"}):
            says(place.run("load", "--drain", mounts=mounts, env={**settings, **refused}, expect=4), "cannot be reached")
        trusted = {**settings, "SSL_CERT_FILE": "/tls/ca.pem"}
        before = place.counts()
        place.run("load", "--drain", "--poison-budget", "0", mounts=mounts, env=trusted, expect=1)  # exit code 1
        if (place.counts(), place.waiting()) != ((before[0], before[1] + 1), (0, 0)):
            raise Failed(f"a message over TLS: {before} before, {place.counts()} after, {place.waiting()} in the queue")


def exit_codes(kit, place):
    """Each exit code, provoked once in the image; 0 and 1 were before."""
    says(place.run("load", "--no-such-flag", expect=2), "--no-such-flag")

    place.psql(f"create role {place.name} login in role loginetl_analyst")
    url = place.settings()["LOGINETL_DATABASE_URL"].replace("//postgres:postgres@", f"//{place.name}@")
    value = place.psql("select ip_hash from user_logins limit 1")
    says(place.run("unmask", "--ip-hash", value, "--reason", "kit", env=place.settings(LOGINETL_DATABASE_URL=url), expect=3),
         "may not recover values")

    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    url = re.sub(r"@postgres:\d+", f"@postgres:{port}", place.settings()["LOGINETL_DATABASE_URL"])
    says(place.run("load", "--drain", env=place.settings(LOGINETL_DATABASE_URL=url), expect=4), "database")

    place.run("audit", "verify")
    head = place.psql("select (seq + 1) || ':' || encode(hash, 'hex') from audit.head")
    place.run("audit", "verify", "--expect-head", head, expect=5)
    export, public_key = kit.scratch / "audit.jsonl", kit.scratch / "audit.pem"
    export.write_text(place.run("audit", "export", "--out", "-")[0], encoding="utf-8")
    public_key.write_text(kit.run(os.environ["LOGINETL_TEST_PYTHON"], "-c", PUBLIC_KEY), encoding="utf-8")
    mounts = [(export, "/audit.jsonl"), (public_key, "/audit.pem")]
    verify = ("audit", "verify", "--file", "/audit.jsonl", "--public-key", "/audit.pem")
    place.run(*verify, mounts=mounts)
    whole = export.read_text(encoding="utf-8")
    export.write_text(whole.replace("ingest", "Ingest", 1), encoding="utf-8")
    place.run(*verify, mounts=mounts, expect=5)
    if export.read_text(encoding="utf-8") == whole:
        raise Failed("the export holds nothing of what this check changes in it")


if __name__ == "__main__":
    sys.exit(__doc__)
