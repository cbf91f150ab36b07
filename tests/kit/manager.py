"""A systemd of one's own: the machine's, as the first process in namespaces, over a copy of the machine's files.

The copy is an overlay: what is written there lies in memory and is gone with it. Of the machine's units only
those of the basic targets start that a container needs. The network is the machine's, for the servers listen
on 127.0.0.1.

    outside: `with Manager(kit, files) as manager`, then `manager.systemctl(…)`, `manager.place(…)`
    inside:  this file as a program makes the overlay and becomes systemd

Invariant: when the block ends, no process, mount or control group of it is left, and the machine's files are
as they were.
"""

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

from kit import Failed, LeftOut, needs_root

NAMESPACES = ["unshare", "--mount", "--pid", "--ipc", "--uts", "--cgroup", "--fork", "--kill-child"]
SYSTEMD = "/lib/systemd/systemd"
CGROUPS, CGROUP = Path("/sys/fs/cgroup"), "loginetl-kit-units"
HIERARCHIES = {"systemd": "none,name=systemd", "memory": "memory"}  # of control groups version 1, what is needed
TARGET_FILE = "etc/systemd/system/kit.target"
TARGET = "[Unit]\nRequires=basic.target\nAfter=basic.target\nAllowIsolate=yes\n"
KEPT = ("systemd-journald", "systemd-tmpfiles-setup.service")  # of the machine's units; the others wait for devices


class Manager:
    """`files`: {path in there: (content, mode)}."""

    def __init__(self, kit, files):
        needs_root("a systemd of one's own")
        if not os.access(SYSTEMD, os.X_OK):
            raise LeftOut(f"{SYSTEMD} is not on this machine")
        self.kit, self.files, self.groups, self.pid = kit, files, [], None

    def __enter__(self):
        try:
            self.stage()
            self.log = open(self.kit.scratch / "manager.log", "wb")
            self.process = subprocess.Popen(
                [*NAMESPACES, sys.executable, __file__, str(self.kit.scratch)], stdout=self.log, stderr=self.log,
                stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=self.join)
            self.wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def stage(self):
        """The files that are put over the machine's, and the control groups."""
        files = {**self.files, TARGET_FILE: (TARGET.encode(), 0o644)}
        for path, (content, mode) in files.items():
            place = self.kit.scratch / "over" / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
            place.chmod(mode)
        tops = [CGROUPS] if (CGROUPS / "cgroup.controllers").exists() else \
            [CGROUPS / name for name in (*HIERARCHIES, "unified") if (CGROUPS / name / "cgroup.procs").exists()]
        for top in tops:
            try:
                (top / CGROUP).mkdir(exist_ok=True)
            except OSError as error:
                raise LeftOut(f"this machine lets nobody make control groups: {error}") from error
            self.groups.append(top / CGROUP)

    def join(self):
        for group in self.groups:
            (group / "cgroup.procs").write_text(str(os.getpid()))

    def wait(self):
        deadline, state = time.monotonic() + 30, ""
        while state not in ("running", "degraded"):
            if self.process.poll() is not None or time.monotonic() > deadline:
                log = (self.kit.scratch / "manager.log").read_text(errors="replace")[-2000:]
                kind = LeftOut if "not permitted" in log and self.process.poll() is not None else Failed
                raise kind(f"systemd does not come up in namespaces of its own, it is {state or 'not there'}:\n{log}")
            time.sleep(0.1)
            children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
            self.pid = int(children[0]) if children else None
            # Before it has its own root, systemctl in there would speak to the machine's systemd.
            if self.pid and self.place(TARGET_FILE).exists():
                state = self.systemctl("is-system-running", expect=None).strip().rpartition("\n")[2]

    def run(self, *words, expect=0, timeout=60):
        """Runs a command in there; its output."""
        enter = ["nsenter", "--target", str(self.pid), "--mount", "--pid", "--ipc", "--uts", "--cgroup", "--"]
        return self.kit.run(*enter, *words, expect=expect, timeout=timeout, cwd="/")

    def systemctl(self, *words, **options):
        return self.run("systemctl", "--no-pager", *words, **options)

    def show(self, unit, *names):
        """Properties of a unit."""
        said = self.systemctl("show", unit, *(f"--property={name}" for name in names))
        return dict(line.partition("=")[::2] for line in said.splitlines())

    def journal(self, unit):
        return self.run("journalctl", "--no-pager", "--quiet", "--output=cat", "--unit", unit, expect=None)

    def place(self, path):
        """A file in there, seen from out here."""
        return Path(f"/proc/{self.pid}/root/{path}")

    def __exit__(self, *_):
        if hasattr(self, "process"):
            self.process.kill()  # and with it, by --kill-child, the first process, and with that all others
            self.process.wait()
        deadline = time.monotonic() + 10
        for group in self.groups:
            while group.exists() and time.monotonic() < deadline:
                for folder in sorted(group.rglob("*"), key=lambda path: -len(path.parts)):
                    if folder.is_dir():
                        with contextlib.suppress(OSError):
                            folder.rmdir()
                with contextlib.suppress(OSError):
                    group.rmdir()
                    break
                time.sleep(0.1)


