"""A pod's spec as a kubelet and a container runtime read it: what runc is told.

Each field that was rendered is translated, or known to say nothing to a single machine, or makes the check fail.
Where a field is absent, Kubernetes' own default holds: a writable root, the usual capabilities, a token in the pod.

Invariant: what a container gets beyond the image comes from the rendered fields and from nothing else.
"""

import dataclasses
import re

import run_identity
import run_volumes
from kit import Failed
from run_cluster import NAMESPACE, NODE
from run_network import POD

# Which node, beside which others, how urgently: for the scheduler. imagePullSecrets: for who fetches the image.
SCHEDULER = ("nodeSelector", "affinity", "tolerations", "priorityClassName", "schedulerName", "imagePullSecrets")
# What containerd grants unless told otherwise.
USUAL = ["CAP_" + name for name in """AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE NET_RAW
         SETFCAP SETGID SETPCAP SETUID SYS_CHROOT""".split()]
UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


@dataclasses.dataclass
class Container:
    """One container, ready for runc; `probes` and `ports` are for who asks it."""
    name: str
    argv: list
    env: dict
    cwd: str
    uid: int
    gid: int
    groups: list
    readonly: bool
    capabilities: list
    no_new_privileges: bool
    seccomp: bool
    memory: int
    cpus: float
    mounts: list
    ports: dict
    probes: dict
    secrets: set = dataclasses.field(default_factory=set)


@dataclasses.dataclass
class Pod:
    name: str
    containers: list
    grace: int
    restart: str
    account: dict
    volumes: run_volumes.Volumes

    @property
    def only(self):
        if len(self.containers) != 1:
            raise Failed(f"{self.name} has {len(self.containers)} containers, and this check runs one")
        return self.containers[0]


