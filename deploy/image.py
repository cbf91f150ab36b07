#!/usr/bin/env python3
"""Makes the image of loginetl from a release binary, without a container engine.

    image.py --binary target/release/loginetl --out loginetl.tar [--name loginetl:local]
    image.py --binary target/release/loginetl --root FOLDER

--out writes an OCI archive, which `podman load -i` and `skopeo copy oci-archive:…` take. --root writes the same files
into an empty folder: deploy/Dockerfile copies that, and a runtime such as runc starts it. The C library, libgcc_s and
the root certificates are those of the packages of this machine, so build on the Debian or Ubuntu that the image shall
be of. All times are SOURCE_DATE_EPOCH, or 0.

Invariant: the image holds the binary, the libraries that it names, the certificates that the package ships, and small
text files: accounts, how names are resolved, packages and their licences. The same binary, packages and zlib make the
same bytes. A binary that needs anything else is refused by the name of what it needs.
"""

import argparse
import hashlib
import io
import json
import os
import platform
import re
import struct
import subprocess
import sys
import tarfile
import time
import zlib
from pathlib import Path

USER = 10001
PROGRAM = "usr/local/bin/loginetl"
EMPTY_FOLDERS = ["dev", "proc", "run", "sys"]  # a runtime mounts something there
# e_machine of ELF, the architecture as OCI spells it, and the name of the dynamic linker.
MACHINES = {"x86_64": (62, "amd64", "ld-linux-x86-64.so.2"), "aarch64": (183, "arm64", "ld-linux-aarch64.so.1")}
LIBRARIES = {"libc.so.6", "libm.so.6", "libgcc_s.so.1"}
CERTIFICATES = Path("/usr/share/ca-certificates/mozilla")
# From this glibc on, names are resolved by libc.so.6 alone: no plug-in is loaded for `files` and `dns`.
OLDEST_GLIBC = (2, 34)


class Refused(Exception):
    """What stands in the way, and what to do."""


def main():
    options = parse()
    try:
        machine = MACHINES.get(platform.machine())
        if machine is None:
            raise Refused(f"this machine is a {platform.machine()}, and the image is made for {', '.join(MACHINES)}")
        epoch = int(os.environ.get("SOURCE_DATE_EPOCH") or 0)
        said = ask(options.binary, check_elf(options.binary, machine))
        files = root_of(options.binary, machine)
        if options.root:
            unpack(files, options.root, epoch)
        if options.out:
            print(write_archive(files, said, machine[1], options, epoch))
    except (Refused, OSError, ValueError) as error:
        sys.exit(f"image.py: {error}")


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--binary", required=True, type=Path, help="the program: target/release/loginetl")
    parser.add_argument("--out", type=Path, help="write an OCI archive here")
    parser.add_argument("--root", type=Path, help="write the files of the image into this folder, empty or not there")
    parser.add_argument("--name", default="loginetl:local", help="what an engine calls it that has loaded the archive")
    options = parser.parse_args()
    if not (options.out or options.root):
        parser.error("give --out, --root or both")
    return options


# --- the binary ----------------------------------------------------------------------------------


def check_elf(path, machine):
    """The dynamic linker that an ELF program of this machine names; refuses one that needs more than the image has."""
    interpreter, needed = read_elf(path, machine)
    if interpreter is None:
        raise Refused(f"{path} names no dynamic linker: it is a library or linked statically; build it with "
                      f"`cargo build --release` for {platform.machine()}-unknown-linux-gnu")
    if Path(interpreter).name != machine[2]:
        raise Refused(f"{path} wants the dynamic linker {interpreter}, not {machine[2]} of glibc; build it for "
                      f"{platform.machine()}-unknown-linux-gnu")
    check_needed(path, needed, machine)
    return interpreter


def check_needed(path, needed, machine):
    unexpected = sorted(set(needed) - LIBRARIES - {machine[2]})
    if unexpected:
        raise Refused(f"{path} needs {', '.join(unexpected)}, which the image does not hold; see which dependency "
                      f"links it (`cargo tree`), or add it to LIBRARIES of deploy/image.py on purpose")


