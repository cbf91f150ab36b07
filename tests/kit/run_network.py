"""The network that a pod sees: an address of its own, a DNS server, and the servers behind service addresses.

It is a network namespace with a loopback device alone. The pod's address and those of the services lie on that
device; what a container sends to a service, a relay out here passes on to the real server. So a loader that listens on
127.0.0.1 is not reached at the pod's address, and a service can be taken away without a word to the server.

Invariant: no device of the machine is touched, and the namespace is gone with this process at the latest.
"""

import contextlib
import ctypes
import fcntl
import http.client
import os
import select
import socket
import struct
import threading

import neighbours
from kit import LeftOut

NEW_NETWORK = 0x40000000
SET_ADDRESS, SET_MASK, GET_FLAGS, SET_FLAGS, UP = 0x8916, 0x891C, 0x8913, 0x8914, 1
POD = "10.244.1.5"
SERVICES = {"postgres.data.svc.cluster.local": "10.96.0.10", "aws.vpc.internal": "10.96.0.11"}
AGENT = "169.254.170.23"  # of EKS Pod Identity
LIBC = ctypes.CDLL(None, use_errno=True)


class Network:
    def __init__(self):
        self.closing = contextlib.ExitStack()
        ours = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        try:
            _call(LIBC.unshare, NEW_NETWORK)
            self.handle = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
            _addresses([POD, AGENT, *SERVICES.values()])
        finally:
            _call(LIBC.setns, ours, NEW_NETWORK)
            os.close(ours)
        self.closing.callback(os.close, self.handle)
        # By our process' own table of files: runc opens it while we live.
        self.path = f"/proc/{os.getpid()}/fd/{self.handle}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.closing.close()

    @contextlib.contextmanager
    def inside(self):
        """What this thread opens in the block lies in the namespace."""
        ours = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        try:
            _call(LIBC.setns, self.handle, NEW_NETWORK)
            yield
        finally:
            _call(LIBC.setns, ours, NEW_NETWORK)
            os.close(ours)

    def service(self, address, port, target):
        """A relay from an address and port in here to `target` on 127.0.0.1; ends with the network."""
        relay = Relay(self, address, port, target)
        self.closing.callback(relay.cut)
        return relay

    def dns(self, names):
        """A DNS server for these names {name: address}: its address."""
        server = neighbours.dns(names)
        with self.inside():
            address, _ = server.__enter__()

        def end():
            with self.inside():
                server.__exit__(None, None, None)
        self.closing.callback(end)
        return address

    def get(self, port, path, headers=None, timeout=1.0):
        """An HTTP answer of the pod, as who stands outside gets it: (status, body). No answer: OSError."""
        connection = http.client.HTTPConnection(POD, port, timeout=timeout)
        with self.inside():
            connection.sock = socket.create_connection((POD, port), timeout)
        with contextlib.closing(connection):
            try:
                connection.request("GET", path, headers={"User-Agent": "kube-probe", **(headers or {})})
                answer = connection.getresponse()
                return answer.status, answer.read().decode(errors="replace")
            except http.client.HTTPException as odd:
                raise OSError(f"no HTTP: {odd!r}") from odd


class Relay:
    """Passes connections on. `held`: takes them, and passes nothing on in that block. `cut`: nobody is there."""

    def __init__(self, network, address, port, target):
        self.network, self.place, self.target = network, (address, port), target
        self.changed, self.holding, self.pairs, self.listener = threading.Condition(), 0, set(), None
        self.restore()

    def restore(self):
        if self.listener is None:
            with self.network.inside():
                self.listener = socket.create_server(self.place)
            threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()

    def cut(self):
        """Ends what there is, and refuses what comes."""
        listener, self.listener = self.listener, None
        if listener is not None:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        for one in list(self.pairs):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    @contextlib.contextmanager
    def held(self):
        self._hold(1)
        try:
            yield self
        finally:
            self._hold(-1)

    def _hold(self, more):
        with self.changed:
            self.holding += more
            self.changed.notify_all()

    def _accept(self, listener):
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with self.changed:
            self.changed.wait_for(lambda: not self.holding)
        with contextlib.suppress(OSError), client, socket.create_connection(("127.0.0.1", self.target)) as behind:
            self.pairs |= {client, behind}
            try:
                while True:
                    for source in select.select([client, behind], [], [])[0]:
                        data = source.recv(65536)
                        if not data:
                            return
                        with self.changed:
                            self.changed.wait_for(lambda: not self.holding)
                        (behind if source is client else client).sendall(data)
            finally:
                self.pairs -= {client, behind}


def _addresses(addresses):
    """Sets the loopback device of this namespace up, with these addresses besides its own."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        _flags_up(any_socket, b"lo")
        for number, address in enumerate(addresses, 1):
            name = f"lo:{number}".encode()
            for request, value in ((SET_ADDRESS, address), (SET_MASK, "255.255.255.255")):
                packed = struct.pack("16sH2s4s8x", name, socket.AF_INET, b"", socket.inet_aton(value))
                fcntl.ioctl(any_socket, request, packed)


def _flags_up(any_socket, name):
    asked = fcntl.ioctl(any_socket, GET_FLAGS, struct.pack("16sH14x", name, 0))
    flags = struct.unpack_from("16sH", asked)[1]
    fcntl.ioctl(any_socket, SET_FLAGS, struct.pack("16sH14x", name, flags | UP))


def _call(function, *arguments):
    if function(*arguments) != 0:
        raise LeftOut(f"no network namespace can be made or entered here: {os.strerror(ctypes.get_errno())}")
