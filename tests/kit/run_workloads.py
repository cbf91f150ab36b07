"""What makes pods: a Deployment, a Job, and the Job within a CronJob or a ScaledJob.

Invariant: each field of such an object, down to its pod, was read, or is known to say nothing to a pod.
"""

import dataclasses

import run_policy
from kit import Failed
from run_fields import Fields

LONGEST_STOP = 25  # seconds from SIGTERM, of any command: docs/operations.md
JOBS = ("Job", "CronJob", "ScaledJob")


@dataclasses.dataclass
class Job:
    """A Job, or what a CronJob or ScaledJob makes one of."""
    name: str
    template: dict
    policy: run_policy.Policy
    deadline: int

    @property
    def container(self):
        return self.template["spec"]["containers"][0]["name"]


def job_of(controller):
    """The Job of a rendered Job, CronJob or ScaledJob; each field of its spec read."""
    kind, name = controller["kind"], controller["metadata"]["name"]
    spec = Fields(controller["spec"], f"{kind}/{name}.spec")
    inner = spec
    if kind == "CronJob":
        spec.take("schedule")
        spec.only("concurrencyPolicy", "Allow", "Forbid", "Replace")
        spec.pass_over("timeZone", "startingDeadlineSeconds", "suspend", "successfulJobsHistoryLimit",
                       "failedJobsHistoryLimit")  # when, and how many are kept
        outer = spec.sub("jobTemplate")
        outer.pass_over("metadata")
        inner = outer.sub("spec")
    elif kind == "ScaledJob":
        # How many and when: what KEDA decides.
        spec.pass_over("triggers", "pollingInterval", "minReplicaCount", "maxReplicaCount", "scalingStrategy",
                       "rollout", "successfulJobsHistoryLimit", "failedJobsHistoryLimit")
        inner = spec.sub("jobTargetRef")
    template = inner.take("template")
    pod = template["spec"]
    inner.only("completions", 1)
    inner.only("parallelism", 1)
    inner.only("completionMode", "NonIndexed")
    inner.only("podReplacementPolicy", "TerminatingOrFailed", "Failed")
    inner.pass_over("ttlSecondsAfterFinished", "suspend")
    restart = pod.get("restartPolicy", "Always")
    policy = run_policy.read(inner, restart, [one["name"] for one in pod["containers"]])
    deadline = inner.take("activeDeadlineSeconds", None)
    spec.done()
    if restart not in ("Never", "OnFailure"):
        raise Failed(f"{spec.where}: a Job's pod may not have restartPolicy {restart}")
    named = {"kind": kind, "metadata": {**template.get("metadata", {}), "name": name}, "spec": pod}
    return Job(f"{kind}/{name}", named, policy, deadline)


def deployed(deployment):
    """The template of a Deployment's pods."""
    name = deployment["metadata"]["name"]
    spec = Fields(deployment["spec"], f"Deployment/{name}")
    # How many, and how one set of pods takes the place of another.
    spec.pass_over("replicas", "strategy", "revisionHistoryLimit", "minReadySeconds", "progressDeadlineSeconds")
    template = spec.take("template")
    chosen, labels = spec.sub("selector").take("matchLabels"), template["metadata"]["labels"]
    if not chosen or not chosen.items() <= labels.items():
        raise Failed(f"{spec.where} selects {chosen}, and its pods are {labels}")
    spec.done()
    restart = template["spec"].get("restartPolicy", "Always")
    if restart != "Always":
        raise Failed(f"{spec.where}: a Deployment's pod may not have restartPolicy {restart}")
    return {"kind": "Deployment", "metadata": {**template["metadata"], "name": name}, "spec": template["spec"]}


def templates(rendered):
    """The templates of all pods that were rendered."""
    return [*(deployed(one) for one in rendered if one["kind"] == "Deployment"),
            *(job_of(one).template for one in rendered if one["kind"] in JOBS),
            *(one for one in rendered if one["kind"] == "Pod")]


def pod_of(translator, template):
    """(Fields, pod) of {kind, metadata, spec}. Once the probes were read too, `done` tells of fields that were not."""
    name = template["metadata"]["name"]
    fields = Fields({"metadata": template["metadata"], "spec": template["spec"]}, f"{template['kind']}/{name}")
    pod = translator.pod(fields)
    if pod.grace <= LONGEST_STOP:
        raise Failed(f"{fields.where} is killed {pod.grace} s after SIGTERM, and may take {LONGEST_STOP} s")
    return fields, pod
