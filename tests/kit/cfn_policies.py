"""The policies in deploy/cloudformation: made of keys/*.json, and compared with them.

A template has blocks between two comments, `# FILE: begin` and `# FILE: end`, FILE being one of keys/. What stands
between them is that file as YAML, with CloudFormation's functions in the place of its placeholders.
LOGINETL_BLESS=1 writes the blocks anew.

Invariant: a placeholder that is not named here fails, so no policy is deployed with one in it.
"""

import json
import os
import re

from kit import REPOSITORY, Failed

WIDTH = 100
# What CloudFormation knows: `@NAME` is the name in ${…} of a !Sub, anything else a value of its own.
PLACEHOLDERS = {
    "PARTITION": "@AWS::Partition",
    "ACCOUNT": "@AWS::AccountId",
    "ROLE_ACCOUNT": "@AWS::AccountId",
    "TASK_SOURCES": '!Sub "arn:${AWS::Partition}:ecs:${AWS::Region}:${AWS::AccountId}:*"',
    "QUEUE_ARN": "!GetAtt Queue.Arn",
    "DEAD_LETTER_QUEUE_ARN": "!GetAtt DeadLetters.Arn",
    "INGEST_KEY_ARN": "!If [NewIngestKey, !GetAtt IngestKey.Arn, !Ref IngestKeyArn]",
    "RECOVERY_KEY_ARN": "!If [NewRecoveryKey, !GetAtt RecoveryKey.Arn, !Ref RecoveryKeyArn]",
    "AUDIT_KEY_ARN": "!If [NewAuditKey, !GetAtt AuditKey.Arn, !Ref AuditKeyArn]",
    "ADMIN_ROLE_ARN": "!Ref AdminRoleArn",
    "MASKER_ROLE_ARN": "!Ref MaskerRoleArn",
    **{f"{role.upper()}_ROLE_ARN": f"!GetAtt {role}.Arn"
       for role in ("Loader", "Unmasker", "Rotator", "Init", "Auditor")},
}
# A statement with such a placeholder is there if this condition holds.
OPTIONAL = {"${MASKER_ROLE_ARN}": "HasMasker"}
BLOCK = re.compile(r"^( *)# (keys/\S+\.json): begin\n(.*?)^ *# \2: end\n", re.MULTILINE | re.DOTALL)
PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9]*")
WORDS_OF_YAML = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"}


def compared(templates):
    """Every block is its file of today; returns how many there are of each file."""
    count = {}
    for template in templates:
        text = template.read_text(encoding="utf-8")
        new = BLOCK.sub(renewed, text)
        for _, source, _ in BLOCK.findall(text):
            count[source] = count.get(source, 0) + 1
        if text.count(": begin\n") != len(BLOCK.findall(text)):
            raise Failed(f"{template.name}: a block of a policy has no end")
        if new != text and os.environ.get("LOGINETL_BLESS") == "1":
            template.write_text(new, encoding="utf-8")
        elif new != text:
            pairs = zip(text.splitlines(), new.splitlines(), strict=False)
            at = next(number for number, (one, other) in enumerate(pairs, 1) if one != other)
            raise Failed(f"{template.name}:{at}: the policies are not those of keys/; "
                         "LOGINETL_BLESS=1 python3 tests/kit/run.py cloudformation writes them")
    return count


def renewed(found):
    indent, source = found[1], found[2]
    policy = json.loads((REPOSITORY / source).read_text(encoding="utf-8"))
    lines = [f"{name}: {scalar(policy[name])}" for name in ("Version", "Id") if name in policy]
    lines.append("Statement:")
    for statement in policy["Statement"]:
        lines += wrapped(optional(statement), WIDTH - len(indent))
    body = "".join(f"{indent}{line}\n" for line in lines)
    return f"{indent}# {source}: begin\n{body}{indent}# {source}: end\n"


def optional(statement):
    """A statement; one about a role that a stack can do without, as the function that leaves it out."""
    text = json.dumps(statement)
    conditions = [condition for placeholder, condition in OPTIONAL.items() if placeholder in text]
    if not conditions:
        return flow(statement)
    condition, = conditions
    pieces = flow(statement)
    return [f"!If [{condition}, {pieces[0]}", *pieces[1:-1], pieces[-1] + ",", "!Ref AWS::NoValue]"]


def flow(value):
    """A value in YAML's flow style, as pieces between which a line may end."""
    if isinstance(value, dict):
        return joined("{", [entry(key, flow(inner)) for key, inner in value.items()], "}")
    if isinstance(value, list):
        return joined("[", [flow(inner) for inner in value], "]")
    return [scalar(value)]


def entry(key, pieces):
    """A key with its value; a long value may begin on a line of its own."""
    if len(pieces[0]) > 40:
        return [f"{scalar(key)}:", *pieces]
    return [f"{scalar(key)}: {pieces[0]}", *pieces[1:]]


def joined(opening, parts, closing):
    pieces = []
    for number, part in enumerate(parts):
        part = list(part)
        part[0] = (opening if number == 0 else "") + part[0]
        part[-1] += closing if number == len(parts) - 1 else ","
        pieces += part
    return pieces or [opening + closing]


def scalar(value):
    """A text as YAML has it; one with placeholders as the function that fills them in."""
    names = re.findall(r"\$\{(\w+)\}", value)
    unknown = [name for name in names if name not in PLACEHOLDERS]
    if unknown:
        raise Failed(f"keys/ has a placeholder that no template fills: {', '.join(unknown)}")
    if names and value == f"${{{names[0]}}}" and not PLACEHOLDERS[names[0]].startswith("@"):
        return PLACEHOLDERS[names[0]]
    if names:
        filled = re.sub(r"\$\{(\w+)\}", lambda name: "${" + inside(name[1]) + "}", value)
        return f'!Sub "{filled}"'
    return value if PLAIN.fullmatch(value) and value.lower() not in WORDS_OF_YAML else json.dumps(value)


def inside(name):
    """The name that a placeholder within a longer text has in a !Sub."""
    if not PLACEHOLDERS[name].startswith("@"):
        raise Failed(f"the placeholder {name} stands within a longer text, where a template cannot fill it")
    return PLACEHOLDERS[name][1:]


def wrapped(pieces, width):
    """The pieces in lines, as one entry of a list."""
    lines = ["  -"]
    for piece in pieces:
        if len(lines[-1]) + 1 + len(piece) > width:
            lines.append("    " + piece)
        else:
            lines[-1] += " " + piece
    return lines
