"""What single renderings of the chart must hold: scaling, network, clocks, monitoring, the kept head, init.

Invariant: figures are computed here from what they are to follow from, not copied from a rendering.
"""

import json
import re

from chart_objects import of_kind, only, same
from chart_tools import CHART
from kit import REPOSITORY, Failed

RUNBOOKS = "https://loginetl.example/runbooks"
MODES = {"scaledjob": "ScaledJob", "cronjob": "CronJob"}
AGENT = {"ports": [{"port": 80, "protocol": "TCP"}],
         "to": [{"ipBlock": {"cidr": "169.254.170.23/32"}}, {"ipBlock": {"cidr": "fd00:ec2::23/128"}}]}
DNS = {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]}
PODS_OF = {  # case: (object, what it runs) besides the tests; of the others, EVERYDAY
    "offline-verifier": {("CronJob", "verify")},
    "rotator": {("CronJob", "rotate"), ("CronJob", "resume")},
}
EVERYDAY = {("CronJob", "rotate"), ("CronJob", "resume"), ("CronJob", "verify")}
WITH_INIT = {"init", "init-hook", "secret", "pod-identity"}


def check(case, objects, pods):
    tasks(case, pods)
    for pod in pods:
        if pod.owner["kind"] == "Deployment":
            long_running(pod)
    for each in of_kind(objects, "CronJob"):
        clock(case, each)
    scaling(case, objects)
    network(case, objects)
    head(case, objects, pods)
    budget = of_kind(objects, "PodDisruptionBudget")
    has_budget = any(pod.owner["kind"] == "Deployment" for pod in pods) and case != "made-by-others"
    same(f"{case}: budgets", len(budget), int(has_budget))
    for each in budget:
        rule = {key: value for key, value in each["spec"].items() if key != "selector"}
        same(f"{case}: budget", rule, {"maxUnavailable": 1, "unhealthyPodEvictionPolicy": "AlwaysAllow"})
    monitors = of_kind(objects, "PodMonitor", "PrometheusRule", "ConfigMap")
    same(f"{case}: objects for monitoring", len(monitors), 3 if case == "monitoring" else 0)


def tasks(case, pods):
    """Which tasks there are, in which kind of object, and a test for each role that calls AWS."""
    found = {(pod.owner["kind"], pod.labels["app.kubernetes.io/component"]) for pod in pods}
    wanted = set(PODS_OF.get(case, EVERYDAY))
    if case not in PODS_OF:
        wanted.add((MODES[case], "drain") if case in MODES else ("Deployment", "loader"))
    if case in WITH_INIT:
        wanted.add(("Job", "init"))
    tested = {"rotator": {"rotator"}, "offline-verifier": set(), "made-by-others": set()}
    wanted |= {("Pod", f"check-{role}") for role in tested.get(case, {"loader", "rotator", "auditor"})}
    same(f"{case}: tasks", found, wanted)
    for pod in pods:
        if pod.owner["kind"] == "Pod":
            same(f"{pod}: what it asks", pod.args, ["check", "--log-format", "json"])


