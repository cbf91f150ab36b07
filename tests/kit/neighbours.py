"""What stands beside a loader in production and not in tests/env: an authority of one's own, TLS before AWS, a
PostgreSQL that speaks TLS, a DNS server.

Invariant: each listens on a loopback address alone and is gone when its block ends; keys and certificates lie in the
check's scratch folder and are good for two days.
"""

import contextlib
import os
import select
import socket
import ssl
import struct
import sys
import threading

import tools
from kit import REPOSITORY, Failed, LeftOut

sys.path.insert(1, str(REPOSITORY / "tests/env"))

import install  # noqa: E402
import servers  # noqa: E402

CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


class Authority:
    """A certificate authority that nobody else knows."""

    def __init__(self, kit, name):
        self.kit, self.folder = kit, kit.scratch / f"authority-{name}"
        self.folder.mkdir()
        self.folder.chmod(0o755)
        self.certificate = self.folder / "ca.pem"
        kit.run("openssl", "req", "-x509", *CURVE, "-days", "2", "-subj", f"/CN=loginetl kit {name}",
                "-addext", "keyUsage=critical,keyCertSign", "-keyout", self.folder / "ca.key", "-out", self.certificate)
        self.certificate.chmod(0o644)

    def issue(self, *names):
        """(certificate, key) of a server with these names."""
        stem = self.folder / names[0]
        kit, certificate, key = self.kit, stem.with_suffix(".pem"), stem.with_suffix(".key")
        extensions = stem.with_suffix(".ext")
        lines = ["subjectAltName=" + ",".join(f"DNS:{name}" for name in names), "basicConstraints=CA:FALSE",
                 "extendedKeyUsage=serverAuth", ""]
        extensions.write_text("\n".join(lines), encoding="utf-8")
        kit.run("openssl", "req", *CURVE, "-subj", f"/CN={names[0]}", "-keyout", key, "-out", stem.with_suffix(".csr"))
        kit.run("openssl", "x509", "-req", "-in", stem.with_suffix(".csr"), "-CA", self.certificate, "-CAkey",
                self.folder / "ca.key", "-CAcreateserial", "-days", "2", "-extfile", extensions, "-out", certificate)
        return certificate, key


@contextlib.contextmanager
def tls_front(certificate, key, port):
    """A server on 127.0.0.1 that takes TLS and passes what is in it on to `port`; yields its own port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_accept, args=(listener, context, port), daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts


def _accept(listener, context, port):
    with contextlib.suppress(OSError):
        while True:
            client, _ = listener.accept()
            threading.Thread(target=_serve, args=(client, context, port), daemon=True).start()


def _serve(client, context, port):
    with contextlib.suppress(OSError), client:
        with (context.wrap_socket(client, server_side=True) as inside,
              socket.create_connection(("127.0.0.1", port)) as behind):
            # One thread reads both, for a TLS connection must not be read and written by two at once.
            while True:
                for source in [inside] if inside.pending() else select.select([inside, behind], [], [])[0]:
                    data = source.recv(65536)
                    if not data:
                        return
                    (behind if source is inside else inside).sendall(data)


@contextlib.contextmanager
def tls_postgres(certificate, key):
    """A PostgreSQL of Debian's that speaks TLS, for the pinned one is built without; yields its port."""
    programs = tools.debian("postgresql", without="libllvm") / "bin"
    try:
        with servers.private_folder() as ledger:
            owner = install.as_postgres()
            copies = [ledger.base / "server.pem", ledger.base / "server.key"]
            for copy, source in zip(copies, (certificate, key), strict=True):
                copy.write_bytes(source.read_bytes())
                copy.chmod(0o600)
                if owner:
                    os.chown(copy, owner["user"], owner["group"])
            flags = {"ssl": "on", "ssl_cert_file": copies[0], "ssl_key_file": copies[1], "fsync": "off"}
            child, port, data, log = servers.start_postgres(ledger, programs, flags, None)
            servers.await_postgres(ledger, child, port, data, log)
            yield port
    except (install.EnvError, servers.PortTaken) as error:
        raise Failed(f"PostgreSQL with TLS: {error}") from error


@contextlib.contextmanager
def dns(names):
    """A DNS server that knows these names: {name: address}. Yields (its address, the names that it was asked for).

    It listens on port 53 of a loopback address that nobody uses, for resolv.conf has no place for a port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        for number in range(1, 200):
            try:
                server.bind((f"127.53.53.{number}", 53))
                break
            except OSError as error:
                refusal = error
        else:
            raise LeftOut(f"no port 53 on a loopback address for a DNS server of one's own: {refusal}")
        asked = []
        threading.Thread(target=_answer_dns, args=(server, names, asked), daemon=True).start()
        try:
            yield server.getsockname()[0], asked
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stop:
                stop.sendto(b"", server.getsockname())


def _answer_dns(server, names, asked):
    """Answers questions for A records until an empty packet comes; of other types a known name has none."""
    while packet := server.recvfrom(512):
        query, client = packet
        if not query:
            return
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode())
            at += 1 + query[at]
        name, kind = ".".join(labels), struct.unpack_from("!H", query, at + 1)[0]
        asked.append(name)
        address = names.get(name)
        answer = b""
        if address and kind == 1:  # A
            answer = struct.pack("!HHHLH4s", 0xC00C, 1, 1, 5, 4, socket.inet_aton(address))
        flags = 0x8580 | (0 if address else 3)
        header = query[:2] + struct.pack("!HHHHH", flags, 1, 1 if answer else 0, 0, 0)
        server.sendto(header + query[12:at + 5] + answer, client)
