"""Run by the Python that has Grafana's model: says what of a dashboard that model does not know.

    dashboard_shape.py FILE     one line for each place that did not come back; silent if all did

The model drops what it does not know, so the file is read into it and written again: what is lost was unknown.

Invariant: each key of the file is looked for, at any depth; a value that changed is told as a lost one.
"""

import json
import sys
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard


def lost(ours, back, place="dashboard"):
    if isinstance(ours, dict) and isinstance(back, dict):
        for key, value in ours.items():
            if key not in back:
                yield f"{place}.{key} is unknown"
            else:
                yield from lost(value, back[key], f"{place}.{key}")
    elif isinstance(ours, list) and isinstance(back, list) and len(ours) == len(back):
        for at, (one, other) in enumerate(zip(ours, back, strict=True)):
            yield from lost(one, other, f"{place}[{at}]")
    elif ours != back:
        yield f"{place} is {ours!r} and came back as {back!r}"


def main():
    register_default_plugins()
    ours = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    back = json.loads(json.dumps(Dashboard.from_json(ours), cls=JSONEncoder))
    print(*lost(ours, back), sep="\n", end="")


if __name__ == "__main__":
    main()
