"""Makes the images that docker-compose.yml names, of the pinned servers in the cache, as archives for `docker
load`.

    postgres(file)     postgres:18.4, of the pinned PostgreSQL; images/postgres.sh is its entry point
    localstack(file)   localstack/localstack:4.8.1, of the pinned LocalStack, whose own code runs the hooks of ready.d
    loginetl(…)        loginetl:local, of the archive that deploy/image.py has made

They are stand-ins: no registry of images is asked. Beside the servers there are some programs of this
machine, each with the libraries that it loads, under the paths that they have here.

Invariant: an image holds what its function names, and nothing of /etc, /root or /home but a Python that lives
there.
"""

import contextlib
import hashlib
import io
import json
import os
import platform
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import tools  # noqa: F401  puts tests/env on the path
from kit import LeftOut

import install

ENTRY_POINTS = Path(__file__).resolve().parent / "images"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
VERSIONS = {"postgres": "postgres:18.4", "localstack": "localstack/localstack:4.8.1"}
SHELL = ["basename", "bash", "cat", "chmod", "chown", "dirname", "env", "grep", "id", "mkdir", "mktemp", "mv", "rm",
         "sed", "sleep", "tr"]
ACCOUNTS = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/bash\npostgres:x:999:999::/var/lib/postgresql:/bin/bash\n",
    "etc/group": "root:x:0:\npostgres:x:999:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}
SYSTEM = ["/usr/lib/locale/C.utf8", "/usr/share/zoneinfo/GMT", "/usr/share/zoneinfo/UTC"]
PASSED_OVER = {"test", "tests", "idlelib", "tkinter", "ensurepip", "site-packages", "dist-packages", "turtledemo"}


def postgres(out):
    """The pinned PostgreSQL, started by images/postgres.sh."""
    with install.locked():
        programs = install._pinned_postgres(install._localstack())
    with archive(out, VERSIONS["postgres"]) as image:
        image.programs([*SHELL, "setpriv"])
        image.tree(programs.parent.parent.parent, without={"pginstall", "include"})
        image.libraries(path for path in [*programs.iterdir(), *programs.parent.rglob("*.so")] if path.is_file())
        image.add("usr/local/bin/docker-entrypoint.sh", (ENTRY_POINTS / "postgres.sh").read_bytes(), 0o755)
        image.config = {
            "Env": [f"PATH={programs}:/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8"], "StopSignal": "SIGINT",
            "Entrypoint": ["docker-entrypoint.sh"], "Cmd": ["postgres"], "Volumes": {"/var/lib/postgresql": {}},
        }


def localstack(out):
    """The pinned LocalStack with its Python, started by its own supervisor."""
    python = install.localstack()
    venv = python.parent.parent
    library = Path(install.answer([python, "-c", "import sysconfig; print(sysconfig.get_path('stdlib'))"]))
    with archive(out, VERSIONS["localstack"]) as image:
        image.programs([*SHELL, "curl"])
        image.tree(venv)
        image.tree(library, without=PASSED_OVER)
        image.chain(python)
        image.libraries(path for top in (venv, library) for path in top.rglob("*.so*") if path.is_file())
        image.tree(venv / "root/usr/lib/localstack", Path("/usr/lib/localstack"))
        image.add("usr/lib/localstack/.community-version", b"4.8.1\n")  # by which it knows that it is in its image
        for folder in ("boot.d", "start.d", "ready.d", "shutdown.d"):
            image.folder(f"etc/localstack/init/{folder}")
        image.config = {
            "Env": [f"PATH={venv}/bin:/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8", "PYTHONUNBUFFERED=1"],
            "Entrypoint": [f"{venv}/bin/localstack-supervisor"], "Volumes": {"/var/lib/localstack": {}},
        }


def loginetl(archive_of_ours, out):
    """The archive of deploy/image.py, with the list that an engine from before OCI archives reads besides."""
    shutil.copyfile(archive_of_ours, out)
    with tarfile.open(out) as tar:
        def read(name):
            return json.load(tar.extractfile(name))

        described = read("index.json")["manifests"][0]
        manifest = read(place(described["digest"]))
    name = described["annotations"]["org.opencontainers.image.ref.name"]
    listed = [{"Config": place(manifest["config"]["digest"]), "RepoTags": [name],
               "Layers": [place(layer["digest"]) for layer in manifest["layers"]]}]
    with tarfile.open(out, "a") as tar:
        add(tar, "manifest.json", json.dumps(listed).encode())


