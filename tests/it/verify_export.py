"""A second implementation of the audit chain: verifies an export as docs/formats.md describes it. EXPORT.jsonl KEY.pem

Invariant: it shares nothing with the program but the description.
"""

import base64
import hashlib
import json
import sys

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

export, pem = sys.argv[1:]
public_key = load_pem_public_key(open(pem, "rb").read())
previous, signed = bytes(32), 0
for number, line in enumerate(open(export, encoding="utf-8"), 1):
    r = json.loads(line)
    assert r["seq"] == number, f"record {number} is missing"
    assert bytes.fromhex(r["prev_hash"]) == previous, f"record {number} does not continue the chain"
    texts = ["loginetl/audit/v1", str(r["seq"]), r["at"], r["xid"], r["db_user"], r["client"], r["application_name"], r["kind"], r["record"]]
    parts = [None if text is None else text.encode() for text in texts] + [previous]
    message = b"".join(b"\0" if part is None else b"\1" + len(part).to_bytes(4, "big") + part for part in parts)
    previous = hashlib.sha256(message).digest()
    assert bytes.fromhex(r["hash"]) == previous, f"record {number} was changed"
    if r["signature"] is not None:
        public_key.verify(base64.b64decode(r["signature"]), message, ec.ECDSA(SHA256()))
        signed += 1
print(f"{number} records, {signed} signed")
