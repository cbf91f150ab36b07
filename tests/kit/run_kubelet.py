"""Runs translated containers by runc, asks the kernel how they are confined, and asks their probes.

Invariant: a container runs with what run_pod.py made of the rendered fields; the kernel is asked whether it is so while
the program waits for its database, before it has done anything.
"""

import time
from pathlib import Path

import bundle
from kit import Failed
from run_pod import Container

PERIOD = 100_000  # microseconds, by which the kernel counts a processor's share


class Kubelet(bundle.Containers):
    """The containers of bundle.py, told by a pod instead of by constants."""

    def __init__(self, kit, root, network):
        super().__init__(kit, root)
        self.network = network

    def begin(self, container):
        """Starts a translated container. bundle.py hands `mounts` on as they are: here that is the container."""
        return self.start(*container.argv, env=container.env, mounts=container)

    def config(self, name, arguments, env, mounts):
        wanted, config = mounts, super().config(name, arguments, env, ())
        if not isinstance(wanted, Container):  # the probe of bundle.py, whether this machine makes containers
            return config
        process, linux = config["process"], config["linux"]
        process.update(args=list(arguments), cwd=wanted.cwd, noNewPrivileges=wanted.no_new_privileges,
                       env=[f"{key}={value}" for key, value in env.items()],
                       user={"uid": wanted.uid, "gid": wanted.gid, "additionalGids": wanted.groups},
                       capabilities={kind: wanted.capabilities for kind in ("bounding", "effective", "permitted")})
        config["root"]["readonly"] = wanted.readonly
        config["hostname"] = wanted.name
        config["mounts"] += [{"destination": place, "type": "bind", "source": source, "options": ["bind", access]}
                             for source, place, access in wanted.mounts]
        linux["namespaces"].append({"type": "network", "path": self.network.path})
        linux["resources"]["memory"] = {"limit": wanted.memory} if wanted.memory else {}
        if wanted.cpus:
            linux["resources"]["cpu"] = {"quota": int(wanted.cpus * PERIOD), "period": PERIOD}
        if not wanted.seccomp:
            del linux["seccomp"]
        return config

    def confined(self, running, container, user, group):
        """The kernel's word on one that runs: what was rendered, and that this is what a pod of ours has to be."""
        deadline = time.monotonic() + 40
        while Path(f"/proc/{running.pid()}/comm").read_text().strip() != Path(container.argv[0]).name:
            if time.monotonic() > deadline:
                raise Failed(f"{running} does not come to run its program")
            time.sleep(0.01)
        status, mounts, limit = running.confinement()
        uids, gids = ("\t".join([str(one)] * 4) for one in (user, group))
        groups = " ".join(map(str, container.groups))
        none = dict.fromkeys(("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"), "0" * 16)
        wanted = {"Uid": uids, "Gid": gids, "Groups": groups, "NoNewPrivs": "1", "Seccomp": "2", **none}
        found = {name: status[name].strip() for name in wanted}
        if found != wanted:
            different = {name: text for name, text in found.items() if text != wanted[name]}
            raise Failed(f"{running} runs with {different}")
        writable = {place for _, place, kind, options, *_ in mounts
                    if "rw" in options.split(",") and kind != "proc" and place != "/dev"}  # /dev is root's
        rendered = {place for _, place, access in container.mounts if access == "rw"}
        if writable != rendered:
            raise Failed(f"{running} may write to {sorted(writable)}, and was rendered to write to {sorted(rendered)}")
        if not container.memory or limit != str(container.memory):
            raise Failed(f"{running} has the memory limit {limit}, and {container.memory or 'none'} was rendered")


class Probes:
    """The probes of one running container, as its pod has them."""

    def __init__(self, kubelet, running, container):
        self.kubelet, self.running, self.container, self.read = kubelet, running, container, {}
        for kind, probe in container.probes.items():
            self.read[kind] = self._read(kind, probe)

    def _read(self, kind, probe):
        seconds = {name: probe.take(name, usual) for name, usual in (
            ("initialDelaySeconds", 0), ("periodSeconds", 10), ("timeoutSeconds", 1), ("failureThreshold", 3))}
        probe.only("successThreshold", *((1, 2, 3) if kind == "readinessProbe" else (1,)))
        if probe.has("httpGet"):
            http = probe.sub("httpGet")
            http.only("scheme", "HTTP")
            headers = {one.take("name"): one.take("value") for one in http.each("httpHeaders")}
            port = http.take("port")
            if isinstance(port, str):
                if port not in self.container.ports:
                    raise Failed(f"{http.where}: the container has no port {port}")
                port = self.container.ports[port]
            return ("http", (port, http.take("path", "/"), headers)), seconds
        return ("exec", probe.sub("exec").take("command")), seconds

    def ask(self, kind):
        """(did it succeed, what was said), within the rendered time."""
        if kind not in self.read:
            raise Failed(f"{self.running} has no {kind}")
        (way, how), seconds = self.read[kind]
        if way == "exec":
            began = time.monotonic()
            said = self.kubelet.call("exec", self.running.name, *how)
            late = time.monotonic() - began > seconds["timeoutSeconds"]
            return said is not None and not late, "too late" if late else said
        try:
            status, said = self.kubelet.network.get(*how, timeout=seconds["timeoutSeconds"])
        except OSError as nobody:
            return False, str(nobody)
        return 200 <= status < 400, f"{status} {said.strip()}"

    def seconds(self, kind):
        """How long it may fail before Kubernetes acts."""
        found = self.read[kind][1]
        return found["initialDelaySeconds"] + found["periodSeconds"] * found["failureThreshold"]

    def await_answer(self, kind, wanted, within):
        """Waits until the probe says so; what was said, and after how long."""
        began = time.monotonic()
        while True:
            answer, said = self.ask(kind)
            if answer == wanted:
                return said, time.monotonic() - began
            if time.monotonic() - began > within or self.running.process.poll() is not None:
                raise Failed(f"{kind} of {self.running} says {said!r} after {within} s, and should "
                             f"{'succeed' if wanted else 'fail'}:\n{self.running.output()[1]}")
            time.sleep(0.05)
