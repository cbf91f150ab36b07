"""The rights of each role: every call that the commands make, decided by the policies that create-keys.sh fills in.

Invariant: a file of keys/ is called proved only when tests/rights has read it, filled in, and come to its end.
"""

import os

from kit import REPOSITORY, Failed

AWS = "AWS' own decision: tests/policy follows its published rules"


def run(kit):
    environment = dict(os.environ)
    environment.pop("LOGINETL_BLESS", None)  # the page is compared here, not written
    said = kit.run("cargo", "test", "--locked", "--test", "rights", timeout=900, env=environment)
    if "test result: ok." not in said:
        raise Failed(f"cargo test --test rights says neither ok nor what is wrong:\n{said}")
    kit.proved("keys/create-keys.sh", "the policies that it filled in and gave to KMS decided the calls")
    note(kit, "keys/iam", "every recorded call of its role is allowed; each right taken out breaks one",
         {"scaler.json": "the call of an autoscaler is allowed, and nothing else"})
    note(kit, "keys/policies", "every recorded call is allowed by it alone; each right taken from each role breaks "
                               "one; each Deny denies beside `kms:*` on `*`; what the page denies is denied", {})
    note(kit, "keys/trust", "its pods of its cluster are let in; of another namespace, name, cluster or audience none",
         {"ecs-tasks.json": "tasks of this account and region are let in; others, and other services, are not"})


def note(kit, folder, how, others):
    for path in sorted((REPOSITORY / folder).glob("*.json")):
        name = f"{folder}/{path.name}"
        kit.proved(name, others.get(path.name, how))
        kit.cannot(name, AWS)
