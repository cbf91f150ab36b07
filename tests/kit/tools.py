"""Brings the tools that checks run into the cache of tests/env, once: Python packages by hash, Debian's by signature.

    tools.python("requirements-x.txt")   the Python of a virtual environment with the pinned packages of that file,
                                         which lies beside this one; their programs are in the same folder:
                                         `tools.python(…).parent / "hadolint"`
    tools.debian("runc", "podman")       a folder with these packages and the libraries they name, nothing installed:
                                         `bin/NAME` runs a program of theirs, `root/` has the files as Debian ships them

Both return at once when the cache has it. LeftOut: this machine cannot have it.

Invariant: a folder is used only when it carries the file `.complete`; it then holds what the hashes name, or, of
Debian's packages, what the machine's own Debian or Ubuntu signed.
"""

import hashlib
import os
import platform
import shlex
import shutil
import sys
from pathlib import Path

from kit import REPOSITORY, Failed, LeftOut

sys.path.insert(1, str(REPOSITORY / "tests/env"))

import install  # noqa: E402

HERE = Path(__file__).resolve().parent


def python(requirements):
    """The Python 3.11 of a virtual environment that holds exactly the packages of `requirements`."""
    file = HERE / requirements
    try:
        with install.locked():
            target = install._folder(f"kit-{file.stem.removeprefix('requirements-')}", file)
            if not install._complete(target):
                install.say(f"installing {requirements} into {target} (once) …")
                with install._fresh(target) as log:
                    install._make_venv(target, log)
                    install._pip(target / "bin/python", log, "--only-binary=:all:", "-r", file)
    except install.EnvError as error:
        raise Failed(str(error)) from error
    return target / "bin/python"


def debian(*packages, without=""):
    """The folder of these packages: `bin/` with a starter for each of their programs, and `root/` as unpacked.

    `without` is a pattern of further libraries that the programs name and nobody calls here."""
    for needed in ("apt-get", "apt-cache", "dpkg-deb"):
        if not shutil.which(needed):
            raise LeftOut(f"{needed} is not on this machine, so Debian's {', '.join(packages)} cannot be had")
    names = "".join(f"\n{name}" for name in sorted(filter(None, {*packages, without})))
    release = Path("/etc/os-release").read_bytes() + platform.machine().encode() + names.encode()
    try:
        with install.locked():
            target = install.cache() / f"debian-{packages[0]}-{hashlib.sha256(release).hexdigest()[:12]}"
            if not install._complete(target):
                install.say(f"fetching Debian's {', '.join(packages)} into {target} (once, some seconds) …")
                with install._fresh(target) as log:
                    every = f"{install.WITHOUT}|{without}" if without else install.WITHOUT
                    install.unpack_with_libraries(packages, target, log, every)
                    _starters(target)
    except install.EnvError as error:
        raise LeftOut(str(error)) from error
    return target


def _starters(target):
    """A script in `bin/` for each program, which then finds the unpacked libraries before the machine's."""
    root, starters = target / "root", target / "bin"
    starters.mkdir()
    libraries = ":".join(sorted({str(file.parent) for file in root.rglob("lib*.so*")}))
    for pattern in ("usr/lib/postgresql/*/bin/*", "sbin/*", "bin/*", "usr/sbin/*", "usr/bin/*"):
        for program in sorted(root.glob(pattern)):
            if not program.is_file() or not os.access(program, os.X_OK):
                continue
            before = f"LD_LIBRARY_PATH={shlex.quote(libraries)} " if libraries else ""
            starter = starters / program.name
            starter.write_text(f'#!/bin/sh\n{before}exec {shlex.quote(str(program))} "$@"\n', encoding="utf-8")
            starter.chmod(0o755)