def read_elf(path, machine):
    """(the dynamic linker or None, the names of the libraries) of an ELF file for this machine."""
    data = Path(path).read_bytes()
    if data[:4] != b"\x7fELF":
        raise Refused(f"{path} is no ELF file; name the program that `cargo build --release` has made")
    if data[4:6] != b"\x02\x01" or struct.unpack_from("<H", data, 18)[0] != machine[0]:
        raise Refused(f"{path} is a program for another machine than this {platform.machine()}; build it here")
    offset, size, count = *struct.unpack_from("<Q", data, 32), *struct.unpack_from("<HH", data, 54)
    headers = [struct.unpack_from("<IIQQQQQQ", data, offset + size * number) for number in range(count)]
    pieces = {kind: data[at:at + length] for kind, _, at, _, _, length, _, _ in headers if kind in (2, 3)}
    if 2 not in pieces:  # PT_DYNAMIC
        return None, []
    tags = list(struct.iter_unpack("<qQ", pieces[2][:len(pieces[2]) // 16 * 16]))
    if any(tag in (15, 29) for tag, _ in tags):  # DT_RPATH, DT_RUNPATH
        raise Refused(f"{path} looks for libraries in folders of its own (RPATH); link it without")
    strings = next(value for tag, value in tags if tag == 5)  # DT_STRTAB, an address
    strings = next(strings - address + at for kind, _, at, address, _, length, _, _ in headers
                   if kind == 1 and address <= strings < address + length)
    needed = [text_at(data, strings + value) for tag, value in tags if tag == 1]
    interpreter = text_at(pieces[3], 0) if 3 in pieces else None  # PT_INTERP
    return interpreter, needed


def text_at(data, start):
    return data[start:data.index(b"\0", start)].decode()


def ask(binary, interpreter):
    """What the program says of itself: its version, and the commit if it knows it."""
    done = subprocess.run([interpreter, str(binary.resolve()), "--version", "--verbose"], env={}, capture_output=True,
                          text=True, stdin=subprocess.DEVNULL, check=False)
    version = re.match(r"loginetl (\S+)\n", done.stdout)
    if done.returncode != 0 or not version:
        raise Refused(f"{binary} --version does not answer as loginetl does:\n{done.stdout}{done.stderr}")
    commit = re.search(r"^commit +([0-9a-f]{40})$", done.stdout, re.MULTILINE)
    return {"version": version.group(1), **({"revision": commit.group(1)} if commit else {})}


# --- the files -----------------------------------------------------------------------------------


def root_of(binary, machine):
    """All files of the image: {path: (mode, content)}; a folder's content is None."""
    libc = os.confstr("CS_GNU_LIBC_VERSION") if "CS_GNU_LIBC_VERSION" in os.confstr_names else ""
    if tuple(map(int, re.findall(r"\d+", libc)[:2])) < OLDEST_GLIBC:
        raise Refused(f"the C library of this machine is {libc or 'no glibc'}; the image needs glibc "
                      f"{'.'.join(map(str, OLDEST_GLIBC))} or newer, as Debian 12 and Ubuntu 22.04 have it")
    files = {PROGRAM: (0o755, binary.read_bytes())}
    sources = libraries(binary, machine)
    for path in sources:
        files[path.lstrip("/")] = (0o755, Path(path).read_bytes())
    files["etc/ssl/certs/ca-certificates.crt"] = (0o644, certificates())
    for path, text in accounts().items():
        files[path] = (0o644, text.encode())
    files.update(packages_of([*sources, str(CERTIFICATES / min(os.listdir(CERTIFICATES)))]))
    folders = {str(parent) for path in files for parent in Path(path).parents} | set(EMPTY_FOLDERS)
    files.update((folder, (0o755, None)) for folder in folders - {"."})
    return dict(sorted(files.items()))


def libraries(binary, machine):
    """Where the dynamic linker of this machine finds what the binary needs, itself included."""
    interpreter, needed = read_elf(binary, machine)
    listed = subprocess.run([interpreter, "--list", str(binary.resolve())], env={}, capture_output=True, text=True,
                            check=False)
    found = dict(re.findall(r"^\t(\S+) => (/\S+) \(0x", listed.stdout, re.MULTILINE))
    missing = sorted(set(needed) - set(found) - {machine[2]})
    if listed.returncode != 0 or missing:
        raise Refused(f"{interpreter} does not find {', '.join(missing) or 'all libraries'} for {binary}; "
                      f"install libc6 and libgcc-s1\n{listed.stderr}")
    for path in found.values():
        check_needed(path, read_elf(path, machine)[1], machine)
    return sorted({interpreter, *found.values()})


def certificates():
    """The roots that the package ships, without those that this machine trusts besides."""
    if not CERTIFICATES.is_dir():
        raise Refused(f"{CERTIFICATES} is not there: install ca-certificates")
    return b"".join(path.read_bytes().rstrip() + b"\n" for path in sorted(CERTIFICATES.glob("*.crt")))


def accounts():
    nowhere = "/nonexistent:/nonexistent"
    return {
        "etc/passwd": f"root:x:0:0:root:{nowhere}\nloginetl:x:{USER}:{USER}:loginetl:{nowhere}\n",
        "etc/group": f"root:x:0:\nloginetl:x:{USER}:\n",
        "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
    }


def packages_of(sources):
    """What scanners look for: the distribution, and which version of which package is in here, with its licence."""
    files = {}
    if Path("/etc/os-release").exists():
        files["etc/os-release"] = (0o644, Path("/etc/os-release").read_bytes())
    try:
        names = sorted({answer("dpkg-query", "-S", path).split(":")[0] for path in sources} - {""})
    except FileNotFoundError:  # no Debian: there is no such list
        return files
    for name in names:
        files[f"var/lib/dpkg/status.d/{name}"] = (0o644, answer("dpkg-query", "-s", name).encode())
        licence = Path(f"/usr/share/doc/{name}/copyright")
        if licence.exists():
            files[str(licence).lstrip("/")] = (0o644, licence.read_bytes())
    return files


def answer(*command):
    """What a command prints; nothing if it fails. dpkg knows a file of /lib under /usr/lib, or the other way round."""
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0 and command[-1].startswith("/lib"):
        return answer(*command[:-1], str(Path(command[-1]).resolve()))
    return done.stdout if done.returncode == 0 else ""


def unpack(files, folder, epoch):
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise Refused(f"{folder} is not empty; name an empty folder or a new one")
    for path, (mode, content) in files.items():
        place = folder / path
        if content is None:
            place.mkdir()
        else:
            place.write_bytes(content)
        place.chmod(mode)
    for path in [*reversed(files), "."]:  # a folder after what is in it
        os.utime(folder / path, (epoch, epoch))


# --- the archive ---------------------------------------------------------------------------------


def write_archive(files, said, architecture, options, epoch):
    """Writes the OCI archive, whole or not at all, and says what it is."""
    layer = tar(files, epoch)
    packed = gzip(layer)
    blobs = {}
    config = {
        "created": stamp(epoch), "architecture": architecture, "os": "linux",
        "config": {
            "User": f"{USER}:{USER}", "Env": ["PATH=/usr/local/bin"], "Entrypoint": [f"/{PROGRAM}"], "WorkingDir": "/",
            "Labels": {f"org.opencontainers.image.{key}": value for key, value in
                       {"title": "loginetl", "licenses": "Apache-2.0", **said}.items()},
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
        "history": [{"created": stamp(epoch), "created_by": "deploy/image.py"}],
    }
    manifest = {
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": blob(blobs, "config.v1+json", as_json(config)), "layers": [blob(blobs, "layer.v1.tar+gzip", packed)],
    }
    described = blob(blobs, "manifest.v1+json", as_json(manifest))
    described["platform"] = {"architecture": architecture, "os": "linux"}
    described["annotations"] = {"org.opencontainers.image.ref.name": options.name}
    index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [described]}
    content = {f"blobs/sha256/{name}": (0o644, data) for name, data in blobs.items()}
    content.update({"blobs": (0o755, None), "blobs/sha256": (0o755, None), "index.json": (0o644, as_json(index)),
                    "oci-layout": (0o644, as_json({"imageLayoutVersion": "1.0.0"}))})
    unfinished = options.out.with_name(f".{options.out.name}.{os.getpid()}")
    unfinished.write_bytes(tar(dict(sorted(content.items())), epoch))
    unfinished.replace(options.out)
    return (f"{options.out}: {options.name} {said['version']} for linux/{architecture}, {described['digest']}, "
            f"{len(packed) / 1e6:.1f} MB packed, {len(layer) / 1e6:.1f} MB unpacked")


def blob(blobs, kind, data):
    digest = hashlib.sha256(data).hexdigest()
    blobs[digest] = data
    return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": f"sha256:{digest}", "size": len(data)}


def tar(files, epoch):
    """A tar file of root's, in the order of `files`, with no time but `epoch`."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path, (mode, content) in files.items():
            entry = tarfile.TarInfo(path)
            entry.mode, entry.mtime = mode, epoch
            entry.type = tarfile.DIRTYPE if content is None else tarfile.REGTYPE
            entry.size = len(content or b"")
            archive.addfile(entry, io.BytesIO(content or b""))
    return out.getvalue()


def gzip(data):
    """Packed, under a header that tells neither time nor system, which the library's own may."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = packer.compress(data) + packer.flush()
    return b"\x1f\x8b\x08\0\0\0\0\0\x02\xff" + body + struct.pack("<II", zlib.crc32(data), len(data) & 0xFFFFFFFF)


def as_json(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def stamp(epoch):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(epoch))


if __name__ == "__main__":
    main()
