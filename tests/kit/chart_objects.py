"""What every rendering of the chart must hold: each pod, each account, each Job, each selector, by its path.

Invariant: nothing here depends on how a template is written; it looks at objects alone.
"""

import re

from kit import REPOSITORY, Failed

ROLES = {"loader", "rotator", "auditor", "init"}
# Of an exit code: what the Job does. docs/errors.md has the codes.
DECISIONS = {1: "FailJob", 2: "FailJob", 3: "FailJob", 4: "Count", 5: "FailJob"}
POD = {"runAsNonRoot": True, "fsGroupChangePolicy": "OnRootMismatch", "seccompProfile": {"type": "RuntimeDefault"}}
CONTAINER = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "runAsNonRoot": True,
             "capabilities": {"drop": ["ALL"]}}
NEVER = {"Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding", "Secret", "Service", "Ingress"}
VOLUMES = {"secret", "configMap", "persistentVolumeClaim"}
URL_FILE = "/etc/loginetl/database/url"
MEMORY = {"loader": "256Mi", "rotator": "1Gi", "auditor": "256Mi", "init": "256Mi"}
SECRET_NAMES = re.compile(r"PASSWORD|SECRET|TOKEN|LOGINETL_DATABASE_URL$")


class Pod:
    """A pod or the template of one: of which object, with which labels, in which Job."""

    def __init__(self, case, owner, template, job=None):
        self.case, self.owner, self.job = case, owner, job
        self.labels = (template.get("metadata") or owner["metadata"])["labels"]
        self.spec = template["spec"]
        self.container = only(self.spec["containers"], f"containers of {self}")
        self.role = self.labels.get("loginetl-role")
        self.args = self.container["args"]
        self.env = {each["name"]: each.get("value") for each in self.container["env"]}

    def __str__(self):
        return f"{self.case}: {self.owner['kind']} {self.owner['metadata']['name']}"

    def volume(self, name):
        return only([each for each in self.spec["volumes"] if each["name"] == name], f"volumes {name} of {self}")


def only(found, what):
    if len(found) != 1:
        raise Failed(f"{what}: {len(found)}, not one")
    return found[0]


def same(what, found, wanted):
    if found != wanted:
        raise Failed(f"{what} is {found!r}, not {wanted!r}")


def of_kind(objects, *kinds):
    return [each for each in objects if each["kind"] in kinds]


def pods(case, objects):
    found = [Pod(case, each, each["spec"]["template"]) for each in of_kind(objects, "Deployment")]
    found += [Pod(case, each, each) for each in of_kind(objects, "Pod")]
    jobs = [(each, each["spec"]) for each in of_kind(objects, "Job")]
    jobs += [(each, each["spec"]["jobTemplate"]["spec"]) for each in of_kind(objects, "CronJob")]
    jobs += [(each, each["spec"]["jobTargetRef"]) for each in of_kind(objects, "ScaledJob")]
    return found + [Pod(case, owner, job["template"], job) for owner, job in jobs]


def check(case, objects):
    """What holds in every case; the pods."""
    forbidden = of_kind(objects, *NEVER)
    if forbidden:
        raise Failed(f"{case}: {[each['kind'] for each in forbidden]}: nothing of the chart talks to Kubernetes")
    names = [(each["kind"], each["metadata"]["name"]) for each in objects]
    same(f"{case}: names that stand twice", {name for name in names if names.count(name) > 1}, set())
    for each in objects:
        same(f"{case}: namespace of {each['metadata']['name']}", each["metadata"].get("namespace"), "logins")
    every = pods(case, objects)
    for pod in every:
        confined(pod)
        own_login(pod)
        if pod.job:
            decided(pod)
    accounts(case, objects, every)
    selected(case, objects, every)
    hooks(case, objects)
    return every


