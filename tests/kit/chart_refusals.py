"""Values of the chart that cannot work, each with the words that must refuse it; and typing errors.

Invariant: each sentence of templates/_wrong*.tpl was provoked by a case here, or by `helm` itself (ELSEWHERE).
"""

import json
import re

from chart_tools import CHART
from kit import Failed

ARN = "arn:aws:iam::111122223333:role"
SQS = "https://sqs.eu-west-1.amazonaws.com/111122223333/login-queue"
PROM = {"metricsFrom": [{"podSelector": {}}]}
# (value file of ci/, values put over it, words)
REFUSED = [
    ("deployment", {"loader.enabled": False, "rotator.enabled": False, "verifier.enabled": False},
     "loader, rotator, verifier and init are all switched off: there is nothing to run"),
    ("deployment", {"queue.url": ""}, "queue.url is empty: the loader needs the URL of its queue"),
    ("deployment", {"aws.region": ""}, "aws.region is empty: name the region of the queue and the keys"),
    ("rotator", {"aws.region": ""}, "aws.region is empty: name the region of the queue and the keys"),
    ("deployment", {"queue.url": SQS}, "queue.url is of eu-west-1 and aws.region is eu-central-1"),
    ("deployment", {"image.tag": "latest"}, "image.tag latest names another image tomorrow"),
    ("deployment", {"loader.roleArn": ""},
     "loader.roleArn is empty: with identity.kind irsa it names the role of keys/iam/loader.json"),
    ("deployment", {"verifier.roleArn": ""},
     "verifier.roleArn is empty: with identity.kind irsa it names the role of keys/iam/auditor.json"),
    ("deployment", {"identity.kind": "podIdentity"},
     "rotator.roleArn is set and identity.kind is podIdentity: it would have no effect"),
    ("deployment", {"rotator.serviceAccount.create": False},
     "rotator.roleArn is set and rotator.serviceAccount.create is false"),
    ("secret", {"verifier.awsSecret": ""}, "verifier.awsSecret is empty: with identity.kind secret it names a Secret"),
    ("deployment", {"loader.awsSecret": "keys"},
     "loader.awsSecret is set and identity.kind is irsa: keys that never expire"),
    ("deployment", {"rotator.serviceAccount.name": "loginetl-loader"},
     "loader and rotator share the service account loginetl-loader"),
    ("deployment", {"rotator.database.secret": "loginetl-loader-database"},
     "loader and rotator share the database URL url in the Secret loginetl-loader-database"),
    ("init", {"init.database.secret": "loginetl-auditor-database"},
     "verifier and init share the database URL url in the Secret loginetl-auditor-database"),
    ("deployment", {"verifier.roleArn": f"{ARN}/loginetl-rotator"},
     f"rotator and verifier share the role of IAM {ARN}/loginetl-rotator"),
    ("scale-to-zero", {"loader.keda.roleArn": f"{ARN}/loginetl-loader"},
     f"loader.keda and loader share the role of IAM {ARN}/loginetl-loader"),
    ("secret", {"rotator.awsSecret": "loginetl-loader-aws"},
     "loader and rotator share the Secret of AWS loginetl-loader-aws"),
    ("deployment", {"pod.env": [{"name": "LOGINETL_DATABASE_URL", "value": "postgres://u@h/d"}]},
     "pod.env has LOGINETL_DATABASE_URL: a database URL is a file from database.secret"),
    ("deployment", {"verifier.pod.env": [{"name": "AWS_SECRET_ACCESS_KEY", "value": "x"}]},
     "verifier.pod.env has AWS_SECRET_ACCESS_KEY: a database URL is a file"),
    ("deployment", {"loader.pod.env": [{"name": "RUST_LOG", "value": "info"}]},
     "loader.pod.env has RUST_LOG, which the chart sets: use the value for it"),
    ("deployment", {"pod.env": [{"name": "LOG_SENSITIVE_BODIES", "value": "true"}]},
     "pod.env has LOG_SENSITIVE_BODIES: loginetl does not start with it"),
    ("deployment", {"loader.extraArgs": ["--database-url=postgres://u@h/d"]},
     "loader.extraArgs has --database-url: whoever sees the command line would see the password"),
    ("deployment", {"rotator.rotate.extraArgs": ["--duty", "90%"]},
     "rotator.rotate.extraArgs has --duty, which the chart sets: use the value for it"),
    ("scaledjob", {"loader.keda.enabled": True},
     "loader.keda.enabled is for mode deployment: cronjob goes by the clock, and scaledjob is KEDA already "
     "(mode is scaledjob)"),
    ("cronjob", {"loader.keda.enabled": True}, "loader.keda.enabled is for mode deployment"),
    ("keda", {"loader.keda.minReplicaCount": 4}, "loader.keda.minReplicaCount 4 is more than maxReplicaCount 3"),
    ("keda", {"loader.keda.fallbackReplicas": 5}, "loader.keda.fallbackReplicas 5 is more than maxReplicaCount 3"),
    ("keda", {"loader.keda.cooldownPeriod": 10}, "loader.keda.cooldownPeriod 10 is shorter than pollingInterval 30"),
    ("deployment", {"loader.replicas": 0}, "loader.replicas is 0 and no KEDA starts one: nothing would load"),
    ("deployment", {"loader.listen.address": "127.0.0.1"},
     "loader.listen.address 127.0.0.1 is reached from within the pod alone"),
    ("deployment", {"loader.strategy.type": "Recreate"}, "loader.strategy has rollingUpdate and type Recreate"),
    ("deployment", {"loader.strategy.rollingUpdate.maxSurge": 0},
     "loader.strategy has maxSurge 0 and maxUnavailable 0: no pod could ever be replaced"),
    ("deployment", {"rotator.rotate.enabled": False, "rotator.resume.enabled": False},
     "rotator.rotate and rotator.resume are both off: rotator.enabled false says so"),
    ("deployment", {"verifier.head.kind": "value"}, "verifier.head.value is empty: with kind value it is the SEQ:HASH"),
    ("deployment", {"verifier.head.value": "7:" + "0" * 64}, "verifier.head.value is set and kind is volume"),
    ("offline-verifier", {"verifier.head.existingClaim": "head"},
     "verifier.head.existingClaim is set and kind is value"),
    ("offline-verifier", {"verifier.roleArn": f"{ARN}/loginetl-auditor"},
     "verifier.publicKey is set: the verifier calls no AWS"),
    ("init", {"init.hook": True}, "init.hook runs before the chart makes anything: make its service account yourself"),
    ("deployment", {"init.hook": True}, "init.hook is set and init.enabled is false: it would have no effect"),
    ("rotator", {"monitoring.podMonitor.enabled": True}, "monitoring.podMonitor is on and there is no loader"),
    ("deployment", {"monitoring.podMonitor.enabled": True},
     "monitoring.podMonitor is on and networkPolicy.metricsFrom is empty: Prometheus could not reach the metrics"),
    ("deployment", {"networkPolicy": {"enabled": False, **PROM}}, "networkPolicy.enabled is false and peers are named"),
    ("monitoring", {"monitoring.rules.runbookUrl": ""},
     "monitoring.rules.runbookUrl is empty: whoever is woken follows it"),
    ("monitoring", {"monitoring.rules.except": ["NoSuchAlert"]},
     "monitoring.rules.except names NoSuchAlert: there is no such alert"),
]
# Sentences that only another copy of the chart, or its own list of alerts, provokes: `helm` does so itself.
ELSEWHERE = ["monitoring.rules is on, and this copy of the chart has no files/rules",
             "monitoring.dashboard is on, and this copy of the chart has no files/dashboard.json",
             "monitoring.rules.except leaves no alert"]
