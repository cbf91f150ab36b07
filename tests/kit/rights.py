"""The rights of each role: every call that the commands make, decided by the policies that create-keys.sh fills in.

Invariant: a file of keys/ is called proved only when tests/rights has read it, filled in, and come to its end.
"""

import os

from kit import REPOSITORY, Failed

AWS = "AWS' own decision: tests/policy follows its published rules"

CALLS = "every recorded call of its role is allowed; each right taken out breaks one"
KEY = ("every recorded call is allowed by it alone; each right taken from each role breaks one, but "
       "AdministerNeverUse, which is for people and compared with a list; each Deny denies beside `kms:*` on `*`, "
       "and is in the table")
PODS = "its pods of its cluster are let in; of another namespace, name, cluster or audience none"
PROOFS = {
    "keys/iam": {
        "auditor.json": CALLS,
        "init.json": CALLS,
        "loader.json": CALLS + ", but SeeTheDeadLetters, which is asked by the clock; each Deny is in the table",
        "masker.json": CALLS + "; each Deny is in the table",
        "rotator.json": CALLS,
        "scaler.json": "the call of an autoscaler is allowed, and nothing else",
        "unmasker.json": CALLS,
    },
    "keys/policies": {"audit.json": KEY, "ingest.json": KEY, "recovery.json": KEY},
    "keys/trust": {
        "ecs-tasks.json": "tasks of this account and region are let in; others, and other services, are not",
        "irsa.json": PODS,
        "pod-identity.json": PODS,
    },
}


def run(kit):
    environment = dict(os.environ)
    environment.pop("LOGINETL_BLESS", None)  # the page is compared here, not written
    said = kit.run("cargo", "test", "--locked", "--test", "rights", timeout=900, env=environment)
    if "test result: ok." not in said:
        raise Failed(f"cargo test --test rights says neither ok nor what is wrong:\n{said}")
    kit.proved("keys/create-keys.sh", "the policies that it filled in and gave to KMS decided the calls")
    for folder, proofs in PROOFS.items():
        found = {path.name for path in (REPOSITORY / folder).glob("*.json")}
        if found != set(proofs):
            raise Failed(f"{folder}: has {sorted(found)}, and tests/rights is known to read {sorted(proofs)}")
        for name, how in proofs.items():
            kit.proved(f"{folder}/{name}", how)
            kit.cannot(f"{folder}/{name}", AWS)
