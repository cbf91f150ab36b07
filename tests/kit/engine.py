"""Docker's engine and Docker Compose, in namespaces of their own: network, mounts and processes.

Debian's packages, unpacked into the cache. The engine is that of this machine's release. Compose is version
2, which Debian has from release 13 on; it needs no newer C library than that of Debian 12, so 12 takes it
from there, signed by the same keyring.

    outside: fetch() brings the programs and the images; inside(script) runs a script of ours in the namespaces
    inside:  Engine(…) starts the engine, `compose(…)` and `docker(…)` speak to it

Invariant: with the last process of the namespaces everything ends, the servers' ports included; no network
but the loopback is in there, so nothing can be fetched. What stays is the engine's folder in the cache, with
the two images of the servers; each start empties it of all else. Nothing else of the machine is written.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import compose_images
import tools
from kit import REPOSITORY, Failed, LeftOut, needs_root

import install

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
NAMESPACES = ["unshare", "--mount", "--net", "--pid", "--ipc", "--uts", "--fork", "--mount-proc", "--kill-child"]
CGROUP = "loginetl-kit"
SERVERS = {"postgres": compose_images.postgres, "localstack": compose_images.localstack}


# --- outside -------------------------------------------------------------------------------------


def fetch(kit):
    """What the inside needs: (the engine's programs, Compose, the engine's folder, the archives not loaded yet)."""
    needs_root("Docker's engine")
    programs = tools.debian("docker.io", "containerd", "runc", "tini", "iptables")
    state = engine_folder()
    archives = []
    for name, make in SERVERS.items():
        if not (state / name).exists():
            kit.say(f"making the image of {name} …")
            make(kit.scratch / f"{name}.tar")
            archives.append(str(kit.scratch / f"{name}.tar"))
    return programs / "bin", compose_program(), state, archives


def engine_folder():
    """The engine's folder for these images: another server or another way to make them, another folder."""
    with install.locked():
        python = install._localstack()
        servers = [python.parent.parent.name, install._pinned_postgres(python).parent.parent.parent.name]
    digest = hashlib.sha256("\n".join(servers).encode())
    for file in (Path(compose_images.__file__), *sorted(compose_images.ENTRY_POINTS.iterdir())):
        digest.update(file.read_bytes())
    folder = install.cache() / f"engine-{digest.hexdigest()[:12]}"
    folder.mkdir(exist_ok=True)
    return folder


def compose_program():
    """Docker Compose of Debian 13, or what says why there is none."""
    text = Path("/etc/os-release").read_text(encoding="utf-8")
    release = dict(re.findall(r'^(\w+)="?([^"\n]*)', text, re.MULTILINE))
    if release.get("ID") != "debian" or release.get("VERSION_CODENAME") not in ("bookworm", "trixie"):
        raise LeftOut("Docker Compose 2 is taken from Debian 13 by a Debian 12 or 13, and this machine is "
                      f"{release.get('PRETTY_NAME', 'no Debian')}")
    with debian_13(release["VERSION_CODENAME"]):
        return tools.debian("docker-compose") / "bin/docker-compose"


@contextlib.contextmanager
def debian_13(codename):
    """APT reads the lists of Debian 13 from the mirror that this machine has for its own release."""
    if codename == "trixie":
        yield
        return
    listed = install.answer(["apt-get", "update", "--print-uris"])
    mirror = re.search(rf"^'(\S+)/dists/{codename}/InRelease'", listed, re.MULTILINE)
    if not (mirror and KEYRING.exists()):
        raise LeftOut("APT names no mirror of Debian, or the keyring of Debian's releases is not on this machine")
    with tempfile.TemporaryDirectory(prefix="loginetl-kit-apt-") as folder:
        sources, settings = Path(folder) / "sources.list", Path(folder) / "apt.conf"
        sources.write_text(f"deb [signed-by={KEYRING}] {mirror[1]} trixie main\n", encoding="utf-8")
        settings.write_text(f'Dir::Etc::sourcelist "{sources}";\nDir::Etc::sourceparts "/dev/null";\n',
                            encoding="utf-8")
        os.environ["APT_CONFIG"] = str(settings)
        try:
            yield
        finally:
            del os.environ["APT_CONFIG"]


def inside(kit, script, *arguments, timeout):
    """Runs a Python script of ours in new namespaces; what it says."""
    try:
        kit.run(*NAMESPACES, "true")
    except Failed as failed:
        raise LeftOut(f"this machine grants no namespaces: {failed}") from failed
    return kit.run(*NAMESPACES, sys.executable, script, *arguments, timeout=timeout)


# --- inside --------------------------------------------------------------------------------------