def long_running(pod):
    """The loader that runs on: probes by name of its port, which is the port that it listens at."""
    port = only(pod.container["ports"], f"ports of {pod}")
    same(f"{pod}: name of its port", port["name"], "metrics")
    listens = pod.args[pod.args.index("--listen") + 1]
    address = "[::]:8080" if pod.case == "ipv6" else "0.0.0.0:9464"
    same(f"{pod}: where it listens", (listens, port["containerPort"]), (address, int(address.rsplit(":", 1)[1])))
    asked = {name: pod.container[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")}
    paths = {"startup": "/healthz", "liveness": "/healthz", "readiness": "/readyz"}
    same(f"{pod}: probes", asked, {name: {"path": path, "port": "metrics"} for name, path in paths.items()})
    spread = pod.spec.get("topologySpreadConstraints", [])
    keys = [] if pod.case == "made-by-others" else ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]
    same(f"{pod}: what it spreads over", [each["topologyKey"] for each in spread], keys)
    for each in spread:
        labels = each["labelSelector"]["matchLabels"]
        same(f"{pod}: what spreads", labels.items() <= pod.labels.items(), True)
        same(f"{pod}: whenUnsatisfiable", each["whenUnsatisfiable"],
             "DoNotSchedule" if pod.case == "everything" else "ScheduleAnyway")
    scaled = pod.case in ("keda", "scale-to-zero", "pod-identity")
    replicas = None if scaled else {"made-by-others": 3, "everything": 2}.get(pod.case, 1)
    same(f"{pod}: replicas", pod.owner["spec"].get("replicas"), replicas)


def clock(case, each):
    where, spec = f"{case}: {each['metadata']['name']}", each["spec"]
    same(f"{where}: concurrencyPolicy", spec["concurrencyPolicy"], "Forbid")
    same(f"{where}: zone", spec["timeZone"], "Etc/UTC")
    same(f"{where}: histories", (spec["successfulJobsHistoryLimit"], spec["failedJobsHistoryLimit"]), (3, 5))
    same(f"{where}: a start that is late by more than 10 s counts", spec["startingDeadlineSeconds"] >= 10, True)
    same(f"{where}: suspended", spec["suspend"], case == "rotator")
    same(f"{where}: length of its name", len(each["metadata"]["name"]) <= 52, True)


def measured():
    """Messages a second of one loader, the lowest figure that docs/performance.md has for a queue at a distance."""
    text = (REPOSITORY / "docs/performance.md").read_text(encoding="utf-8")
    found = re.search(r"With 20 receivers and 20 ms it is ([\d,]+)", text)
    if not found:
        raise Failed("docs/performance.md does not say any more what 20 receivers at 20 ms load")
    return int(found.group(1).replace(",", ""))


def scaling(case, objects):
    """KEDA's numbers follow from delay and rate, and are texts where KEDA wants texts."""
    scaled = of_kind(objects, "ScaledObject", "ScaledJob")
    wanted = {"keda": ["ScaledObject"], "scale-to-zero": ["ScaledObject"], "pod-identity": ["ScaledObject"],
              "scaledjob": ["ScaledJob"]}.get(case, [])
    same(f"{case}: what KEDA is told", [each["kind"] for each in scaled], wanted)
    logins = of_kind(objects, "TriggerAuthentication")
    same(f"{case}: rights of KEDA", len(logins), len(wanted))
    for each in scaled:
        spec, zero = each["spec"], case == "scale-to-zero"
        trigger = only(spec["triggers"], f"{case}: triggers")
        metadata = trigger["metadata"]
        loose = {name: value for name, value in metadata.items() if not isinstance(value, str)}
        same(f"{case}: metadata that are no texts", loose, {})
        length = 120 * 2500 if zero else 60 * (measured() // 1000 * 1000)
        url = "https://sqs.eu-central-1.amazonaws.com/111122223333/login-queue"
        same(f"{case}: trigger", (trigger["type"], metadata), ("aws-sqs-queue", {
            "queueURL": url, "awsRegion": "eu-central-1", "queueLength": str(length), "activationQueueLength": "0",
            "scaleOnInFlight": "true", "scaleOnDelayed": "false"}))
        same(f"{case}: most loaders", spec["maxReplicaCount"], 4 if zero else 3)
        login = only(logins, f"{case}: rights")
        same(f"{case}: whose rights", trigger["authenticationRef"]["name"], login["metadata"]["name"])
        role = {"roleArn": "arn:aws:iam::111122223333:role/loginetl-scaler"} if zero else {}
        same(f"{case}: identity of KEDA", login["spec"]["podIdentity"], {"provider": "aws", **role})
        (scaled_object if each["kind"] == "ScaledObject" else scaled_job)(case, objects, spec)


def scaled_object(case, objects, spec):
    deployment = only(of_kind(objects, "Deployment"), f"{case}: Deployments")["metadata"]["name"]
    same(f"{case}: what is scaled", (spec["scaleTargetRef"]["kind"], spec["scaleTargetRef"]["name"]),
         ("Deployment", deployment))
    same(f"{case}: fewest loaders", spec["minReplicaCount"], 0 if case == "scale-to-zero" else 1)
    down = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleDown"]
    same(f"{case}: how loaders stop", (down["stabilizationWindowSeconds"], down["policies"]),
         (300, [{"type": "Pods", "value": 1, "periodSeconds": 60}]))
    same(f"{case}: blind", spec["fallback"]["replicas"] <= spec["maxReplicaCount"], True)


def scaled_job(case, _, spec):
    same(f"{case}: strategies", (spec["scalingStrategy"], spec["rollout"]),
         ({"strategy": "default"}, {"strategy": "gradual"}))
    same(f"{case}: histories", (spec["successfulJobsHistoryLimit"], spec["failedJobsHistoryLimit"]), (3, 5))


def network(case, objects):
    """What each role may reach, to the letter; nobody comes in but Prometheus."""
    policies = of_kind(objects, "NetworkPolicy")
    same(f"{case}: there are policies", bool(policies), case != "made-by-others")
    for each in policies:
        spec, role = each["spec"], each["spec"]["podSelector"]["matchLabels"]["loginetl-role"]
        where = f"{case}: policy of {role}"
        same(f"{where}: types", spec["policyTypes"], ["Ingress", "Egress"])
        database, aws = (6432 if case == "rds" else 5432), (4566 if case == "secret" else 443)
        wanted = [DNS, at(database)]
        if case != "offline-verifier":
            wanted.append(at(aws))
        if case == "pod-identity":
            wanted.append(AGENT)
        if case == "rds":
            names = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}
            peers = [names, {"ipBlock": {"cidr": "10.20.0.0/16"}}, {"ipBlock": {"cidr": "10.30.0.0/24"}}]
            wanted = [{**rule, "to": [peer]} for rule, peer in zip(wanted, peers)]
        if case == "everything":
            wanted.append({"to": [{"ipBlock": {"cidr": "10.9.0.0/16"}}], "ports": [{"port": 3128}]})
        same(f"{where}: egress", spec["egress"], wanted)
        prometheus = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}},
                      "podSelector": {"matchLabels": {"app.kubernetes.io/name": "prometheus"}}}
        scraped = case == "monitoring" and role == "loader"
        same(f"{where}: ingress", spec.get("ingress"), [{"from": [prometheus], **at(9464)}] if scraped else None)


