"""Network namespaces: a world where the servers are, and pods that reach it through a firewall made of a
NetworkPolicy.

    with World(kit) as world:                    its addresses are ADDRESSES
        world.socket("postgres", 5432)           a socket that listens there, for relays in here
        pod = world.pod(egress, ingress)         a namespace whose one neighbour is the world
        pod.start("loginetl", "load", …)

Each pod hangs on a link of its own, so that pods with different rules run side by side. Nothing leads from the
world to the machine but what relays pass on.

Invariant: with the end of the block every namespace, link and process of it is gone; the machine's own network
was never changed.
"""

import contextlib
import ctypes
import os
import shutil
import socket
import subprocess
import threading
import time

import tools
from kit import Failed, LeftOut, needs_root

CLONE_NEWNET = 0x40000000
# Documentation addresses; the last is the one that EKS gives its agent for Pod Identity.
ADDRESSES = {"postgres": "198.51.100.5", "sqs": "198.51.100.11", "kms": "198.51.100.12", "sts": "198.51.100.13",
             "dns": "198.51.100.53", "monitoring": "198.51.100.90", "stranger": "198.51.100.66",
             "agent": "169.254.170.23"}
SHELL = ('mount --bind "$1" /etc/resolv.conf && mount --bind "$2" /etc/hosts && shift 2 && '
         'exec setpriv --reuid 10001 --regid 10001 --clear-groups --no-new-privs "$@"')


class Space:
    """A network namespace, as long as a process of ours sleeps in it."""

    def __init__(self, kit):
        self.kit = kit
        self.holder = subprocess.Popen(["unshare", "--net", "--", "sh", "-c", "echo && read _"], text=True,
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if self.holder.stdout.readline() != "\n":
            raise LeftOut(f"no network namespace can be made here: {self.holder.stderr.read().strip()}")
        self.path = f"/proc/{self.holder.pid}/ns/net"
        self.each("ip link set lo up")

    def each(self, *commands):
        self.run("sh", "-ec", "\n".join(commands))

    def run(self, *command, **options):
        return self.kit.run("nsenter", f"--net={self.path}", *command, **options)

    @contextlib.contextmanager
    def entered(self):
        """This thread is in there; sockets that it makes stay in there."""
        libc = ctypes.CDLL(None, use_errno=True)
        with open("/proc/thread-self/ns/net", "rb") as ours, open(self.path, "rb") as theirs:
            if libc.setns(theirs.fileno(), CLONE_NEWNET) != 0:
                raise LeftOut(f"a network namespace cannot be entered: {os.strerror(ctypes.get_errno())}")
            try:
                yield
            finally:
                if libc.setns(ours.fileno(), CLONE_NEWNET) != 0:
                    raise Failed("the way back out of a network namespace is closed")

    def end(self):
        self.holder.stdin.close()
        self.holder.wait(timeout=10)
        self.holder.stdout.close()
        self.holder.stderr.close()


class World(Space):
    def __init__(self, kit):
        needs_root("a network namespace with a firewall")
        for program in ("ip", "unshare", "nsenter", "setpriv"):
            if not shutil.which(program):
                raise LeftOut(f"{program} is not on this machine")
        self.nft = tools.debian("nftables") / "bin/nft"
        super().__init__(kit)
        self.pods = []

    def __enter__(self):
        self.each(*(f"ip address add {address}/32 dev lo" for address in ADDRESSES.values()))
        return self

    def __exit__(self, *_):
        for space in (*self.pods, self):
            space.end()

    def socket(self, name, port, kind=socket.SOCK_STREAM):
        with self.entered():
            if kind == socket.SOCK_STREAM:
                return socket.create_server((ADDRESSES[name], port), backlog=128)
            made = socket.socket(socket.AF_INET, kind)
            made.bind((ADDRESSES[name], port))
            return made

    def pod(self, egress, ingress, without=()):
        """A pod that these conditions let through, each way: see net_policy.passes."""
        pod = Pod(self, len(self.pods) + 1)
        self.pods.append(pod)
        pod.guard(egress, ingress, without)
        return pod

    def reaches(self, address, port, source=None):
        """Whether a connection from the world comes about."""
        with self.entered():
            return connects(address, port, (source, 0) if source else None)


class Pod(Space):
    def __init__(self, world, number):
        super().__init__(world.kit)
        self.world, self.number, self.started = world, number, []
        self.node, self.address = f"10.64.{number}.1", f"10.64.{number}.2"
        link = f"pod{number}"
        world.each(f"ip link add name {link} type veth peer name eth0 netns {self.holder.pid}",
                   f"ip address add {self.node}/30 dev {link}", f"ip link set {link} up")
        self.each(f"ip address add {self.address}/30 dev eth0", "ip link set eth0 up",
                  f"ip route add default via {self.node}")

    def guard(self, egress, ingress, without):
        """Lets only these through, and drops what goes to the addresses `without`.

        What a pod sends is dropped behind its end of the link, as by a network plugin: it gets no answer, and no error
        either."""
        first = [f'iifname != "pod{self.number}" accept', *(f"ip daddr {address} drop" for address in without)]
        self.load(self.world, f"pod{self.number}", first, egress)
        self.load(self, "kit", ["iif lo accept", f"ip saddr {self.node} accept"], ingress)

    def load(self, space, table, first, passing):
        allowed = ["accept"] if passing is None else [f"{one} accept" for one in passing]
        lines = [*first, "ct state established,related accept", *allowed, "drop"]
        file = self.kit.scratch / f"{table}-{self.number}.nft"
        chain = "".join(f"  {line}\n" for line in ["type filter hook input priority 0; policy accept;", *lines])
        file.write_text(f"table inet {table} {{\n chain input {{\n{chain} }}\n}}\n", encoding="utf-8")
        space.run(self.world.nft, "--file", file)

    def start(self, *command, env, resolv, hosts):
        """Starts a command in there as user 10001, with these files as /etc/resolv.conf and /etc/hosts."""
        words = ["nsenter", f"--net={self.path}", "unshare", "--mount", "sh", "-c", SHELL, "sh", resolv, hosts]
        started = Started(self, command, subprocess.Popen(
            [str(word) for word in (*words, *command)], env={"PATH": os.environ["PATH"], **env}, text=True, cwd="/",
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE))
        self.started.append(started)
        return started

    def reaches(self, name, port):
        with self.entered():
            return connects(ADDRESSES[name], port)

    def end(self):
        for one in self.started:
            if one.process.poll() is None:
                one.process.kill()
            one.thread.join()
        super().end()


class Started:
    """A command in a pod; a thread of its own reads what it says, and notes when it ended."""

    def __init__(self, pod, command, process):
        self.pod, self.command, self.process, self.began = pod, command, process, time.monotonic()
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        self.out, self.err = self.process.communicate()
        self.seconds = time.monotonic() - self.began

    def wait(self, expect, timeout):
        """(stdout, stderr, seconds from its start to its end); another exit code fails, unless None is expected."""
        self.thread.join(timeout)
        if self.thread.is_alive():
            raise Failed(f"{self} did not end within {timeout} s")
        if expect is not None and self.process.returncode != expect:
            raise Failed(f"{self} ended with {self.process.returncode}, not {expect}:\n{self.out}{self.err}")
        return self.out, self.err, self.seconds

    def __str__(self):
        return f"`loginetl {' '.join(self.command[1:])}` in pod {self.pod.number}"


def connects(address, port, source=None):
    """Within half a second: what a firewall drops gets no answer."""
    try:
        socket.create_connection((address, port), timeout=0.5, source_address=source).close()
    except OSError:
        return False
    return True
