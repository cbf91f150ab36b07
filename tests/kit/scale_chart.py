"""What the chart renders, for the checks that take their parameters from it: `scaling` and `network`.

Invariant: nothing of a rendered object is written down here; values that are set stand in BASE and in the
calls.
"""

import functools
import json
import os

import chart_tools
from kit import Failed

CHART = "deploy/helm/loginetl"
ACCOUNT = "arn:aws:iam::000000000000:role"
BASE = {"aws": {"region": "us-east-1"}, "queue": {"url": "https://sqs.us-east-1.amazonaws.com/000000000000/kit"},
        "loader": {"roleArn": f"{ACCOUNT}/loader"}, "rotator": {"roleArn": f"{ACCOUNT}/rotator"},
        "verifier": {"roleArn": f"{ACCOUNT}/auditor"}}
AS_JSON = "import json, sys, yaml; print(json.dumps([one for one in yaml.safe_load_all(open(sys.argv[1])) if one]))"


def rendered(kit, **values):
    """The objects of the chart with these values over BASE."""
    file, text = kit.scratch / "values.json", kit.scratch / "rendered.yaml"
    file.write_text(json.dumps(merged(BASE, values)), encoding="utf-8")
    text.write_text(helm(kit).template("--values", file), encoding="utf-8")
    return json.loads(kit.run(os.environ["LOGINETL_TEST_PYTHON"], "-c", AS_JSON, text))


@functools.cache
def helm(kit):
    return chart_tools.helms(kit)[-1]


def merged(below, above):
    both = {name: merged(below[name], above[name]) for name in set(below) & set(above)
            if isinstance(below[name], dict) and isinstance(above[name], dict)}
    return {**below, **above, **both}


def of_kind(objects, kind, ending=""):
    found = [one for one in objects if one["kind"] == kind and one["metadata"]["name"].endswith(ending)]
    if len(found) != 1:
        raise Failed(f"the chart renders {len(found)} objects {kind} …{ending}, not one")
    return found[0]


def scaled_object(kit):
    """That of the loader's Deployment, which may go to zero; all else is the chart's default."""
    return of_kind(rendered(kit, loader={"keda": {"enabled": True, "minReplicaCount": 0}}), "ScaledObject")


def scaled_job(kit):
    return of_kind(rendered(kit, loader={"mode": "scaledjob"}), "ScaledJob")


class Pods:
    """The pods of the roles under one set of values, and the policies that guard them."""

    def __init__(self, kit, **values):
        objects = rendered(kit, **values)
        self.policies = [one for one in objects if one["kind"] == "NetworkPolicy"]
        cron = {role: of_kind(objects, "CronJob", ending)["spec"]["jobTemplate"]["spec"]["template"]
                for role, ending in (("rotator", "-rotate"), ("auditor", "-verify"))}
        self.templates = {"loader": of_kind(objects, "Deployment")["spec"]["template"], **cron}

    def labels(self, role):
        return self.templates[role]["metadata"]["labels"]

    def ports(self, role):
        [container] = self.templates[role]["spec"]["containers"]
        return {port["name"]: port["containerPort"] for port in container.get("ports", [])}

    def args(self, role):
        [container] = self.templates[role]["spec"]["containers"]
        return container["args"]
