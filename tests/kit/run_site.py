"""Where the chart is installed: a PostgreSQL that speaks TLS, LocalStack behind TLS, a queue, logins, and the objects
that whoever installs makes by hand (Secrets, the ConfigMap of an authority).

Invariant: the database server, the queue and the names are the check's own, and gone when the block ends.
"""

import contextlib
import json
import os
import urllib.parse
from pathlib import Path

import neighbours
import run_identity
import units
from kit import REPOSITORY, Failed
from run_cluster import NAMESPACE, config_map, secret
from run_network import AGENT, SERVICES, Network

import servers

ROLES = ("loader", "rotator", "auditor")
POSTGRES, AWS = SERVICES
IMAGE = {"repository": "registry.example/loginetl", "digest": "sha256:" + "1" * 64}
CA = "/etc/loginetl/ca/ca.pem"
DATABASE = "logins"
TESTS = REPOSITORY / "tests/env"


class Site:
    def __init__(self, kit):
        if not os.environ.get("LOGINETL_TEST_PG_BIN"):
            raise Failed("there are no servers: `make kit` starts some; or `make up`, and source target/env/env.sh")
        self.kit, self.name = kit, f"kit_chart_{os.getpid()}"
        self.endpoint = os.environ["AWS_ENDPOINT_URL"]
        self.queue_here = f"{self.endpoint}/000000000000/{self.name}"
        self.public_key = None  # of the audit key, once somebody has fetched it
        self.closing = contextlib.ExitStack()

    def __enter__(self):
        try:
            self._begin()
        except BaseException:
            self.closing.close()
            raise
        return self

    def __exit__(self, *_):
        self.closing.close()

    def _begin(self):
        enter, authority = self.closing.enter_context, neighbours.Authority(self.kit, "cluster")
        self.port = enter(neighbours.tls_postgres(*authority.issue(POSTGRES)))
        front = enter(neighbours.tls_front(*authority.issue(AWS), urllib.parse.urlsplit(self.endpoint).port))
        self.network = enter(Network())
        self.postgres = self.network.service(SERVICES[POSTGRES], 5432, self.port)
        self.aws = self.network.service(SERVICES[AWS], 443, front)
        port, self.asked = enter(run_identity.agent())
        self.network.service(AGENT, 80, port)
        self.authority = authority.certificate.read_text(encoding="utf-8")
        self.psql(f"create database {DATABASE}", "postgres")
        self._queues()
        self.resolver = self._resolver()

    def _queues(self):
        dead = f"{self.name}_dead"
        servers.sqs(self.endpoint, "CreateQueue", QueueName=dead)
        redrive = {"deadLetterTargetArn": f"arn:aws:sqs:us-east-1:000000000000:{dead}", "maxReceiveCount": 5}
        servers.sqs(self.endpoint, "CreateQueue", QueueName=self.name,
                    Attributes={"RedrivePolicy": json.dumps(redrive)})
        for name in (self.name, dead):
            self.closing.callback(self.delete_queue, name)

    def delete_queue(self, name=None):
        with contextlib.suppress(Exception):  # gone already; and else it is in nobody's way
            url = f"{self.endpoint}/000000000000/{name or self.name}"
            servers.sqs(self.endpoint, "DeleteQueue", QueueUrl=url)

    def _resolver(self):
        """The files by which a kubelet tells a container whom to ask for names."""
        address = self.network.dns(SERVICES)
        resolv, hosts = self.kit.scratch / "resolv.conf", self.kit.scratch / "pod-hosts"
        resolv.write_text(f"search {NAMESPACE}.svc.cluster.local svc.cluster.local cluster.local\n"
                          f"nameserver {address}\noptions ndots:5\n", encoding="utf-8")
        hosts.write_text("127.0.0.1 localhost\n", encoding="utf-8")
        return [(str(resolv), "/etc/resolv.conf", "ro"), (str(hosts), "/etc/hosts", "ro")]

    def url(self, login, database=DATABASE):
        """The database URL of a login, as it stands in a Secret."""
        return f"postgres://{login}@{POSTGRES}:5432/{database}?sslmode=verify-full&sslrootcert={CA}"

    def of(self, login, database=None):
        """The database URL for psql out here."""
        return f"postgres://{login}@127.0.0.1:{self.port}/{database or DATABASE}"

    def psql(self, command, database=None):
        program = Path(os.environ["LOGINETL_TEST_PG_BIN"]) / "psql"
        return self.kit.run(program, "-XqAt", "-v", "ON_ERROR_STOP=1", "-c", command,
                            self.of("postgres", database)).strip()

    row_held = units.Installation.row_held  # it needs `of` and `psql` alone

    def logins(self):
        for role in ROLES:
            self.psql(f"create role app_{role} login in role loginetl_{role}")

    def made(self, **urls):
        """What somebody made before: Secrets with the URL of each role's login and with keys of AWS, the authority.
        `urls` are others than the right ones."""
        named = {**{role: self.url(f"app_{role}") for role in ROLES}, "init": self.url("postgres"), **urls}
        keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
        keys_there = [config_map("audit-key", {"audit.pem": self.public_key})] if self.public_key else []
        return [*keys_there, *(secret(f"loginetl-{role}-database", {"url": f"{url}\n"}) for role, url in named.items()),
                *(secret(f"aws-{role}", keys) for role in named), config_map("authority", {"ca.pem": self.authority})]

    def values(self, identity="irsa", **more):
        """Values of an installation on this site; `more` are merged into them."""
        arn = "arn:aws:iam::000000000000:role/loginetl-{}"
        found = {
            "image": IMAGE,
            "aws": {"region": "us-east-1", "endpointUrl": f"https://{AWS}"},
            "identity": {"kind": identity},
            "queue": {"url": f"https://{AWS}/000000000000/{self.name}"},
            "database": {"ca": {"configMap": "authority"}},
            "pod": {"env": [{"name": "SSL_CERT_FILE", "value": CA}]},
            "init": {"enabled": True},
        }
        for section, role in (("loader", "loader"), ("rotator", "rotator"), ("verifier", "auditor"), ("init", "init")):
            own = {"irsa": {"roleArn": arn.format(role)}, "secret": {"awsSecret": f"aws-{role}"}}.get(identity, {})
            found[section] = {**found.get(section, {}), **own}
        return merged(found, more)

    def counts(self):
        """(rows, quarantined) in the database."""
        return tuple(map(int, self.psql(units.COUNTS).split("|")))

    def waiting(self):
        """Messages in the queue: (visible, in flight)."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = servers.sqs(self.endpoint, "GetQueueAttributes", QueueUrl=self.queue_here, AttributeNames=names)
        return tuple(int(found["Attributes"][name]) for name in names)

    def send(self, body):
        servers.sqs(self.endpoint, "SendMessage", QueueUrl=self.queue_here, MessageBody=body)

    def send_sample(self):
        self.kit.run(os.environ["LOGINETL_TEST_PYTHON"], TESTS / "send.py", TESTS / "sample.jsonl",
                     env={**os.environ, "LOGINETL_QUEUE_URL": self.queue_here})


def merged(values, more):
    """`values` with `more` in it, as helm merges: objects by their fields, everything else replaced."""
    both = dict(values)
    for name, one in more.items():
        old = both.get(name)
        both[name] = merged(old, one) if isinstance(one, dict) and isinstance(old, dict) else one
    return both
