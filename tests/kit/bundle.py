"""Runs the image as an orchestrator would that grants it nothing: by runc, as its own user, in a read-only root.

What is set: uid and gid 10001, no capability, no_new_privileges, the seccomp profile that Docker and Podman apply
unless told otherwise (the containers project's, as Debian ships it), a memory limit, no writable place at all, neither
/tmp nor /dev/shm. The network is the host's, for the servers listen on 127.0.0.1.

Invariant: whatever starts here is gone when the block `containers(…)` ends.
"""

import contextlib
import json
import os
import platform
import re
import subprocess
import time
from pathlib import Path

import tools
from kit import Failed, LeftOut, needs_root

USER = 10001
MEMORY = 256 * 1024 * 1024
DOCKER_NAMES = {"x86_64": "amd64", "aarch64": "arm64"}


@contextlib.contextmanager
def containers(kit, root):
    """Runs containers of the files in `root`. Leaves the check out where the machine lets nobody make one."""
    needs_root("running the image by runc")
    made = Containers(kit, root)
    try:
        made.probe()
        yield made
    finally:
        made.end()


class Containers:
    def __init__(self, kit, root):
        self.kit, self.root = kit, root
        folder = tools.debian("runc", "golang-github-containers-common")
        self.runc = [folder / "bin/runc", "--root", kit.scratch / "runc"]
        profile = folder / "root/usr/share/containers/seccomp.json"
        self.seccomp = seccomp(json.loads(profile.read_text(encoding="utf-8")))
        self.count, self.running = 0, []

    def probe(self):
        try:
            self.run("--version")
        except Failed as failed:
            # runc's own words; of our program there are none as long as it has not started.
            if re.search(r"cgroup|operation not permitted|read-only file system", str(failed), re.IGNORECASE):
                raise LeftOut(f"runc may not make a container here: {failed}") from failed
            raise

    def run(self, *arguments, expect=0, timeout=60, **settings):
        """Runs a command of the image to its end: (stdout, stderr)."""
        container = self.start(*arguments, **settings)
        return container.wait(expect, timeout)

    def start(self, *arguments, env=None, mounts=(), stdin=None):
        """Starts one. `mounts` are (file of ours, its place in there), all read-only."""
        self.count += 1
        name = f"loginetl-kit-{os.getpid()}-{self.count}"
        bundle = self.kit.scratch / name
        bundle.mkdir()
        config = self.config(name, arguments, env or {}, mounts)
        (bundle / "config.json").write_text(json.dumps(config, indent=1), encoding="utf-8")
        container = Container(self, name, bundle, arguments, stdin)
        self.running.append(container)
        return container

    def config(self, name, arguments, env, mounts):
        settings = {"PATH": "/usr/local/bin", **env}
        return {
            "ociVersion": "1.0.2",
            "process": {
                "user": {"uid": USER, "gid": USER}, "cwd": "/", "args": ["/usr/local/bin/loginetl", *arguments],
                "env": [f"{key}={value}" for key, value in settings.items()],
                "capabilities": {}, "noNewPrivileges": True,
                "rlimits": [{"type": "RLIMIT_CORE", "hard": 0, "soft": 0}],
            },
            "root": {"path": str(self.root), "readonly": True},
            "mounts": [
                {"destination": "/proc", "type": "proc", "source": "proc"},
                {"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
                 "options": ["nosuid", "mode=755", "size=64k"]},
                {"destination": "/sys", "type": "sysfs", "source": "sysfs",
                 "options": ["nosuid", "noexec", "nodev", "ro"]},
                *({"destination": place, "type": "bind", "source": str(file), "options": ["bind", "ro"]}
                  for file, place in mounts),
            ],
            "linux": {
                "namespaces": [{"type": kind} for kind in ("pid", "ipc", "uts", "mount")],
                "cgroupsPath": f"/{name}",
                "resources": {"memory": {"limit": MEMORY}, "devices": [{"allow": False, "access": "rwm"}]},
                "seccomp": self.seccomp,
            },
        }

    def call(self, *words):
        done = subprocess.run([str(word) for word in (*self.runc, *words)], capture_output=True, text=True, check=False)
        return done.stdout if done.returncode == 0 else None

    def end(self):
        for container in self.running:
            if container.process.poll() is None:
                self.call("delete", "--force", container.name)
                container.process.wait(timeout=30)


