"""What deploy/image.py makes: twice, compared, and looked into, file by file; and what deploy/Dockerfile makes of it.

Invariant: digests are computed here anew, and another tool, which we have not written, reads the archive as well.
"""

import gzip
import hashlib
import io
import json
import os
import re
import stat
import sys
import tarfile
from pathlib import Path

import tools
from kit import REPOSITORY, Failed

EPOCH = 1700000000
MOST_MEGABYTES = 16  # of the archive
CERTIFICATES = "etc/ssl/certs/ca-certificates.crt"
# What makes a shell or a package manager, by name.
TOOLS = set("sh bash dash ash busybox env apt apt-get dpkg rpm apk pip python3 perl ldconfig".split())


def made(kit):
    """The archive, after all that is said of it in deploy/image.py was found to be so."""
    archive, root = build(kit)
    look_into(kit, archive, root)
    read_by_skopeo(kit, archive)
    refusals(kit)
    return archive


def build(kit):
    """The archive, made twice under other circumstances, and the folder that the Dockerfile's own command fills."""
    first, second, root = kit.scratch / "first.tar", kit.scratch / "second.tar", kit.scratch / "root"
    command = [sys.executable, REPOSITORY / "deploy/image.py", "--binary", kit.binary]
    epoch = {"SOURCE_DATE_EPOCH": str(EPOCH)}
    said = kit.run(*command, "--out", first, env={**os.environ, **epoch})
    kit.say(said.partition(": ")[2].rstrip())
    odd = {"PATH": os.environ["PATH"], "HOME": "/", "TZ": "Asia/Kathmandu", "LC_ALL": "C", **epoch}
    kit.run(*command, "--out", second, env=odd, cwd="/", umask=0o077)
    if first.read_bytes() != second.read_bytes():
        raise Failed(f"deploy/image.py makes two archives of one binary: compare {first} and {second}")
    places = {"target/release/loginetl": kit.binary, "/image": root}
    words = [places.get(word, word) for word in command_of_dockerfile(first)]
    kit.run(sys.executable, *words, env={**os.environ, **epoch})
    if "is not empty" not in kit.run(sys.executable, *words, expect=1):
        raise Failed("deploy/image.py --root should have refused a folder that holds something")
    return first, root


def command_of_dockerfile(archive):
    """What Python does in deploy/Dockerfile: it makes the last stage; only the configuration is added to it."""
    text = (REPOSITORY / "deploy/Dockerfile").read_text(encoding="utf-8")
    joined = re.sub(r"^#.*\n|\\\n", "", text, flags=re.MULTILINE)
    lines = [line.split(None, 1) for line in joined.splitlines() if line]
    last = max(number for number, line in enumerate(lines) if line[0] == "FROM")
    config = contents(archive)[0]["config"]
    wanted = [["FROM", "scratch"], ["COPY", "--from=build /image/ /"], ["ENV", config["Env"][0]],
              ["USER", config["User"]], ["ENTRYPOINT", json.dumps(config["Entrypoint"])]]
    if lines[last:] != wanted:
        raise Failed(f"deploy/Dockerfile: its last stage is {lines[last:]}, and the archive is {wanted}")
    base = dict(line[1].partition("=")[::2] for line in lines if line[0] == "ARG").get("BASE", "")
    if re.search(r"^# *syntax", text, re.MULTILINE) or not re.search(r"@sha256:[0-9a-f]{64}$", base):
        raise Failed("deploy/Dockerfile: its syntax should be the engine's own, and its base named by digest")
    making = [line[1].rpartition("&& python3 ")[2].split() for line in lines if "&& python3 " in line[-1]]
    ignored = (REPOSITORY / ".dockerignore").read_text(encoding="utf-8").splitlines()
    if len(making) != 1 or f"!{making[0][0]}" not in ignored:
        raise Failed(f"deploy/Dockerfile runs {making}, and .dockerignore keeps that from the builder")
    return making[0]


def contents(archive):
    """(the image's configuration, its only layer, unpacked) after each digest was computed again."""
    with tarfile.open(archive) as tar:
        content = {entry.name: tar.extractfile(entry).read() if entry.isfile() else b"" for entry in tar}
    for name, data in content.items():
        if name.startswith("blobs/sha256/") and name[13:] != hashlib.sha256(data).hexdigest():
            raise Failed(f"{archive}: {name} is not what its name says")
    if list(content) != sorted(content) or json.loads(content["oci-layout"]) != {"imageLayoutVersion": "1.0.0"}:
        raise Failed(f"{archive} is no OCI layout in order")

    def read(described):
        data = content[described["digest"].replace("sha256:", "blobs/sha256/")]
        if len(data) != described["size"]:
            raise Failed(f"{archive}: {described} has {len(data)} bytes")
        return data

    manifest = json.loads(read(json.loads(content["index.json"])["manifests"][0]))
    config, layer = json.loads(read(manifest["config"])), gzip.decompress(read(manifest["layers"][0]))
    if config["rootfs"]["diff_ids"] != [f"sha256:{hashlib.sha256(layer).hexdigest()}"]:
        raise Failed(f"{archive}: the configuration names another layer than it has")
    return config, layer


