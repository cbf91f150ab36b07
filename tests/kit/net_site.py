"""Where the pods of the check `network` work: a world with the servers of production, real ones behind them.

Invariant: database, queue, namespaces, relays and the stand-in for EKS' agent are the check's own, and gone
with the block.
"""

import contextlib
import http.server
import json
import os
import socket
import threading
import urllib.parse

import neighbours
import net_policy
import net_relay
from image import PUBLIC_KEY
from net_space import ADDRESSES, World
from scale_fleet import Fleet

REGION = "us-east-1"
AWS = {name: f"{name}.{REGION}.amazonaws.com" for name in ("sqs", "kms", "sts")}
DATABASE = "db.kit.example"
AGENT = f"http://{ADDRESSES['agent']}/v1/credentials"
TOKEN = "e30.e30.kit"
ROLES = ("loader", "rotator", "auditor")
# As kubelet writes it: names with fewer than five dots are looked for in the cluster first.
RESOLV = "search kit.svc.cluster.local svc.cluster.local cluster.local\nnameserver {}\noptions ndots:5{}\n"
# What selectors may find: (labels of the namespace, labels of the pod, its address).
OTHERS = {"dns": ({"kubernetes.io/metadata.name": "kube-system"}, {"k8s-app": "kube-dns"}, ADDRESSES["dns"]),
          "monitoring": ({"kubernetes.io/metadata.name": "monitoring"}, {"app.kubernetes.io/name": "prometheus"},
                         ADDRESSES["monitoring"])}


class Site:
    def __init__(self, kit):
        self.kit, self.agents_asked = kit, 0

    def __enter__(self):
        kit, self.block = self.kit, contextlib.ExitStack()
        kit.scratch.chmod(0o711)  # the pods run as another user
        with self.block:
            self.world = self.block.enter_context(World(kit))
            self.fleet = self.block.enter_context(Fleet(kit, "network", 0))
            for role in ROLES:
                self.fleet.psql(f"create role {self.login(role)} login in role loginetl_{role}")
                self.block.callback(self.drop, role)
            self.serve(self.block.enter_context(net_relay.Relays()))
            self.block = self.block.pop_all()
        return self

    def __exit__(self, *_):
        self.block.close()

    def login(self, role):
        return f"{self.fleet.name}_{role}"

    def drop(self, role):
        self.fleet.psql(f"drop role {self.login(role)}", "postgres")

    def serve(self, relays):
        """The servers of the world, and what the pods read."""
        enter, open_at = self.block.enter_context, self.world.socket
        authority = neighbours.Authority(self.kit, "aws")
        front = enter(neighbours.tls_front(*authority.issue(*AWS.values()), port_of(os.environ["AWS_ENDPOINT_URL"])))
        for name in (*AWS, "stranger"):
            relays.tcp(open_at(name, 443), front)
        relays.tcp(open_at("stranger", 6379), front)
        relays.tcp(open_at("postgres", 5432), port_of(os.environ["LOGINETL_DATABASE_URL"]))
        relays.tcp(open_at("agent", 80), enter(self.agent()))
        known = {**{host: ADDRESSES[name] for name, host in AWS.items()}, DATABASE: ADDRESSES["postgres"]}
        server, _ = enter(neighbours.dns(known))
        relays.dns(open_at("dns", 53, socket.SOCK_DGRAM), open_at("dns", 53), (server, 53))
        self.settings = self.files(authority)

    @contextlib.contextmanager
    def agent(self):
        """A stand-in for EKS' agent, which gives credentials to whoever shows the token of its pod; its port."""
        site = self

        class Answer(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                knows = self.headers.get("Authorization") == TOKEN
                site.agents_asked += knows
                body = json.dumps({"AccessKeyId": "test", "SecretAccessKey": "test", "Token": "kit",
                                   "Expiration": "2100-01-01T00:00:00Z"}).encode()
                self.send_response(200 if knows else 403)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            yield server.server_port
            server.shutdown()

    def files(self, authority):
        """What pods read; the settings that name it."""
        key = self.kit.run(os.environ["LOGINETL_TEST_PYTHON"], "-c", PUBLIC_KEY)
        texts = {"hosts": "127.0.0.1 localhost\n", "resolv": RESOLV.format(ADDRESSES["dns"], ""), "token": TOKEN,
                 "resolv-tcp": RESOLV.format(ADDRESSES["dns"], " use-vc"), "audit.pem": key,
                 **{f"url-{role}": f"postgres://{self.login(role)}@{DATABASE}:5432/{self.fleet.name}?sslmode=disable"
                    for role in ROLES}}
        for name, text in texts.items():
            (self.kit.scratch / name).write_text(text, encoding="utf-8")
        return {"LOGINETL_QUEUE_URL": f"https://{AWS['sqs']}/000000000000/{self.fleet.name}", "AWS_REGION": REGION,
                "AWS_ROLE_ARN": "arn:aws:iam::000000000000:role/kit", "SSL_CERT_FILE": str(authority.certificate),
                "AWS_WEB_IDENTITY_TOKEN_FILE": str(self.kit.scratch / "token")}

    def pod(self, pods, role, policies=None, without=()):
        """A pod of this role behind its policies, or others, and without some addresses."""
        policies = pods.policies if policies is None else policies
        ways = [net_policy.passes(way, policies, pods.labels(role), pods.ports(role), OTHERS)
                for way in ("Egress", "Ingress")]
        return self.world.pod(*ways, without)

    def start(self, pod, role, *arguments, resolv="resolv", **settings):
        """Starts loginetl in a pod, with the login of this role; an empty setting is left out."""
        scratch = self.kit.scratch
        found = {**self.settings, "LOGINETL_DATABASE_URL_FILE": str(scratch / f"url-{role}"), **settings}
        return pod.start(self.kit.binary, *arguments, env={name: text for name, text in found.items() if text},
                         resolv=scratch / resolv, hosts=scratch / "hosts")

    def counts(self):
        """(rows, quarantined) in the database."""
        found = self.fleet.psql("select (select count(*) from user_logins), (select count(*) from ingest.quarantine)")
        return tuple(map(int, found.split("|")))


def port_of(url):
    return urllib.parse.urlsplit(url).port
