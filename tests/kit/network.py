"""The NetworkPolicies of the chart: in network namespaces with exactly their ports each role does its work; with
one of them closed it fails with the documented words.

Names, ports and TLS are those of production: sqs, kms and sts of a region at amazonaws.com on 443, Postgres on
5432, a role taken by a web identity token or from EKS' agent. Behind these stand LocalStack, with certificates
of an authority of the check's own in SSL_CERT_FILE, the PostgreSQL of the tests, which speaks no TLS, and a DNS
server: see net_site.

Invariant: ports and peers are read from the rendered policies; what they do not name is dropped without an
answer, as the network plugins of clusters do.
"""

import time

import net_policy
from kit import REPOSITORY, Failed
from net_site import AGENT, AWS, OTHERS, Site
from net_space import ADDRESSES
from scale_chart import CHART, Pods

EGRESS = {("UDP", 53), ("TCP", 53), ("TCP", 5432), ("TCP", 443)}
LATEST = 20  # seconds in which a start without one of its servers has ended
# A call to AWS that is dropped takes 5 s, or 10 s where credentials are fetched first; the SDK tries three times.
ONCE = {"AWS_MAX_ATTEMPTS": "1"}
NO_AWS = ("the endpoint cannot be reached", "see that AWS_ENDPOINT_URL, the network and the proxy are right, then run "
          "it again")
NO_DATABASE = ("cannot connect to the database", "see that the server runs and can be reached, then run it again")
# Peers that a careful user sets: see networkPolicy of values.yaml.
NARROW = {
    "dns": [{"namespaceSelector": {"matchLabels": OTHERS["dns"][0]}, "podSelector": {"matchLabels": OTHERS["dns"][1]}}],
    "database": [{"ipBlock": {"cidr": f"{ADDRESSES['postgres']}/32"}}],
    "aws": [{"ipBlock": {"cidr": "198.51.100.8/29", "except": ["198.51.100.8/32"]}}],
    "metricsFrom": [{"namespaceSelector": {"matchLabels": OTHERS["monitoring"][0]}}]}
SENT = 40


def run(kit):
    documented(f"`{NO_AWS[0]}`", f"| `{NO_DATABASE[0]}: …`")
    wide, narrow = Pods(kit), Pods(kit, networkPolicy=NARROW)
    no_arn = {section: {"roleArn": ""} for section in ("loader", "rotator", "verifier")}
    by_agent = Pods(kit, identity={"kind": "podIdentity"}, **no_arn)
    alone = Pods(kit, verifier={"publicKey": {"configMap": "audit-key"}, "roleArn": ""})
    with Site(kit) as site:
        site.fleet.send(SENT)
        finishing = [*closed(kit, site, wide), *identity(site, wide, by_agent), *roles(site, wide, alone)]
        loader(site, narrow)
        names_by_tcp(site, wide)
        for finish in finishing:
            finish()
    tell(kit)


def tell(kit):
    path = f"{CHART}/templates/networkpolicies.yaml"
    kit.proved(path, "in a network namespace with exactly its ports, AWS' own names and TLS on 443: the loader by IRSA "
               "and by Pod Identity, a rotation, a verification with AWS and with the public key alone; names by UDP "
               "and TCP; peers by blocks and selectors; the metrics reach Prometheus and nobody else")
    kit.proved(path, "with any one closed (names, Postgres, 443; of that sqs, kms or sts alone) the loader ends with 4 "
               "and the words of docs/errors.md")
    kit.cannot(path, "how the network plugin of a cluster keeps it, and which pods a selector finds there")


def documented(*messages):
    text = (REPOSITORY / "docs/errors.md").read_text(encoding="utf-8")
    if missing := [message for message in messages if message not in text]:
        raise Failed(f"docs/errors.md does not have {missing}")


# --- closed --------------------------------------------------------------------------------------


def closed(kit, site, pods):
    """Starts a loader in pods that lack one thing each; functions that wait for what they say."""
    found = net_policy.opened(pods.policies, pods.labels("loader"), pods.ports("loader"))
    if found != EGRESS:
        raise Failed(f"a loader may speak to {sorted(found)}, not {sorted(EGRESS)}")
    cases = {f"port {port}": (net_policy.closed(pods.policies, port), ()) for _, port in sorted(EGRESS)}
    cases |= {name: (pods.policies, [ADDRESSES[name]]) for name in AWS}
    for name, (policies, without) in cases.items():
        words = NO_DATABASE if name == "port 5432" else NO_AWS
        pod = site.pod(pods, "loader", policies, without)
        yield expected(kit, site.start(pod, "loader", *pods.args("loader"), **ONCE), name, words)
        if name in ("port 53", "port 5432"):  # `check` asks the database first
            yield expected(kit, site.start(pod, "loader", "check", **ONCE), name, NO_DATABASE)


