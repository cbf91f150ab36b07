"""What the check `chart_run` says of the chart's templates, once all of them have run.

Invariant: a template whose pods it runs stands here; others are for the check `helm` alone.
"""

import chart_tools

CHART = "deploy/helm/loginetl"
PROOFS = {
    "_pod.tpl":
        "run by runc as a kubelet would, each rendered field translated, an unknown one refused: user, read-only root, "
        "no capability, seccomp and memory limit, as the kernel says; the URL of its own login alone; TLS by the "
        "mounted authority",
    "_job.tpl":
        "exit codes 0 to 5 were the ends of rendered Jobs: 4 is tried again, up to backoffLimit, and 1, 2, 3 and 5 end "
        "it at once, as docs/errors.md says; SIGKILL counts, a drained node does not",
    "_args.tpl":
        "each rendered command line did its work",
    "loader-deployment.yaml":
        "run by runc: ready by its readinessProbe over HTTP at the pod's address; 119 rows + 1 quarantined; without "
        "its database not ready, and alive; a changed Secret counts from the next connection; SIGTERM with messages in "
        "hand: exit 0, nothing lost",
    "loader-cronjob.yaml":
        "run by runc, AWS credentials by Pod Identity: empties the queue; exit 1 over the poison budget",
    "loader-scaledjob.yaml":
        "its pod run by runc, AWS credentials of a Secret: empties the queue",
    "rotate-cronjob.yaml":
        "run by runc under the rotator's login: one key more, the old one retired; ended by a drained node, it goes on",
    "resume-cronjob.yaml":
        "run by runc under the rotator's login: finishes a rotation that was killed, and starts none",
    "verify-cronjob.yaml":
        "run by runc under the auditor's login: keeps the head in its volume; exit 5 for one that the log does not "
        "hold, which stays; without AWS, by a public key and a head as a value",
    "verify-head.yaml":
        "the claim holds the head from one pod to the next, shared by fsGroup",
    "init-job.yaml":
        "run by runc: exit 0, and 0 again with nothing made twice",
    "serviceaccounts.yaml":
        "by the annotation for IRSA each pod got its credentials of LocalStack's STS, under its own role's account",
    "tests/check.yaml":
        "run by runc: 0 on a good installation; not 0 for a login without its group, nor without the queue",
}


LIMITS = {
    "_pod.tpl": "a kubelet and a container engine themselves: tests/kit follows their published rules",
    "_job.tpl": "the Job controller itself: tests/kit follows its published rules",
}
CASE = "each field of its pods is translated, and known"


def say(kit):
    for name, how in PROOFS.items():
        kit.proved(f"{CHART}/templates/{name}", how)
    for name, what in LIMITS.items():
        kit.cannot(f"{CHART}/templates/{name}", what)
    for file in sorted(chart_tools.CHART.glob("ci/*-values.yaml")):
        kit.proved(f"{CHART}/ci/{file.name}", CASE)