def confined(pod):
    """The security context of pod and container, to the letter."""
    spec = pod.spec
    ids = {name: spec["securityContext"].pop(name) for name in ("runAsUser", "runAsGroup", "fsGroup")}
    wanted = (20001, 20002, 20002) if pod.case == "everything" else (10001, 10001, 10001)
    same(f"{pod}: user, group and group of its files", tuple(ids.values()), wanted)
    same(f"{pod}: securityContext of the pod", spec["securityContext"], POD)
    spec["securityContext"].update(ids)
    same(f"{pod}: securityContext of the container", pod.container["securityContext"], CONTAINER)
    same(f"{pod}: automountServiceAccountToken", spec["automountServiceAccountToken"], False)
    same(f"{pod}: enableServiceLinks", spec["enableServiceLinks"], False)
    same(f"{pod}: what it shares with its node", [key for key in spec if key.startswith("host")], [])
    same(f"{pod}: terminationGracePeriodSeconds", spec["terminationGracePeriodSeconds"], 30)
    memory = "512Mi" if (pod.case, pod.role) == ("everything", "loader") else MEMORY[pod.role]
    same(f"{pod}: memory limit", pod.container["resources"]["limits"]["memory"], memory)
    image = "registry.example/loginetl@sha256:" if pod.case == "rds" else "loginetl:0.1.0"
    if not pod.container["image"].startswith(image):
        raise Failed(f"{pod}: its image is {pod.container['image']}, not {image}…")
    for name in ("command", "lifecycle"):
        same(f"{pod}: {name}: there is no shell", pod.container.get(name), None)


def own_login(pod):
    """The database URL is a file of a Secret of its own role, and no variable holds a secret."""
    same(f"{pod}: role", pod.role in ROLES, True)
    same(f"{pod}: where the database URL is", pod.env["LOGINETL_DATABASE_URL_FILE"], URL_FILE)
    secret = pod.volume("database-url")["secret"]
    same(f"{pod}: Secret of the database URL", secret["secretName"], f"loginetl-{pod.role}-database")
    same(f"{pod}: its files", (secret["items"], secret["defaultMode"]), ([{"key": "url", "path": "url"}], 0o440))
    open_secrets = [name for name in pod.env if SECRET_NAMES.search(name)]
    same(f"{pod}: secrets in its environment", open_secrets, [])
    mounts = {each["name"]: each for each in pod.container["volumeMounts"]}
    kinds = {key for each in pod.spec["volumes"] for key in each} - {"name"}
    same(f"{pod}: other volumes than a restricted namespace allows", kinds - VOLUMES, set())
    same(f"{pod}: volumes that are mounted", set(mounts), {each["name"] for each in pod.spec["volumes"]})
    writable = {name for name, each in mounts.items() if not each.get("readOnly")}
    same(f"{pod}: what it may write to", writable, {"head"} & set(mounts))
    credentials = [each["secretRef"]["name"] for each in pod.container.get("envFrom", [])]
    same(f"{pod}: AWS credentials", credentials, [f"loginetl-{pod.role}-aws"] if pod.case == "secret" else [])
    keys = {name for name in pod.env if re.fullmatch(r"LOGINETL_\w+_KEY", name)}
    every = {"LOGINETL_INGEST_KEY", "LOGINETL_RECOVERY_KEY", "LOGINETL_AUDIT_KEY"}
    wanted = {"loader": set(), "auditor": {"LOGINETL_AUDIT_KEY"}}.get(pod.role, every)
    same(f"{pod}: keys that it names", keys, set() if pod.case == "offline-verifier" else wanted)
    names_queue = "LOGINETL_QUEUE_URL" in pod.env
    if names_queue and pod.role not in ("loader", "rotator") or pod.role == "loader" and not names_queue:
        raise Failed(f"{pod}: a {pod.role} has {'a' if names_queue else 'no'} queue")


