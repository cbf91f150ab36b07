"""What the check `helm` says of each file of the chart, once all of it has passed.

Invariant: a file of the chart that stands nowhere here fails the check, so no file passes unseen.
"""

from chart_refusals import TYPING_ERRORS
from chart_tools import CHART
from kit import REPOSITORY, Failed

SCHEMAS = "valid by the strict schemas of Kubernetes 1.29 to 1.37"
MODEL = "unchanged by a way through the model of"
PROOFS = {
    "Chart.yaml": (
        "appVersion is the version in Cargo.toml; Kubernetes 1.28 is refused, 1.29 and 1.37 are "
        "not; packaged by Helm 3 and 4, and a package renders what the folder renders"),
    ".helmignore": "both packages lack ci/",
    "values.yaml": (
        "every value stands in the schema, is read by a template and is a row of README.md; defaults of flags are "
        "those of the program's help; rate for KEDA is the lowest of docs/performance.md at a "
        "distance"),
    "values.schema.json": (
        f"{len(TYPING_ERRORS)} typing errors are refused by name, by both Helms; no name but those of values.yaml, "
        "`global` and `enabled`; the choices of flags are the program's"),
    "README.md": "its table is made of values.yaml",
    "files/rules": (
        "the alerts that are rendered are these files', but for where their runbooks are; both "
        "packages hold them"),
    "files/dashboard.json": (
        "the ConfigMap holds this very file; both packages hold it; a copy of the chart without "
        "it says so"),
    "templates/NOTES.txt": (
        "as Helm 4 prints it: names the Secret of each role that runs, and no other; says what to "
        "do after init"),
    "templates/_names.tpl": (
        "no two objects of a release have one name and kind; two releases in one namespace "
        "share only service accounts; selectors find their pods and no others"),
    "templates/_pod.tpl": (
        "every pod: user 10001, read-only root, no capability, RuntimeDefault seccomp, no "
        "token, memory limit, the Secret of its own role, no secret in its environment; each "
        "variable is in docs/settings.md"),
    "templates/_args.tpl": (
        "the program takes each rendered command line, and only then misses its database URL"),
    "templates/_job.tpl": (
        "rules read in order: exit codes 1, 2, 3, 5 end the Job, 4 is tried again, a drained "
        "pod does not count; restartPolicy Never; Forbid, histories 3 and 5"),
    "templates/_trigger.tpl": (
        "all texts; queueLength is accepted delay × rate, for the default and for figures of "
        f"one's own; {MODEL} KEDA"),
    "templates/_wrong.tpl": (
        "each sentence about settings, identities, shared things and pods refuses a case, in "
        "both Helms"),
    "templates/_wrong_parts.tpl": (
        "each sentence about scaling, rotation, head, init and monitoring refuses a case, in "
        "both Helms"),
    "templates/validation.yaml": (
        "refuses each case in our words; renders nothing itself"),
    "templates/loader-deployment.yaml": (
        f"{SCHEMAS}; probes name paths that the running program answers, at the port that it "
        "listens at; no replicas where KEDA decides"),
    "templates/loader-cronjob.yaml": f"{SCHEMAS}; `load --drain`, at most one at a time",
    "templates/loader-scaledjob.yaml": (
        f"{MODEL} KEDA; strategy default, rollout gradual, at most 3, the same exit codes"),
    "templates/scaledobject.yaml": (
        f"{MODEL} KEDA; names the Deployment; one loader fewer at a time, after 300 s; from 0 "
        "and from 1"),
    "templates/triggerauthentication.yaml": (
        f"{MODEL} KEDA; there exactly where KEDA scales; provider aws, a role of its own or "
        "KEDA's"),
    "templates/rotate-cronjob.yaml": (
        f"{SCHEMAS}; the rotator's account and login alone, 1 GiB; --duty and further flags are "
        "taken by the program"),
    "templates/resume-cronjob.yaml": (
        f"{SCHEMAS}; `rotate-keys --resume` under the rotator's account and login"),
    "templates/verify-cronjob.yaml": (
        f"{SCHEMAS}; --head-file on the claim that it alone mounts, or --expect-head; without "
        "AWS where a public key is given"),
    "templates/verify-head.yaml": (
        f"{SCHEMAS}; kept when the chart is removed; not made where a claim is named"),
    "templates/init-job.yaml": f"{SCHEMAS}; absent unless switched on; no hook unless asked for",
    "templates/serviceaccounts.yaml": (
        f"{SCHEMAS}; one for each role, named as keys/create-keys.sh trusts them, each with its "
        "role's ARN; no Role and no binding anywhere"),
    "templates/networkpolicies.yaml": (
        f"{SCHEMAS}; egress and ingress of each role to the letter in all cases; the address of "
        "Pod Identity only there; covers every pod of its role"),
    "templates/poddisruptionbudget.yaml": (
        f"{SCHEMAS}; maxUnavailable 1, AlwaysAllow; selects the loaders, and no test"),
    "templates/podmonitor.yaml": (
        f"{MODEL} the Prometheus operator; asks /metrics at the port by name; selects the "
        "loaders, and no test"),
    "templates/prometheusrule.yaml": (
        f"{MODEL} the Prometheus operator; the alerts of deploy/monitoring/rules with the "
        "runbooks' address replaced"),
    "templates/dashboard.yaml": f"{SCHEMAS}; label and annotation for the sidecar",
    "templates/tests/check.yaml": (
        f"{SCHEMAS}; `loginetl check` for each role that calls AWS, under its own account and "
        "login"),
}
CANNOT = {
    "Chart.yaml": "an installation in a cluster: there is none where this is checked",
    "templates/networkpolicies.yaml": "that a cluster's network holds to it",
    "templates/scaledobject.yaml": "KEDA itself",
    "templates/loader-scaledjob.yaml": "KEDA itself",
    "templates/serviceaccounts.yaml": "that EKS hands out the credentials",
}


def say(kit, cases, count, validated):
    """Notes all of it; `count` renderings were validated."""
    if count != 2 * len(cases) or min(validated.values()) == 0:
        raise Failed(f"{len(cases)} value files gave {count} renderings, and validations {validated}")
    proofs = dict(PROOFS)
    for case in cases:
        file = CHART / f"ci/{case}-values.yaml"
        about = file.read_text(encoding="utf-8").splitlines()[0]
        if not about.startswith("# "):
            raise Failed(f"{file.name} does not say in its first line what it is about")
        proofs[f"ci/{case}-values.yaml"] = ("linted strictly and rendered by Helm 3 and 4, the same objects; "
                                            + about[2:].rstrip(".").replace("|", "/"))
    for name, how in proofs.items():
        kit.proved(str((CHART / name).relative_to(REPOSITORY)), how)
    for name, what in CANNOT.items():
        kit.cannot(str((CHART / name).relative_to(REPOSITORY)), what)
    # Files below the two links belong to deploy/monitoring, whose checks speak of them.
    files = {str(file.relative_to(CHART)) for file in CHART.rglob("*")
             if not file.is_dir() and "files/" not in f"{file.relative_to(CHART)}"}
    silent = files - set(proofs)
    if silent:
        raise Failed(f"chart_proofs.py has no word about {', '.join(sorted(silent))}")