class Translator:
    """Translates pod templates. `image` is (the name that must be rendered, its configuration)."""

    def __init__(self, cluster, image, folder, resolver):
        self.cluster, self.image, self.folder, self.resolver = cluster, image, folder, resolver
        self.count = 0

    def pod(self, template):
        """The pod of a template (Fields), with volumes of its own."""
        self.count += 1
        meta, spec = template.sub("metadata"), template.sub("spec")
        name = f"{meta.take('name', 'pod')}-{self.count}"
        facts = {"metadata.name": name, "metadata.namespace": NAMESPACE, "metadata.uid": f"uid-{self.count}",
                 "spec.nodeName": NODE, "status.podIP": POD, "status.podIPs": POD, "status.hostIP": "10.0.0.1"}
        for kind in ("labels", "annotations"):
            texts = meta.take(kind, {})
            if not all(isinstance(text, str) for text in texts.values()):
                raise Failed(f"{meta.where}.{kind} holds something that is no string: {texts}")
            facts.update({f"metadata.{kind}['{key}']": text for key, text in texts.items()})
        meta.pass_over("namespace")
        self._placed(spec, meta.take("labels", {}))
        account = self._account(spec)
        facts["spec.serviceAccountName"] = account["metadata"]["name"]
        security = Security(spec.sub("securityContext"))
        volumes = run_volumes.Volumes(self.cluster, self.folder / f"volumes-{self.count}", security.group_of_files,
                                      security.change_policy)
        for volume in spec.each("volumes"):
            volumes.add(volume)
        injected = run_identity.added(account, volumes, security, self.cluster.associated)
        links = self.cluster.service_links() if spec.take("enableServiceLinks", True) else {}
        first = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443", **links}
        containers = [self._container(one, volumes, security, facts, first, injected)
                      for one in spec.each("containers")]
        pod = Pod(name, containers, spec.take("terminationGracePeriodSeconds", 30),
                  spec.only("restartPolicy", "Always", "Never", "OnFailure"), account, volumes)
        return pod

    def _placed(self, spec, labels):
        """Fields that are for the scheduler, or that must have the value which is right here."""
        spec.pass_over(*SCHEDULER)
        for one in spec.each("topologySpreadConstraints"):
            one.pass_over("maxSkew", "topologyKey", "whenUnsatisfiable", "minDomains", "nodeAffinityPolicy",
                          "nodeTaintsPolicy", "matchLabelKeys")
            chosen = one.sub("labelSelector").take("matchLabels")
            if not chosen or not chosen.items() <= labels.items():
                raise Failed(f"{one.where} spreads {chosen}, and the pod is {labels}")
        spec.only("dnsPolicy", "ClusterFirst")
        for name in ("hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace"):
            spec.only(name, False)

    def _account(self, spec):
        account = self.cluster.object("ServiceAccount", spec.take("serviceAccountName", "default"), where=spec.where)
        token = spec.take("automountServiceAccountToken", account.get("automountServiceAccountToken", True))
        if token:
            raise Failed(f"{spec.where}: the token of Kubernetes is in a pod that has no use for it")
        return account

    def _container(self, one, volumes, security, facts, first, injected):
        name, place = one.take("name"), one.where
        wanted, config = self.image
        if one.take("image") != wanted:
            raise Failed(f"{place} runs the image {one.take('image')}, and the values say {wanted}")
        one.only("imagePullPolicy", "IfNotPresent", "Always", "Never")
        one.pass_over("terminationMessagePath", "terminationMessagePolicy")  # only after the end, and only Kubernetes
        for needless in ("stdin", "tty"):
            one.only(needless, False)
        secrets = set()
        env = self._environment(one, {**pairs(config["Env"]), **first}, facts, secrets)
        for key, text in injected[0].items():  # the webhook leaves alone what is set
            env.setdefault(key, text)
        command = [expanded(word, env) for word in one.take("command", config["Entrypoint"])]
        given = one.take("args", [] if one.has("command") else config.get("Cmd") or [])
        mounts = [*self.resolver, *(volumes.mount(mount) for mount in one.each("volumeMounts")), *injected[1]]
        inner = security.of(one.sub("securityContext"), config["User"])
        limits = self._resources(one.sub("resources"))
        ports = {port.take("name", ""): port.take("containerPort") for port in one.each("ports")
                 if port.only("protocol", "TCP")}
        probes = {kind: one.sub(kind) for kind in ("startupProbe", "readinessProbe", "livenessProbe") if one.has(kind)}
        if one.has("lifecycle"):
            raise Failed(f"{place}.lifecycle: the image has no shell for it")
        return Container(name, command + [expanded(word, env) for word in given], env,
                         one.take("workingDir", config.get("WorkingDir") or "/"), mounts=mounts,
                         ports=ports, probes=probes, secrets=secrets | volumes.secrets, **inner, **limits)

    def _environment(self, one, env, facts, secrets):
        """The variables, in their order, each with those before it filled in."""
        for source in one.each("envFrom"):
            prefix = source.take("prefix", "")
            kind, read = (("Secret", run_volumes.decoded) if source.has("secretRef")
                          else ("ConfigMap", run_volumes.texts))
            inner = source.sub("secretRef" if kind == "Secret" else "configMapRef")
            found = self.cluster.object(kind, inner.take("name"), inner.take("optional", False), inner.where)
            secrets |= {inner.take("name")} if kind == "Secret" else set()
            env.update({prefix + key: content.decode() for key, content in read(found).items()})
        for variable in one.each("env"):
            name, text = variable.take("name"), variable.take("value", "")
            if not isinstance(text, str):
                raise Failed(f"{variable.where}.value is no string: {text!r}")
            if variable.has("valueFrom"):
                text = self._looked_up(variable.sub("valueFrom"), facts, secrets)
            if text is not None:
                env[name] = text if variable.has("valueFrom") else expanded(text, env)
        return env

    def _looked_up(self, source, facts, secrets):
        if source.has("fieldRef"):
            field = source.sub("fieldRef")
            field.only("apiVersion", "v1")
            if field.take("fieldPath") not in facts:
                raise Failed(f"{field.where}: this check knows no {field.take('fieldPath')}")
            return facts[field.take("fieldPath")]
        kind, key = ("Secret", "secretKeyRef") if source.has("secretKeyRef") else ("ConfigMap", "configMapKeyRef")
        inner, read = source.sub(key), run_volumes.decoded if kind == "Secret" else run_volumes.texts
        name, wanted, optional = inner.take("name"), inner.take("key"), inner.take("optional", False)
        secrets |= {name} if kind == "Secret" else set()
        found = read(self.cluster.object(kind, name, optional, inner.where))
        if wanted not in found and not optional:
            raise Failed(f"{inner.where}: {kind} {name} has no key {wanted}, but {', '.join(found)}")
        return found[wanted].decode() if wanted in found else None

    @staticmethod
    def _resources(resources):
        limits, requests = resources.sub("limits"), resources.sub("requests")
        asked = {name: quantity(one) for name, one in requests.value.items()}
        given = {name: quantity(one) for name, one in limits.value.items()}
        for kind in ("cpu", "memory", "ephemeral-storage"):
            limits.take(kind, None)
            requests.take(kind, None)
            if asked.get(kind, 0) > given.get(kind, float("inf")):
                raise Failed(f"{resources.where} requests more {kind} than its limit")
        return {"memory": int(given.get("memory", 0)), "cpus": given.get("cpu", 0)}