def decided(pod):
    """Which exit code does what, by the rules in their order, as Kubernetes reads them."""
    same(f"{pod}: restartPolicy", pod.spec["restartPolicy"], "Never")
    rules = pod.job["podFailurePolicy"]["rules"]
    for code, wanted in DECISIONS.items():
        matching = [rule["action"] for rule in rules if matches(pod, rule, code)]
        same(f"{pod}: what exit code {code} does", matching[:1], [wanted])
        drained = [rule["action"] for rule in rules if matches(pod, rule, code, drained=True)]
        same(f"{pod}: what exit code {code} of a pod that is drained away does", drained[:1],
             ["Ignore" if wanted == "Count" else wanted])
    same(f"{pod}: tries", 1 <= pod.job["backoffLimit"] <= 6, True)


def matches(pod, rule, code, drained=False):
    if "onExitCodes" in rule:
        asked = rule["onExitCodes"]
        same(f"{pod}: container of a rule", asked["containerName"], pod.container["name"])
        return (code in asked["values"]) == (asked["operator"] == "In")
    condition = only(rule["onPodConditions"], f"{pod}: conditions")
    return drained and condition == {"type": "DisruptionTarget", "status": "True"}


def accounts(case, objects, every):
    """Each role has a service account of its own, which the trust policies name."""
    made = {each["metadata"]["name"]: each for each in of_kind(objects, "ServiceAccount")}
    used = {}
    for pod in every:
        used.setdefault(pod.spec["serviceAccountName"], set()).add(pod.role)
    same(f"{case}: accounts that several roles use", {name for name, roles in used.items() if len(roles) > 1}, set())
    for name, account in made.items():
        same(f"{case}: token of {name}", account["automountServiceAccountToken"], False)
        same(f"{case}: a role uses {name}", name in used, True)
        role = only(list(used[name]), f"{case}: roles of {name}")
        same(f"{case}: the account of {role}", name, trusted(role))
        annotations = account["metadata"].get("annotations", {})
        arn = annotations.get("eks.amazonaws.com/role-arn")
        wanted = f"arn:aws:iam::111122223333:role/loginetl-{role}"
        needless = case in ("pod-identity", "secret", "offline-verifier")
        same(f"{case}: role of IAM of {name}", arn, None if needless else wanted)
    if case not in ("init-hook", "made-by-others"):
        same(f"{case}: accounts that nobody makes", set(used) - set(made), set())


def trusted(role):
    """The service account that keys/create-keys.sh writes trust policies for."""
    text = (REPOSITORY / "keys/create-keys.sh").read_text(encoding="utf-8")
    roles = re.search(r"for role in ([a-z ]+ scaler); do\n.* service_account=([a-z-]+)\$role\n", text)
    if not roles or role not in roles.group(1).split():
        raise Failed(f"keys/create-keys.sh names no service account for {role}")
    return roles.group(2) + role


def selected(case, objects, every):
    """Each selector finds what it is for, and nothing else."""
    def found(labels):
        return {str(pod) for pod in every if labels.items() <= pod.labels.items()}

    for each in of_kind(objects, "Deployment", "PodDisruptionBudget", "PodMonitor", "NetworkPolicy"):
        spec, where = each["spec"], f"{case}: {each['kind']} {each['metadata']['name']}"
        labels = spec["podSelector" if each["kind"] == "NetworkPolicy" else "selector"]["matchLabels"]
        if each["kind"] == "NetworkPolicy":
            role = labels["loginetl-role"]
            wanted = {str(pod) for pod in every if pod.role == role}
        else:
            wanted = {str(pod) for pod in every if pod.role == "loader" and pod.owner["kind"] != "Pod"}
        same(f"{where} selects", found(labels), wanted)
        same(f"{where} selects something", bool(wanted), True)


def hooks(case, objects):
    """Only `helm test`, and init where that was asked for."""
    for each in objects:
        hook = each["metadata"].get("annotations", {}).get("helm.sh/hook")
        wanted = "test" if each["kind"] == "Pod" else None
        if case == "init-hook" and each["kind"] == "Job":
            wanted = "pre-install,pre-upgrade"
        same(f"{case}: hook of {each['kind']} {each['metadata']['name']}", hook, wanted)