def unpacked(kit, archive):
    """The files of the archive's layer in a folder, by tar."""
    folder, layer = kit.scratch / "unpacked", kit.scratch / "layer.tar"
    folder.mkdir()
    layer.write_bytes(contents(archive)[1])
    kit.run("tar", "--extract", "--preserve-permissions", "--file", layer, "--directory", folder)
    return folder


def look_into(kit, archive, root):
    """Each file of the layer: what it is, who may write it, what it holds; and that `--root` wrote the same."""
    config, layer = contents(archive)
    if (config["config"]["User"], config["config"]["Entrypoint"]) != ("10001:10001", ["/usr/local/bin/loginetl"]):
        raise Failed(f"the image does not start as it should: {config['config']}")
    if archive.stat().st_size > MOST_MEGABYTES * 1e6:
        raise Failed(f"the archive has {archive.stat().st_size / 1e6:.1f} MB, and {MOST_MEGABYTES} were enough")
    with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
        entries = {entry.name: (entry, tar.extractfile(entry).read() if entry.isfile() else b"") for entry in tar}
    there = {str(path.relative_to(root)) for path in root.rglob("*")}
    if there != set(entries):
        raise Failed(f"--root and --out differ in {sorted(there ^ set(entries))}")
    for name, (entry, content) in entries.items():
        look_at(name, entry)
        look_for_secrets(name, content)
        same_as(root / name, entry, content)
    if entries.get(CERTIFICATES, (None, b""))[1].count(b"-----BEGIN CERTIFICATE-----") < 100:
        raise Failed(f"the image holds fewer than 100 root certificates in {CERTIFICATES}")


def look_at(name, entry):
    if not (entry.isfile() or entry.isdir()):
        raise Failed(f"{name} is neither a file nor a folder")
    if (entry.uid, entry.gid, entry.mtime) != (0, 0, EPOCH):
        raise Failed(f"{name} belongs to {entry.uid}:{entry.gid}, or is of another time than SOURCE_DATE_EPOCH")
    if entry.mode & 0o7022:
        raise Failed(f"{name} has the mode {entry.mode:o}: others may write it, or it lends its rights")
    if entry.isdir():
        return
    program = name == "usr/local/bin/loginetl" or re.match(r"lib(64)?/.*\.so\.\d+$", name)
    if entry.mode & 0o111 and not program:
        raise Failed(f"{name} can be executed, and only the program and its libraries should")
    if Path(name).name in TOOLS:
        raise Failed(f"{name}: no shell and no package manager belongs into the image")


def look_for_secrets(name, content):
    if re.search(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/=]{40}", content):
        raise Failed(f"{name} holds a private key")
    if f"{REPOSITORY}/".encode() in content:
        raise Failed(f"{name} names {REPOSITORY}, where it was built")


def same_as(path, entry, content):
    found = path.lstat()
    if (stat.S_IMODE(found.st_mode), int(found.st_mtime), path.is_dir()) != (entry.mode, entry.mtime, entry.isdir()):
        raise Failed(f"{path} has another mode, time or kind than in the archive")
    if entry.isfile() and path.read_bytes() != content:
        raise Failed(f"{path} is another file than in the archive")


def read_by_skopeo(kit, archive):
    """It takes the archive, checks each digest, and finds time and labels."""
    skopeo = tools.debian("skopeo") / "bin/skopeo"
    kit.run(skopeo, "--insecure-policy", "copy", f"oci-archive:{archive}", f"dir:{kit.scratch / 'copied'}")
    seen = json.loads(kit.run(skopeo, "inspect", f"oci-archive:{archive}"))
    version = kit.run(kit.binary, "--version").split()[1]
    if (seen["Labels"].get("org.opencontainers.image.version"), seen["Created"]) != (version, "2023-11-14T22:13:20Z"):
        raise Failed(f"skopeo sees another image: {seen}")


def refusals(kit):
    """What is no release binary for this machine is refused by name, and nothing is written."""
    binary = kit.binary.read_bytes()
    cases = {
        "no ELF file": b"#!/bin/sh\n",
        "another machine": binary[:18] + b"\x08\x00" + binary[20:],  # MIPS
        "needs libX.so.6, which the image does not hold": binary.replace(b"libm.so.6\0", b"libX.so.6\0"),
        "as loginetl does": Path("/bin/true").read_bytes(),
    }
    for words, content in cases.items():
        wrong, out = kit.scratch / "wrong", kit.scratch / "wrong.tar"
        wrong.write_bytes(content)
        wrong.chmod(0o755)
        said = kit.run(sys.executable, REPOSITORY / "deploy/image.py", "--binary", wrong, "--out", out, expect=1)
        if words not in said or out.exists():
            raise Failed(f"deploy/image.py should have refused this because of “{words}”; it said {said}")