# (value that the schema must refuse, the path that must be named)
TYPING_ERRORS = [
    ({"laoder.enabled": True}, "laoder"), ({"loader.mod": "cronjob"}, "mod"), ({"loader.mode": "daemonset"}, "mode"),
    ({"loader.keda.minReplicas": 1}, "minReplicas"), ({"loader.database.secretName": "x"}, "secretName"),
    ({"loader.receivers": "64"}, "receivers"),
    ({"loader.terminationGracePeriodSeconds": 20}, "terminationGracePeriodSeconds"),
    ({"runAs.user": 0}, "user"), ({"image.digest": "sha256:1"}, "digest"), ({"rotator.rotate.duty": "120%"}, "duty"),
    ({"rotator.rotate.schedule": "0 3 1 *"}, "schedule"), ({"loader.resources.limits.memory": None}, "limits"),
    ({"loader.listen.port": 80}, "port"), ({"rotator.roleArn": "loginetl-rotator"}, "roleArn"),
    ({"pod.hostNetwork": True}, "hostNetwork"), ({"aws.ingestKey": "loginetl-ingest"}, "ingestKey"),
    ({"verifier.head.value": "17"}, "value"), ({"monitoring.rules.exept": []}, "exept"),
    ({"networkPolicy.metricFrom": []}, "metricFrom"), ({"identity.kind": "IRSA"}, "kind"),
]