class Security:
    """The security context of a pod (Fields), over which each container's counts."""

    def __init__(self, pod):
        self.pod = self._common(pod)
        self.group_of_files, self.groups = pod.take("fsGroup", None), pod.take("supplementalGroups", [])
        self.change_policy = pod.only("fsGroupChangePolicy", "Always", "OnRootMismatch")

    @staticmethod
    def _common(context):
        profile = context.sub("seccompProfile")
        kind = profile.only("type", "RuntimeDefault", "Unconfined") if context.has("seccompProfile") else None
        found = {"uid": context.take("runAsUser", None), "gid": context.take("runAsGroup", None),
                 "non_root": context.take("runAsNonRoot", None), "seccomp": kind}
        return {name: value for name, value in found.items() if value is not None}

    def of(self, context, image_user):
        """What one container gets: fields of Container."""
        uid, _, gid = image_user.partition(":")
        both = {"uid": int(uid or 0), "gid": int(gid or 0), "non_root": False, "seccomp": "Unconfined",
                **self.pod, **self._common(context)}
        if both["non_root"] and both["uid"] == 0:
            raise Failed(f"{context.where}: runAsNonRoot, and the user is root: a kubelet does not start it")
        context.only("privileged", False)
        context.only("procMount", "Default")
        changes = context.sub("capabilities")
        dropped, added = changes.take("drop", []), changes.take("add", [])
        kept = [] if "ALL" in dropped else [name for name in USUAL if name[4:] not in dropped]
        groups = {*self.groups, *([] if self.group_of_files is None else [self.group_of_files])}
        return {"uid": both["uid"], "gid": both["gid"], "groups": sorted(groups),
                "readonly": context.take("readOnlyRootFilesystem", False),
                "capabilities": sorted({*kept, *(f"CAP_{name}" for name in added)}),
                "no_new_privileges": not context.take("allowPrivilegeEscalation", True),
                "seccomp": both["seccomp"] == "RuntimeDefault"}


def quantity(text):
    """A number of Kubernetes': 250m, 256Mi, 1."""
    found = re.fullmatch(r"([0-9.]+)(m|k|M|G|Ki|Mi|Gi|)", str(text))
    if not found:
        raise Failed(f"{text!r} is no quantity that this check reads")
    return float(found[1]) * (0.001 if found[2] == "m" else UNITS[found[2]])


def pairs(settings):
    return dict(one.split("=", 1) for one in settings)


def expanded(text, env):
    """$(NAME) of a variable that is known; $$ is a dollar; anything else stays."""
    if not isinstance(text, str):
        raise Failed(f"an argument or a value is no string: {text!r}")
    return re.sub(r"\$\$|\$\(([A-Za-z_][\w.-]*)\)",
                  lambda found: "$" if found[0] == "$$" else env.get(found[1], found[0]), text)
