"""A second implementation: unwraps the data keys by KMS and opens every token and checks every hash.

Reads one JSON object from standard input (keys and rows as the tables hold them), prints one JSON array of
[user_id, ip, device_id]. Shares no code with loginetl: boto3 for KMS, `cryptography` for AES-SIV, HKDF and HMAC.
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
    for user_id, masked_ip, masked_device_id, ip_hash, device_id_hash in given["rows"]:
        ip = open_token(keys, masked_ip, "ip", "ip1")
        device = open_token(keys, masked_device_id, "device_id", "dev1")
        assert hash_of(hash_key, "ip", ip) == ip_hash and hash_of(hash_key, "device_id", device) == device_id_hash
        address = ipaddress.IPv6Address(ip)
        text, padding = device.rstrip(b"\0")[:-1], device.rstrip(b"\0")[-1:]
        assert padding == b"\x80"
        opened.append([user_id, str(address.ipv4_mapped or address), text.decode()])
    json.dump(opened, sys.stdout)


if __name__ == "__main__":
    main()