def check(kit, helms, pool):
    """Each case is refused by each Helm, with its words and for no other reason; how many sentences there are."""
    jobs = [(helm, at, *case) for helm in helms for at, case in enumerate(REFUSED)]
    said = set()
    for lines in pool.map(lambda job: refused(kit, *job), jobs):
        said |= lines
    jobs = [(helm, at, *case) for helm in helms for at, case in enumerate(TYPING_ERRORS)]
    for _ in pool.map(lambda job: mistyped(kit, *job), jobs):
        pass
    sentences = written()
    silent = [sentence for sentence in sentences if not any(fits(sentence, line) for line in said)
              and not sentence.startswith(tuple(ELSEWHERE))]
    if silent:
        raise Failed("no case of chart_refusals.py provokes “" + "”, “".join(silent) + "”")
    return len(sentences)


def refused(kit, helm, at, case, values, words):
    """The sentences that it is refused with."""
    said = helm.refusal(*over(kit, f"refused-{helm.name}-{at}", case, values))
    if "these values cannot work:" not in said or words not in said:
        raise Failed(f"{helm.name} refuses {case} with {values}, and does not say “{words}”:\n{said}")
    return {line[2:] for line in said.splitlines() if line.startswith("- ")}


def mistyped(kit, helm, at, values, name):
    said = helm.refusal(*over(kit, f"mistyped-{helm.name}-{at}", "deployment", values))
    if "meet the specifications of the schema" not in said or name not in said:
        raise Failed(f"{helm.name} does not refuse {values} by the schema, naming {name}:\n{said}")


def over(kit, name, case, values):
    """The words for Helm: a value file of ci/, and a file of ours over it."""
    nested = {}
    for path, value in values.items():
        *parents, last = path.split(".")
        place = nested
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = value
    file = kit.scratch / f"{name}.json"
    file.write_text(json.dumps(nested), encoding="utf-8")
    return "-f", CHART / f"ci/{case}-values.yaml", "-f", file


def written():
    """The sentences in the templates, with %s and %d for what varies."""
    texts = [file.read_text(encoding="utf-8") for file in sorted((CHART / "templates").glob("_wrong*.tpl"))]
    pattern = r'(?:\$words := (?:print )?|append \$wrong \(?(?:printf\s+)?)((?:"[^"]+"\s*)+)'
    found = [strings for text in texts for strings in re.findall(pattern, text)]
    sentences = ["".join(re.findall(r'"([^"]+)"', strings)) for strings in found]
    if len(sentences) < 30:
        raise Failed(f"only {len(sentences)} sentences were found in _wrong*.tpl")
    return sentences


def fits(sentence, line):
    return re.fullmatch(".+".join(re.escape(part) for part in re.split("%[sd]", sentence)), line)