def place(digest):
    return f"blobs/{digest.replace(':', '/')}"


# --- an image ------------------------------------------------------------------------------------


@contextlib.contextmanager
def archive(out, name):
    """Writes the archive `out` with one image, whole or not at all. Yields the image, which the block fills."""
    layer, unfinished = out.with_suffix(".layer"), out.with_suffix(".new")
    try:
        with tarfile.open(layer, "w", format=tarfile.PAX_FORMAT) as tar:
            image = Image(tar)
            image.accounts()
            yield image
        with tarfile.open(unfinished, "w") as tar:
            with open(layer, "rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            config = {"architecture": ARCHITECTURES[platform.machine()], "os": "linux", "config": image.config,
                      "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]}}
            add(tar, "config.json", json.dumps(config).encode())
            tar.add(layer, "layer.tar")
            add(tar, "manifest.json",
                json.dumps([{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]).encode())
        unfinished.replace(out)
    finally:
        for file in (layer, unfinished):
            file.unlink(missing_ok=True)


def add(tar, name, content, mode=0o644):
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    tar.addfile(entry, io.BytesIO(content))


class Image:
    """The one layer of an image. Everything in it is root's, and has the path that it has on this machine."""

    def __init__(self, tar):
        self.tar, self.there, self.config = tar, set(), {}

    def add(self, name, content, mode=0o644):
        add(self.tar, name, content, mode)

    def folder(self, name, mode=0o755):
        entry = tarfile.TarInfo(name)
        entry.type, entry.mode = tarfile.DIRTYPE, mode
        self.tar.addfile(entry)

    def accounts(self):
        for name, mode in {"tmp": 0o1777, "root": 0o700, "run": 0o755, "var/run": 0o755}.items():
            self.folder(name, mode)
        for name, text in ACCOUNTS.items():
            self.add(name, text.encode())
        for path in filter(Path.exists, map(Path, SYSTEM)):
            if path.is_dir():
                self.tree(path)
            else:
                self.file(path.resolve(), path)

    def file(self, source, target=None):
        """A file, folder or link as it is, once."""
        name = str(target or source).lstrip("/")
        if name not in self.there:
            self.there.add(name)
            self.tar.add(source, name, recursive=False, filter=roots)

    def tree(self, top, target=None, without=()):
        """Everything below `top`, but what is called one of `without`."""
        for folder, folders, files in os.walk(top):
            folders[:] = sorted(set(folders) - set(without))
            at = (target or top) / Path(folder).relative_to(top)
            self.file(folder, at)
            for name in [*sorted(files), *(name for name in folders if (Path(folder) / name).is_symlink())]:
                self.file(Path(folder) / name, at / name)

    def chain(self, path):
        """A file with all links on the way to it."""
        while path.is_symlink():
            self.file(path)
            path = path.parent / os.readlink(path)
        self.file(path)
        self.libraries([path])

    def programs(self, names):
        """Programs of this machine under /usr/bin, with what they load; `sh` is bash."""
        found = {name: shutil.which(name) for name in names}
        missing = sorted(name for name, path in found.items() if not path)
        if missing:
            raise LeftOut(f"{', '.join(missing)} is not on this machine, and belongs into an image")
        for name, path in found.items():
            self.file(Path(path).resolve(), f"/usr/bin/{name}")
        for link, target in {"bin": "usr/bin", "usr/bin/sh": "bash"}.items():
            entry = tarfile.TarInfo(link)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            self.tar.addfile(entry)
        self.libraries(found.values())

    def libraries(self, files):
        """What the dynamic linker loads for these files and the copied trees do not hold."""
        files = [str(file) for file in files]
        for start in range(0, len(files), 100):
            done = subprocess.run(["ldd", *files[start:start + 100]], capture_output=True, text=True, check=False)
            for path in sorted(set(re.findall(r"^\t(?:\S+ => )?(/\S+) \(0x", done.stdout, re.MULTILINE))):
                path = os.path.normpath(path)
                if path.lstrip("/") not in self.there:
                    self.file(Path(path).resolve(), path)


def roots(entry):
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry
