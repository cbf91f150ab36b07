"""The table of values in the chart's README.md, made of values.yaml: a row for each value, with default and comment.

Invariant: each value has a comment, and stands in the schema; the page says what the file says (LOGINETL_BLESS=1
writes it).
"""

import json
import os
import re

from chart_tools import CHART
from kit import Failed

PAGE, VALUES = CHART / "README.md", CHART / "values.yaml"
BEGIN, END = "<!-- made of values.yaml: begin -->", "<!-- made of values.yaml: end -->"
# Values that are one thing, though YAML writes them as several.
WHOLE = {"loader.strategy", "loader.resources", "rotator.resources", "verifier.resources", "init.resources"}


def check(kit):
    """Compares the page, or writes it; how many rows it has."""
    found = rows()
    lines = ["| value | default | |", "|---|---|---|"]
    lines += [f"| `{path}` | {shown(default)} | {text} |" for path, default, text in found]
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    kept, _, after = rest.partition(END)
    if not rest or not after:
        raise Failed(f"{PAGE.name} has no place for the table: {BEGIN}")
    if os.environ.get("LOGINETL_BLESS") == "1":
        PAGE.write_text(f"{before}{BEGIN}\n" + "\n".join(lines) + f"\n{END}{after}", encoding="utf-8")
        kit.say(f"{PAGE.name} is written")
    elif kept.strip().splitlines() != lines:
        raise Failed("the chart's README.md does not say what values.yaml says; LOGINETL_BLESS=1 writes it")
    return len(found)


def shown(default):
    return f"`{default}`" if default not in ('""', "") else "empty"


def rows():
    """(path, default, text) of each value, in the order of the file."""
    found, comment, above, whole = [], [], [], None
    for number, line in enumerate(VALUES.read_text(encoding="utf-8").splitlines(), 1):
        text = line.strip()
        depth = (len(line) - len(line.lstrip())) // 2
        if whole and depth > whole[0] and text:
            whole[1].append(text)
            continue
        if whole:
            found[-1] = (found[-1][0], "; ".join(whole[1]), found[-1][2])
            whole = None
        if text.startswith("#"):
            comment.append(text.removeprefix("#").strip())
        elif not text:
            comment = []
        else:
            key, default = re.fullmatch(r"([A-Za-z0-9]+):(?: (.+))?", text).groups()
            above = [*above[:depth], key]
            path = ".".join(above)
            if default is None and path not in WHOLE:
                comment = []  # a heading: its text is for readers of the file
                continue
            if not comment:
                raise Failed(f"values.yaml:{number}: {path} has no comment")
            found.append((path, default or "", " ".join(comment).replace("|", "\\|")))
            comment, whole = [], None if default else (depth, [])
    if len(found) < 100:
        raise Failed(f"only {len(found)} values were found in values.yaml")
    return found


def same_names_as_schema(kit):
    """Each value stands in values.schema.json, and each name there in values.yaml, but `global` and `enabled`."""
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    in_schema = set(leaves(schema, schema, ())) - {"global", "enabled"}
    in_values = {path for path, _, _ in rows()}
    # A value that is one thing has names of its own in the schema.
    in_schema = {next((whole for whole in in_values if f"{path}.".startswith(f"{whole}.")), path) for path in in_schema}
    if in_schema != in_values:
        raise Failed(f"values.schema.json and values.yaml differ in {sorted(in_schema ^ in_values)}")
    templates = "".join(file.read_text(encoding="utf-8") for file in (CHART / "templates").rglob("*") if file.is_file())
    unread = [path for path in in_values if not re.search(rf'[."]{path.rsplit(".", 1)[-1]}\b', templates)]
    if unread:
        raise Failed(f"no template reads {', '.join(sorted(unread))}")
    return len(in_values)


def leaves(schema, part, path):
    """The paths of what has no names of its own; everything that has some is strict."""
    while "$ref" in part:
        part = schema["definitions"][part["$ref"].rsplit("/", 1)[1]]
    if "properties" not in part:
        yield ".".join(path)
        return
    if part.get("additionalProperties") is not False:
        raise Failed(f"values.schema.json lets any name pass in {'.'.join(path) or 'the whole'}")
    for name, inner in part["properties"].items():
        yield from leaves(schema, inner, (*path, name))