def at(port):
    return {"ports": [{"port": port, "protocol": "TCP"}]}


def head(case, objects, pods):
    """The claim of the kept head stays, and only the verifier has it."""
    claims = of_kind(objects, "PersistentVolumeClaim")
    made = case not in ("offline-verifier", "rotator", "made-by-others")
    same(f"{case}: claims", len(claims), int(made))
    for each in claims:
        same(f"{case}: claim", each["metadata"].get("annotations"), {"helm.sh/resource-policy": "keep"})
    holders = {pod.labels["app.kubernetes.io/component"]: pod for pod in pods
               if any(each["name"] == "head" for each in pod.spec["volumes"])}
    same(f"{case}: who has the head", set(holders), set() if case in ("offline-verifier", "rotator") else {"verify"})
    for pod in holders.values():
        claim = pod.volume("head")["persistentVolumeClaim"]["claimName"]
        same(f"{pod}: claim", claim, claims[0]["metadata"]["name"] if made else "audit-head")
        same(f"{pod}: head", pod.args[-2:], ["--head-file", "/var/lib/loginetl/head"])


def monitoring(objects, groups):
    """The alerts are those of deploy/monitoring/rules but for where their runbooks are; the dashboard is the file."""
    monitor = only(of_kind(objects, "PodMonitor"), "PodMonitors")
    same("labels that Prometheus selects by", monitor["metadata"]["labels"].get("release"), "prometheus")
    endpoint = only(monitor["spec"]["podMetricsEndpoints"], "endpoints of the PodMonitor")
    same("what Prometheus asks", endpoint, {"port": "metrics", "path": "/metrics", "interval": "15s"})
    rule = only(of_kind(objects, "PrometheusRule"), "PrometheusRules")
    rendered = json.dumps(rule["spec"]["groups"], sort_keys=True)
    labelled = [{**group, "rules": [{**rule, "labels": {"team": "logins", **rule.get("labels", {})}}
                                    for rule in group["rules"]]} for group in groups]
    if not groups:
        raise Failed("deploy/monitoring/rules has no rules")
    source = json.dumps(labelled, sort_keys=True).replace(RUNBOOKS, "https://wiki.example/loginetl")
    same("alerts", json.loads(rendered), json.loads(source))
    same("alerts with the base that is to be replaced", RUNBOOKS in rendered, False)
    page = only(of_kind(objects, "ConfigMap"), "ConfigMaps")
    same("label of the dashboard", page["metadata"]["labels"].get("grafana_dashboard"), "1")
    same("folder of the dashboard", page["metadata"].get("annotations"), {"grafana_folder": "logins"})
    same("dashboard", page["data"], {"loginetl.json": (CHART / "files/dashboard.json").read_text(encoding="utf-8")})