class Engine:
    """The engine, and what speaks to it. `end()` stops it in order; otherwise it ends with the namespaces."""

    def __init__(self, programs, compose, state, scratch):
        self.programs, self.compose_program, self.state, self.scratch = map(Path, (programs, compose, state, scratch))
        command(["ip", "link", "set", "lo", "up"])
        command(["mount", "-t", "tmpfs", "tmpfs", "/run"])
        for folder in ("/etc", "/opt"):
            overlay(folder)
        self.environment = {**self.path(), "HOME": str(self.scratch), "DOCKER_HOST": "unix:///run/docker.sock"}
        self.lock = open(self.state / ".lock", "w")
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        self.process = self.start()
        self.empty()

    def path(self):
        """PATH with the unpacked programs first; `iptables` is one of two programs, the one that needs no other."""
        links = Path("/run/bin")
        links.mkdir()
        for name in ("iptables", "ip6tables"):
            (links / name).symlink_to(self.programs / f"{name}-legacy")
        extensions = next(self.programs.parent.glob("root/usr/lib/*/xtables"))
        return {"PATH": f"{links}:{self.programs}:{os.environ['PATH']}", "XTABLES_LIBDIR": str(extensions)}

    def start(self):
        settings = self.scratch / "daemon.json"
        settings.write_text("{}", encoding="utf-8")
        flags = {"config-file": settings, "data-root": self.state / "data", "exec-root": "/run/docker",
                 "pidfile": "/run/docker.pid", "host": "unix:///run/docker.sock",
                 "exec-opt": "native.cgroupdriver=cgroupfs", "cgroup-parent": f"/{CGROUP}"}
        path = self.scratch / "engine.log"
        with open(path, "wb") as log:
            process = subprocess.Popen(
                [self.programs / "dockerd", *(f"--{name}={value}" for name, value in flags.items())],
                env=self.environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + 30
        while self.docker("version", expect=None) is None:
            if process.poll() is not None or time.monotonic() > deadline:
                raise Failed(f"Docker's engine does not start:\n{path.read_text(errors='replace')[-2000:]}")
            time.sleep(0.1)
        return process

    def empty(self):
        """Nothing of an earlier run that did not come to its end."""
        for kind, words in {"container": ["rm", "--force", "--volumes"], "network": ["prune", "--force"],
                            "volume": ["rm", "--force"]}.items():
            left = self.docker(kind, "ls", "--quiet", *(["--all"] if kind == "container" else [])).split()
            if words[0] == "prune" or left:
                self.docker(kind, *words, *(left if words[0] == "rm" else []))

    def load(self, archives):
        """The images of the servers once, ours each time."""
        for archive in map(Path, archives):
            self.docker("load", "--quiet", "--input", archive)
            if archive.stem in SERVERS:
                (self.state / archive.stem).touch()
        self.docker("image", "prune", "--force")

    def docker(self, *words, expect=0):
        return command([self.programs / "docker", *words], expect, env=self.environment)

    def compose(self, *words, expect=0, timeout=120):
        return command([self.compose_program, "--ansi", "never", *words], expect, timeout, env=self.environment,
                       cwd=REPOSITORY)

    def inspect(self, kind, name):
        return json.loads(self.docker(kind, "inspect", name))[0]

    def end(self):
        self.process.terminate()
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
        for folder in sorted(Path("/sys/fs/cgroup").rglob(CGROUP)):  # empty by now, else it stays
            with contextlib.suppress(OSError):
                folder.rmdir()


def overlay(folder):
    """What the engine writes into a folder of the machine (a key, an empty folder) goes into memory."""
    if not os.path.isdir(folder):
        return
    places = {name: f"/run/kit{folder}/{name}" for name in ("upperdir", "workdir")}
    for place in places.values():
        os.makedirs(place)
    options = ",".join(f"{name}={place}" for name, place in {"lowerdir": folder, **places}.items())
    command(["mount", "-t", "overlay", "overlay", "-o", options, folder])


def command(words, expect=0, timeout=120, **options):
    """Runs a command to its end; its output, both streams. Another exit code than `expect` fails; None lets all pass,
    and then the output is None after any but 0."""
    try:
        done = subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              stdin=subprocess.DEVNULL, text=True, timeout=timeout, check=False, **options)
    except subprocess.TimeoutExpired as late:
        said = (late.output or b"").decode()
        raise Failed(f"{' '.join(map(str, words))}\ndid not end within {timeout} s:\n{said}") from late
    if expect is None:
        return done.stdout if done.returncode == 0 else None
    if done.returncode != expect:
        raise Failed(f"{' '.join(map(str, words))}\nended with {done.returncode}, not {expect}:\n{done.stdout}")
    return done.stdout
