"""What the Job controller does with a pod that has ended: the rules of podFailurePolicy, in Kubernetes' order.

    rule        the first that matches decides; none: the failure is counted
    FailJob     the Job has failed, no further pod
    Ignore      another pod, and the failure is not counted
    Count       counted; more failures than backoffLimit, and the Job has failed

Invariant: what a policy may not say (an operator, an action, 0 among the codes of In, another restartPolicy than Never)
is refused, as the API server refuses it.
"""

import dataclasses

from kit import Failed
from run_fields import Fields

FAIL, IGNORE, COUNT, COMPLETE = "FailJob", "Ignore", "Count", "Complete"
MOST_CODES, MOST_RULES = 255, 20
EVICTED = (("DisruptionTarget", "True"),)


@dataclasses.dataclass
class Rule:
    action: str
    codes: tuple = ()       # (container or None, operator, values)
    conditions: tuple = ()  # (type, status), …

    def matches(self, ended, conditions):
        """`ended` is {container: exit code}, `conditions` are (type, status) of the pod."""
        if not self.codes:
            return any(one in self.conditions for one in conditions)
        container, operator, values = self.codes
        # A container that ended with 0 has no say, whatever the operator.
        failed = [code for name, code in ended.items() if code != 0 and container in (None, name)]
        return any((code in values) == (operator == "In") for code in failed)


@dataclasses.dataclass
class Policy:
    rules: list
    backoff: int
    where: str

    def outcome(self, ended, conditions=()):
        """Of one pod that has failed: FailJob, Ignore or Count; Complete for one that has not."""
        if not any(ended.values()):  # evicted or not
            return COMPLETE
        return next((rule.action for rule in self.rules if rule.matches(ended, conditions)), COUNT)

    def after(self, pods):
        """What becomes of the Job whose pods end so, one after the other: (Complete, Failed or waiting, pods used)."""
        counted = 0
        for number, (ended, conditions) in enumerate(pods, 1):
            outcome = self.outcome(ended, conditions)
            if outcome in (COMPLETE, FAIL):
                return ("Complete" if outcome == COMPLETE else "Failed"), number
            counted += outcome == COUNT
            if counted > self.backoff:
                return "Failed", number
        return "waiting", len(pods)


def read(job, restart, containers):
    """The policy of a Job's spec (Fields), with what the API server would refuse refused."""
    where, rules = f"{job.where}.podFailurePolicy", []
    if job.has("podFailurePolicy"):
        if restart != "Never":
            raise Failed(f"{where} needs restartPolicy Never, and the pod has {restart}")
        rules = [_rule(rule, containers) for rule in job.sub("podFailurePolicy").each("rules")]
    if len(rules) > MOST_RULES:
        raise Failed(f"{where} has more than {MOST_RULES} rules")
    return Policy(rules, job.take("backoffLimit", 6), where)


def _rule(rule, containers):
    if rule.has("onExitCodes") == rule.has("onPodConditions"):
        raise Failed(f"{rule.where} needs either onExitCodes or onPodConditions")
    action = rule.only("action", FAIL, IGNORE, COUNT, default=None)
    if rule.has("onPodConditions"):
        conditions = tuple((one.take("type"), one.only("status", "True", "False", "Unknown"))
                           for one in rule.each("onPodConditions"))
        return Rule(action, conditions=conditions)
    codes = rule.sub("onExitCodes")
    name, operator = codes.take("containerName", None), codes.only("operator", "In", "NotIn", default=None)
    values = codes.take("values")
    valid = all(isinstance(value, int) and 0 <= value for value in values)
    if not values or not valid or values != sorted(set(values)) or len(values) > MOST_CODES:
        raise Failed(f"{codes.where}.values must be whole numbers in order, each once: {values}")
    if operator == "In" and 0 in values:
        raise Failed(f"{codes.where}: In may not name 0")
    if name is not None and name not in containers:
        raise Failed(f"{codes.where} names the container {name}, and the pod has {', '.join(containers)}")
    return Rule(action, codes=(name, operator, tuple(values)))


def check_rules():
    """The evaluator against cases whose outcome Kubernetes' documentation tells."""
    def made(*rules, backoff=1, containers=("main", "side")):
        spec = {"backoffLimit": backoff, "podFailurePolicy": {"rules": list(rules)}}
        fields = Fields(spec, "a case")
        policy = read(fields, "Never", containers)
        fields.done()
        return policy

    def on(action, operator, *values, **more):
        return {"action": action, "onExitCodes": {"operator": operator, "values": list(values), **more}}

    evicted = {"action": IGNORE, "onPodConditions": [{"type": "DisruptionTarget"}]}
    cases = [
        (made(on(FAIL, "In", 42)), {"main": 42}, (), FAIL),
        (made(on(FAIL, "In", 42)), {"main": 1}, (), COUNT),
        (made(on(FAIL, "In", 42)), {"main": 0}, (), COMPLETE),
        (made(on(FAIL, "NotIn", 4)), {"main": 0, "side": 4}, (), COUNT),
        (made(on(FAIL, "NotIn", 4)), {"main": 5}, (), FAIL),
        (made(on(FAIL, "In", 5, containerName="main")), {"main": 0, "side": 5}, (), COUNT),
        (made(on(IGNORE, "In", 3), on(FAIL, "In", 3)), {"main": 3}, (), IGNORE),
        (made(evicted, on(FAIL, "In", 137)), {"main": 137}, EVICTED, IGNORE),
        (made(on(FAIL, "In", 137), evicted), {"main": 137}, EVICTED, FAIL),
        (made(evicted), {"main": 137}, (), COUNT),
        (made(evicted), {"main": 0}, EVICTED, COMPLETE),
    ]
    for policy, ended, conditions, wanted in cases:
        if policy.outcome(ended, conditions) != wanted:
            raise Failed(f"the evaluator of podFailurePolicy says {policy.outcome(ended, conditions)}, and should say "
                         f"{wanted}: {ended} {conditions} under {policy.rules}")
    counted = made(evicted, backoff=1)
    pods = [({"main": 137}, EVICTED)] * 5 + [({"main": 4}, ())] * 2
    if counted.after(pods) != ("Failed", 7) or counted.after([*pods[:6], ({"main": 0}, ())]) != ("Complete", 7):
        raise Failed("the evaluator of podFailurePolicy counts failures otherwise than Kubernetes")
