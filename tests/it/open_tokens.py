"""A second implementation: unwraps the data keys by KMS and opens every token and checks every hash.

Reads one JSON object from standard input (keys and rows as the tables hold them: a row is user_id, a token of
each field that is masked, then their hashes, in the order of FIELDS), prints one JSON array of
[user_id, ip, device_id]. Where user ids are masked, the column is null and the token is opened. Shares no code with loginetl: boto3 for KMS, `cryptography` for AES-SIV, HKDF and HMAC.
"""

import base64
import hashlib
import hmac
import ipaddress
import json
import sys
import uuid

import boto3
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

FIELDS = [("ip", "ip1"), ("device_id", "dev1"), ("user_id", "usr1")]


def derive(key, label, field, length):
    info = label + bytes([len(field)]) + field.encode()
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=info).derive(key)


def open_token(keys, token, field, prefix):
    found, key_id, body = token.split(".")
    assert found == prefix, token
    sealed = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
    associated = b"loginetl\x01" + bytes([len(field)]) + field.encode() + int(key_id).to_bytes(4, "big")
    return AESSIV(derive(keys[int(key_id)], b"loginetl/siv/v1", field, 64)).decrypt(sealed, [associated])


def hash_of(key, field, plaintext):
    mac = bytearray(hmac.new(derive(key, b"loginetl/hash/v1", field, 32), plaintext, hashlib.sha256).digest()[:16])
    mac[6] = mac[6] & 0x0F | 0x80
    mac[8] = mac[8] & 0x3F | 0x80
    return str(uuid.UUID(bytes=bytes(mac)))


def address(plaintext):
    ip = ipaddress.IPv6Address(plaintext)
    return str(ip.ipv4_mapped or ip)


def unpadded(plaintext):
    text, padding = plaintext.rstrip(b"\0")[:-1], plaintext.rstrip(b"\0")[-1:]
    assert padding == b"\x80" and len(plaintext) == (len(text) // 16 + 1) * 16
    return text.decode()


def main():
    given = json.load(sys.stdin)
    kms = boto3.client("kms")
    keys, hash_key = {}, None
    for key_id, purpose, holder, arn, wrapped in given["wraps"]:
        context = {"app": "loginetl", "purpose": purpose, "key_id": str(key_id), "holder": holder}
        answer = kms.decrypt(KeyId=arn, CiphertextBlob=bytes.fromhex(wrapped), EncryptionContext=context)
        assert keys.setdefault(key_id, answer["Plaintext"]) == answer["Plaintext"], "both wraps hold one key"
        hash_key = answer["Plaintext"] if purpose == "hash" else hash_key
    opened = []
    for user_id, *masked in given["rows"]:
        count = len(masked) // 2
        values = {}
        for (field, prefix), token, its_hash in zip(FIELDS, masked[:count], masked[count:], strict=False):
            plaintext = open_token(keys, token, field, prefix)
            assert hash_of(hash_key, field, plaintext) == its_hash, token
            values[field] = address(plaintext) if field == "ip" else unpadded(plaintext)
        assert (user_id is None) == ("user_id" in values), "a user id is clear or masked"
        opened.append([values.get("user_id", user_id), values["ip"], values["device_id"]])
    json.dump(opened, sys.stdout)


if __name__ == "__main__":
    main()
