"""The rules of deploy/monitoring: read, held to their shape, and rendered so that they fire within seconds.

Rendering divides durations: `for:`, ranges and offsets. Of seconds that a rule compares with, only those that LIMITS
names are divided too; all other numbers stay what they are.

Invariant: a rendered rule differs from the shipped one in durations alone; where there is nothing to divide, or a limit
is not found once, rendering fails.
"""

import json
import os
import re
import shlex

from kit import REPOSITORY, Failed

FOLDER = REPOSITORY / "deploy/monitoring"
RUNBOOKS = REPOSITORY / "docs/runbooks"
BASE = "https://loginetl.example/runbooks/"
HEADINGS = ["Meaning", "Impact", "Diagnosis", "Mitigation"]
FACTOR = 120
FACTORS = {"job-not-succeeded": 1200, "key-too-old": 1200, "log-not-verified": 1200}  # their `for:` is an hour or two
LIMITS = {"lag": ("> 410", 410)}  # seconds that a message waits
UNITS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
PART = re.compile(r"(\d+)(ms|[smhdw])")
DURATION = re.compile(r"(?:\d+(?:ms|[smhdw]))+")
# What turns YAML into JSON: the Python of LocalStack has a parser.
CONVERT = "import json, sys, yaml; print(json.dumps({p: yaml.safe_load(open(p)) for p in sys.argv[1:]}))"


class Rule:
    """One alert: its file, its test, its runbook."""

    def __init__(self, name, content, tests):
        self.name, self.content, self.tests = name, content, tests
        [group] = content["groups"]
        [self.rule] = group["rules"]
        self.alert, self.expr = self.rule["alert"], self.rule["expr"]
        self.path = f"deploy/monitoring/rules/{name}.yaml"
        self.test_path = f"deploy/monitoring/tests/{name}.yaml"
        self.runbook = RUNBOOKS / f"{name}.md"

    @property
    def metrics(self):
        return set(re.findall(r"\b(?:loginetl|kube|node)_[a-z_]+", re.sub(r'"[^"]*"', '""', self.expr)))

    def faster(self):
        """The rule's file with times divided."""
        factor = FACTORS.get(self.name, FACTOR)
        expr = divided(self.expr, factor)
        words, seconds = LIMITS.get(self.name, ("", 0))
        if words:
            if expr.count(words) != 1:
                raise Failed(f"{self.path}: “{words}” stands there {expr.count(words)} times")
            expr = expr.replace(words, f"> {seconds / factor:.3f}")
        rule = {**self.rule, "expr": expr}
        if "for" in rule:
            rule["for"] = one(rule["for"], factor)
        if rule == self.rule:
            raise Failed(f"{self.path}: there is no time to divide")
        return {"groups": [{"name": f"loginetl-{self.name}", "rules": [rule]}]}


def divided(expr, factor):
    """PromQL with each range, subquery and offset divided; text between quotes stays."""
    def ranges(text):
        text = re.sub(r"\[[^\]]*\]", lambda found: DURATION.sub(lambda d: one(d[0], factor), found[0]), text)
        return re.sub(r"(\boffset\s+-?)(\w+)", lambda found: found[1] + one(found[2], factor), text)
    return "".join(part if part.startswith('"') else ranges(part) for part in re.split(r'("[^"]*")', expr))


def one(duration, factor):
    parts = PART.findall(duration)
    if "".join(map("".join, parts)) != duration:
        raise Failed(f"{duration} is no duration")
    return f"{max(1, sum(int(count) * UNITS[unit] for count, unit in parts) // factor)}ms"


def divides_durations_alone():
    """The rendering, tried on an expression that has one of each."""
    cases = {
        'rate(a{le="10m", x="[5m]"}[10m]) > 600': 'rate(a{le="10m", x="[5m]"}[5000ms]) > 600',
        "max_over_time(b[1h30m:1m]) offset 1d > 9 * 864": "max_over_time(b[45000ms:500ms]) offset 720000ms > 9 * 864",
        "up == 0": "up == 0",
    }
    for expr, wanted in cases.items():
        if divided(expr, 120) != wanted:
            raise Failed(f"{expr} is rendered as {divided(expr, 120)}, not as {wanted}")


def read(kit):
    """All rules, by name; each with its test."""
    rules, tests = (sorted((FOLDER / kind).glob("*.yaml")) for kind in ("rules", "tests"))
    names = [[path.stem for path in paths] for paths in (rules, tests)]
    pages = sorted(path.stem for path in RUNBOOKS.glob("*.md") if path.stem != "README")
    if not (names[0] == names[1] == pages):
        raise Failed(f"rules, tests and runbooks are not the same: {names[0]}, {names[1]}, {pages}")
    contents = from_yaml(kit, *rules, *tests)
    return {rule.stem: Rule(rule.stem, contents[str(rule)], contents[str(test)])
            for rule, test in zip(rules, tests, strict=True)}


def from_yaml(kit, *paths):
    return json.loads(kit.run(os.environ["LOGINETL_TEST_PYTHON"], "-c", CONVERT, *paths))


def shaped(rule):
    """What each rule has: a name that is its file's, one severity, three annotations, the link to its own runbook."""
    wanted = "Loginetl" + "".join(word.capitalize() for word in rule.name.split("-"))
    if rule.alert != wanted or rule.content["groups"][0]["name"] != f"loginetl-{rule.name}":
        raise Failed(f"{rule.path}: the alert is {rule.alert}, not {wanted}, or its group has another name")
    if rule.rule["labels"] not in ({"severity": "page"}, {"severity": "ticket"}):
        raise Failed(f"{rule.path}: the labels are {rule.rule['labels']}")
    annotations = rule.rule["annotations"]
    if set(annotations) != {"summary", "description", "runbook_url"} or annotations["runbook_url"] != BASE + rule.name:
        raise Failed(f"{rule.path}: summary, description and runbook_url {BASE}{rule.name} are wanted: {annotations}")
    if "absent" in rule.expr:
        raise Failed(f"{rule.path}: absent() calls somebody when a fleet is scaled to zero")


def tested(rule):
    """Its promtool test is about this rule, and has a case that fires and one in which nothing ever fires."""
    if rule.tests["rule_files"] != [f"../rules/{rule.name}.yaml"]:
        raise Failed(f"{rule.test_path} tests {rule.tests['rule_files']}")
    cases = [[test["exp_alerts"] for test in case["alert_rule_test"] if test["alertname"] == rule.alert]
             for case in rule.tests["tests"]]
    if not any(any(case) for case in cases) or not any(case and not any(case) for case in cases):
        raise Failed(f"{rule.test_path} needs a case that fires, and one that does not")


def runbook(kit, rule):
    """Four headings, in their order, with words under each; each command that it shows is one of the program."""
    text = rule.runbook.read_text(encoding="utf-8")
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    if parts[1::2] != HEADINGS or not all(len(part.split()) > 8 for part in parts[2::2]):
        raise Failed(f"{rule.runbook}: the headings are {parts[1::2]}, or one has nothing to say")
    if not text.startswith(f"# {rule.alert}\n"):
        raise Failed(f"{rule.runbook} does not begin with # {rule.alert}")
    for command in re.findall(r"^\$ loginetl (.*)$", text, re.MULTILINE):
        kit.run(kit.binary, *shlex.split(command), "--help")