def expected(kit, started, name, words):
    def finish():
        out, err, seconds = started.wait(expect=4, timeout=LATEST + 5)
        if not all(word in out + err for word in words) or seconds > LATEST:
            raise Failed(f"without {name} {started} says after {seconds:.1f} s:\n{out}{err}")
        [said] = [line for line in (out + err).splitlines() if words[0] in line]
        kit.say(f"without {name}: {started.command[1]} ends with 4 after {seconds:.1f} s: {said.strip()}")
    return finish


# --- open ----------------------------------------------------------------------------------------


def loader(site, pods):
    """With narrow peers: it loads what was sent, reaches nothing else, and its metrics reach Prometheus alone."""
    pod = site.pod(pods, "loader")
    running = site.start(pod, "loader", *pods.args("loader"))
    wanted = (SENT - site.fleet.rejected, site.fleet.rejected)
    await_that(lambda: site.counts() == wanted, 20, lambda: f"rows and quarantined are {site.counts()}, not {wanted}")
    if pod.reaches("stranger", 6379) or pod.reaches("stranger", 443) or not pod.reaches("sqs", 443):
        raise Failed("a loader reaches what its policy does not name, or not what it names")
    port = pods.ports("loader")["metrics"]
    found = {name: site.world.reaches(pod.address, port, source) for name, source in
             (("monitoring", ADDRESSES["monitoring"]), ("a stranger", ADDRESSES["stranger"]), ("the node", pod.node))}
    if found != {"monitoring": True, "a stranger": False, "the node": True}:
        raise Failed(f"who reaches the loader's metrics: {found}")
    running.process.terminate()
    running.wait(expect=0, timeout=60)


def names_by_tcp(site, pods):
    """A resolver may ask by TCP, and does where an answer is long."""
    site.start(site.pod(pods, "loader"), "loader", "check", resolv="resolv-tcp").wait(expect=0, timeout=60)


def identity(site, by_token, by_agent):
    """Credentials from EKS' agent for Pod Identity, whose address only that policy names."""
    agent = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": AGENT, "AWS_ROLE_ARN": "", "AWS_WEB_IDENTITY_TOKEN_FILE": "",
             "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": site.settings["AWS_WEB_IDENTITY_TOKEN_FILE"], **ONCE}
    with_it = site.start(site.pod(by_agent, "loader"), "loader", "check", **agent)
    without = site.start(site.pod(by_token, "loader"), "loader", *by_token.args("loader"), **agent)

    def finish():
        with_it.wait(expect=0, timeout=60)
        if not site.agents_asked:
            raise Failed("credentials came from elsewhere than from the agent")
    yield finish
    yield expected(site.kit, without, "the agent for Pod Identity", NO_AWS)


def roles(site, pods, alone):
    """The rotator's and the auditor's pods; the auditor with the public key needs no AWS, and has none."""
    rotation = site.start(site.pod(pods, "rotator"), "rotator", *pods.args("rotator"))
    verified = site.start(site.pod(pods, "auditor"), "auditor", "audit", "verify")
    apart = site.pod(alone, "auditor")
    if net_policy.opened(alone.policies, alone.labels("auditor"), {}) != EGRESS - {("TCP", 443)}:
        raise Failed("an auditor with the public key may speak to AWS")
    by_key = site.start(apart, "auditor", "audit", "verify", "--public-key", site.kit.scratch / "audit.pem")
    by_aws = site.start(apart, "auditor", "audit", "verify", **ONCE)
    yield lambda: rotation.wait(expect=0, timeout=60)
    yield lambda: verified.wait(expect=0, timeout=60)
    yield lambda: by_key.wait(expect=0, timeout=60)
    yield expected(site.kit, by_aws, "port 443, an auditor", NO_AWS)


def await_that(true, seconds, otherwise):
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise Failed(otherwise())
        time.sleep(0.05)
