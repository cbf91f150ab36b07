"""Where the image runs: a database, a queue and a hosts file of the check's own, under docker-compose.yml's settings.

Invariant: nothing of it is left when the block ends, and all that the containers reach of the servers is its own.
"""

import contextlib
import json
import os
import sys
import urllib.parse
from pathlib import Path

from kit import REPOSITORY, Failed

sys.path.insert(1, str(REPOSITORY / "tests/env"))

import servers  # noqa: E402

SAMPLE = REPOSITORY / "tests/env/sample.jsonl"
# What a service that is confined as bundle.py confines it says in docker-compose.yml.
CONFINED = {"read_only": True, "cap_drop": ["ALL"], "security_opt": ["no-new-privileges:true"],
            "stop_grace_period": "30s"}


class Place:
    def __init__(self, kit, containers):
        if not os.environ.get("LOGINETL_TEST_PG_BIN"):
            raise Failed("there are no servers: `make kit` starts some; or `make up`, and source target/env/env.sh")
        self.kit, self.containers = kit, containers
        self.name = f"kit_image_{os.getpid()}"
        self.endpoint = os.environ["AWS_ENDPOINT_URL"]
        self.port = urllib.parse.urlsplit(self.endpoint).port
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
        with contextlib.suppress(Exception):  # the database goes all the same
            servers.sqs(self.endpoint, "DeleteQueue", QueueUrl=self.queue)
        self.psql(f"drop database {self.name} with (force)", "postgres")
        self.psql(f"drop role if exists {self.name}", "postgres")

    def settings(self, **others):
        """The environment of the compose file's service, with the ports, database and queue of this check."""
        settings = {**self.service["environment"], "RUST_LOG": ""}
        for name in ("AWS_ENDPOINT_URL", "LOGINETL_QUEUE_URL"):
            settings[name] = settings[name].replace(":4566", f":{self.port}").replace("/login-queue", f"/{self.name}")
        url = urllib.parse.urlsplit(settings["LOGINETL_DATABASE_URL"])
        server = url.netloc.replace(":5432", f":{self.url.port}")
        settings["LOGINETL_DATABASE_URL"] = url._replace(netloc=server, path=f"/{self.name}").geturl()
        return {**settings, **others}

    def run(self, *arguments, mounts=(), expect=0, timeout=60, env=None):
        """Runs a command of the image to its end: (stdout, stderr)."""
        return self.start(*arguments, mounts=mounts, env=env).wait(expect, timeout)

    def start(self, *arguments, mounts=(), env=None):
        mounts = [(self.hosts, "/etc/hosts"), *mounts]
        return self.containers.start(*arguments, env=self.settings() if env is None else env, mounts=mounts)

    def psql(self, command, database=None):
        url = self.url._replace(path=f"/{database or self.name}").geturl()
        psql = Path(os.environ["LOGINETL_TEST_PG_BIN"]) / "psql"
        return self.kit.run(psql, "-XqAt", "-v", "ON_ERROR_STOP=1", "-c", command, url).strip()

    def counts(self):
        """(rows, quarantined) in the database."""
        found = self.psql("select (select count(*) from user_logins), (select count(*) from ingest.quarantine)")
        return tuple(map(int, found.split("|")))

    def waiting(self):
        """(visible, in flight) in the queue."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        asked = {"QueueUrl": self.queue, "AttributeNames": names}
        found = servers.sqs(self.endpoint, "GetQueueAttributes", **asked)["Attributes"]
        return tuple(int(found[name]) for name in names)

    def send(self, body):
        servers.sqs(self.endpoint, "SendMessage", QueueUrl=self.queue, MessageBody=body)

    def sending(self, times):
        """The command that sends the sample that often, and the options that it runs with."""
        file = self.kit.scratch / f"sample-{times}.jsonl"
        file.write_text(SAMPLE.read_text(encoding="utf-8") * times, encoding="utf-8")
        command = [os.environ["LOGINETL_TEST_PYTHON"], str(REPOSITORY / "tests/env/send.py"), str(file)]
        return command, {"env": {**os.environ, "LOGINETL_QUEUE_URL": self.queue}}


def compose_service(kit):
    """The service `loginetl` of docker-compose.yml, with what it inherits there."""
    program = "import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1]))['services']['loginetl']))"
    python = os.environ["LOGINETL_TEST_PYTHON"]
    service = json.loads(kit.run(python, "-c", program, REPOSITORY / "docker-compose.yml"))
    if {key: service.get(key) for key in CONFINED} != CONFINED:
        raise Failed(f"docker-compose.yml does not confine the loader as this check does: {service}")
    return service
