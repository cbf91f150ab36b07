"""Makes an export of an audit log without a database, for `make bench`. Needs cryptography: $LOGINETL_TEST_PYTHON has it.

    bench_audit.py FOLDER RECORDS    writes audit.jsonl, and audit.pem: the public half of a key that exists only here

Invariant: every record is signed and true to the format (src/audit/entry.rs): requests and their outcomes in turn, each
outcome with the digest of its request's signature. An even number of RECORDS leaves no request open.
"""

import base64
import hashlib
import json
import struct
import sys
from datetime import datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

BEGIN = datetime(2026, 1, 1)
KEY_ARN = "arn:aws:kms:us-east-1:000000000000:key/00000000-0000-0000-0000-000000000000"


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    folder, key = Path(sys.argv[1]), ec.generate_private_key(ec.SECP256R1())
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    (folder / "audit.pem").write_bytes(public)
    with open(folder / "audit.jsonl", "w", encoding="ascii") as out:
        for entry in entries(key, int(sys.argv[2])):
            out.write(json.dumps(entry, separators=(",", ":")) + "\n")


def entries(key, count):
    before, request_signature = bytes(32), b""
    for seq in range(1, count + 1):
        is_request = seq % 2 == 1
        record = request(seq) if is_request else outcome(seq, request_signature)
        entry = {
            "seq": seq,
            "at": moment(seq),
            "xid": str(1000 + 2 * seq),
            "db_user": "bench_unmasker",
            "client": "127.0.0.1/32",
            "application_name": "loginetl unmask",
            "kind": "unmask.request" if is_request else "unmask.outcome",
            "record": json.dumps(record),
        }
        message = signed_bytes(entry, before)
        entry["prev_hash"], before = before.hex(), hashlib.sha256(message).digest()
        request_signature = key.sign(message, ec.ECDSA(hashes.SHA256()))
        entry["hash"], entry["key_arn"] = before.hex(), KEY_ARN
        entry["signature"], entry["signed_at"] = base64.b64encode(request_signature).decode(), moment(seq)
        yield entry


def signed_bytes(entry, before):
    """Ten parts, each 0x00 for null, else 0x01, its length as four bytes, its bytes."""
    names = ["seq", "at", "xid", "db_user", "client", "application_name", "kind", "record"]
    parts = [b"loginetl/audit/v1", *(str(entry[name]).encode() for name in names), before]
    return b"".join(b"\x01" + struct.pack(">I", len(part)) + part for part in parts)


def request(seq):
    return {
        "reason": "benchmark", "ticket": None, "key_ids": [1, 2], "version": "0.1.0", "max_values": 1000,
        "declared": {"os_user": None, "audit_key": "alias/loginetl-audit"},
        "selectors": [f"ip-hash {hash_of(seq)}"], "unreadable_lines": 0,
    }


def outcome(seq, request_signature):
    digest = hashlib.sha256(request_signature).hexdigest()
    return {
        "rows": 1, "shown": 1, "failed": 0, "values": [f"ip {hash_of(seq - 1)}"], "request": seq - 1,
        "not_found": 0, "request_signature": digest,
    }


def hash_of(number):
    """Looks like the hash of a value."""
    digits = hashlib.sha256(str(number).encode()).hexdigest()
    return f"{digits[:8]}-{digits[8:12]}-8{digits[13:16]}-8{digits[17:20]}-{digits[20:32]}"


def moment(seq):
    return (BEGIN + timedelta(seconds=seq)).isoformat(timespec="microseconds") + "Z"


if __name__ == "__main__":
    main()