class Container:
    """One container: a process of ours, runc, that waits for the first process in there."""

    def __init__(self, made, name, bundle, arguments, stdin):
        self.made, self.name, self.bundle, self.arguments = made, name, bundle, arguments
        with open(bundle / "out", "wb") as out, open(bundle / "err", "wb") as err:
            self.process = subprocess.Popen(
                [str(word) for word in (*made.runc, "run", "--bundle", bundle, name)], start_new_session=True,
                stdin=stdin or subprocess.DEVNULL, stdout=out, stderr=err)

    def pid(self):
        """The first process in there, once it is our program."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and self.process.poll() is None:
            state = json.loads(self.made.call("state", self.name) or "{}")
            if state.get("status") == "running":
                return state["pid"]
            time.sleep(0.02)
        raise Failed(f"{self} does not run:\n{self.output()[1]}")

    def confinement(self):
        """What the kernel says of it: (fields of /proc/PID/status, its mounts, its memory limit)."""
        proc = Path(f"/proc/{self.pid()}")
        status = dict(line.split(":\t", 1) for line in (proc / "status").read_text().splitlines() if ":\t" in line)
        mounts = [line.split() for line in (proc / "mounts").read_text().splitlines()]
        # Of version 1 the controller has a tree of its own; of version 2 there is one tree for all.
        groups = {kinds: path for _, kinds, path in
                  (line.split(":", 2) for line in (proc / "cgroup").read_text().splitlines())}
        limits = [Path(f"/sys/fs/cgroup/memory{groups.get('memory', '')}/memory.limit_in_bytes"),
                  Path(f"/sys/fs/cgroup{groups.get('', '')}/memory.max")]
        limit = next((file.read_text() for file in limits if file.exists()), "no limit")
        return status, mounts, limit.strip()

    def signal(self, name):
        if self.made.call("kill", self.name, name) is None:
            raise Failed(f"{self} could not be signalled:\n{self.output()[1]}")

    def wait(self, expect=0, timeout=60):
        """Waits for its end, with this exit code: (stdout, stderr)."""
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired as late:
            raise Failed(f"{self} did not end within {timeout} s:\n{self.output()[1]}") from late
        out, err = self.output()
        if expect is not None and status != expect:
            raise Failed(f"{self} ended with {status}, not {expect}:\n{out}{err}")
        return out, err

    def output(self):
        return tuple((self.bundle / name).read_text(encoding="utf-8", errors="replace") for name in ("out", "err"))

    def __str__(self):
        return f"`loginetl {' '.join(self.arguments)}` in the image"


def seccomp(profile):
    """The containers project's profile as runc wants it: the rules for this processor and for no capability."""
    machine = DOCKER_NAMES[platform.machine()]
    native = {"amd64": "SCMP_ARCH_X86_64", "arm64": "SCMP_ARCH_AARCH64"}[machine]
    kept = []
    for rule in profile["syscalls"]:
        wanted = rule.get("includes") or {}
        if wanted.get("caps") or machine not in wanted.get("arches", [machine]) or "minKernel" in wanted:
            continue
        if machine in (rule.get("excludes") or {}).get("arches", []):
            continue
        kept.append({key: rule[key] for key in ("names", "action", "args", "errnoRet") if rule.get(key)})
    others = [each["subArchitectures"] for each in profile["archMap"] if each["architecture"] == native]
    return {"defaultAction": profile["defaultAction"], "defaultErrnoRet": profile.get("defaultErrnoRet", 1),
            "architectures": [native, *(others[0] if others else [])], "syscalls": kept}