# --- inside --------------------------------------------------------------------------------------


def become_systemd(scratch):
    """Puts an overlay over the machine's files, makes it the root, and goes on as systemd."""
    overlay, root = Path(scratch) / "overlay", Path(scratch) / "overlay/root"
    overlay.mkdir()
    command("mount", "--make-rprivate", "/")
    command("mount", "-t", "tmpfs", "tmpfs", overlay)
    for name in ("upper", "work", "root"):
        (overlay / name).mkdir()
    layers = f"lowerdir=/,upperdir={overlay}/upper,workdir={overlay}/work"
    command("mount", "-t", "overlay", "-o", layers, "overlay", root)
    for kind, place, *options in (
            ("proc", "proc"), ("sysfs", "sys", "-o", "ro"), ("tmpfs", "run", "-o", "mode=755"), ("tmpfs", "tmp"),
            ("tmpfs", "var/tmp"), ("tmpfs", "var/lib/private", "-o", "mode=700")):
        (root / place).mkdir(exist_ok=True)
        command("mount", "-t", kind, *options, kind, root / place)
    command("mount", "--rbind", "/dev", root / "dev")
    control_groups(root / "sys/fs/cgroup")
    units(root)
    command("cp", "-a", f"{scratch}/over/.", root)
    os.chdir(root)
    Path("old").mkdir()
    command("pivot_root", ".", "old")
    command("umount", "--lazy", "/old")
    command("mount", "--make-rshared", "/")  # systemd hands credentials to a service by a mount
    os.execve(SYSTEMD, [SYSTEMD, "--unit=kit.target", "--log-target=console", "--show-status=no"],
              {"container": "kit", "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"})


def control_groups(place):
    if (CGROUPS / "cgroup.controllers").exists():
        command("mount", "-t", "cgroup2", "cgroup2", place)
        return
    command("mount", "-t", "tmpfs", "tmpfs", place)
    for name, options in HIERARCHIES.items():
        (place / name).mkdir()
        command("mount", "-t", "cgroup", "-o", options, "cgroup", place / name)


def units(root):
    """None of the machine's own units but what the basic targets need."""
    command("rm", "-rf", *(root / "etc/systemd/system").iterdir(), root / "etc/loginetl")
    for wanted in sorted((root / "lib/systemd/system").glob("*.wants/*")):
        mask = root / "etc/systemd/system" / wanted.name
        if wanted.suffix not in (".target", ".slice") and not wanted.name.startswith(KEPT) and not mask.is_symlink():
            mask.symlink_to("/dev/null")


def command(*words):
    subprocess.run([str(word) for word in words], check=True, stdin=subprocess.DEVNULL)


if __name__ == "__main__":
    become_systemd(sys.argv[1])
