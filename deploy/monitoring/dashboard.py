#!/usr/bin/env python3
"""Writes dashboard.json beside this file: the Grafana dashboard of loginetl's loaders.

    dashboard.py            writes the file
    dashboard.py --print    writes to stdout

It has every metric of a loader. Change it here and run it; who edits in Grafana loses the edit with the next version.

Invariant: the same bytes in each run, by Python's own library alone; each query takes its series by job and instance
alone, which every scraped series has, and names no job.
"""

import json
import sys
from pathlib import Path

FILE = Path(__file__).resolve().parent / "dashboard.json"
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
COLUMNS, PER_ROW, HEIGHT = 24, 3, 8
QUANTILES = [("0.5", "half"), ("0.95", "95 %"), ("0.99", "99 %")]


# --- pieces of PromQL ----------------------------------------------------------------------------


def of(metric, *more):
    """The chosen series of a metric."""
    labels = ", ".join(['job=~"$job"', 'instance=~"$instance"', *more])
    return f"loginetl_{metric}{{{labels}}}"


def rate(metric, by=""):
    return f"sum{by}(rate({of(metric)}[$__rate_interval]))"


def counted(metric, by):
    """What a counter counted in the interval, also when it had no sample before: `increase` misses the first ones."""
    now, before = of(metric), f"{of(metric)} offset $__rate_interval"
    return f"sum by ({by}) (({now} unless {before}) or increase({now}[$__rate_interval]))"


def quantile(which, metric):
    return f"histogram_quantile({which}, sum by (le) (rate({of(metric + '_bucket')}[$__rate_interval])))"


def quantiles(metric):
    return [(quantile(which, metric), name) for which, name in QUANTILES]


def of_all(metric, by=""):
    """What every loader tells of a thing that they share: once for each job."""
    labels = f"{by}, " if by else ""
    outer = f"sum by ({by}) " if by else "sum"
    return f"{outer}(max by ({labels}job) ({of(metric)}))"


# --- the panels ----------------------------------------------------------------------------------

BACKLOG = "sum(max by (job) (" + of("queue_messages", 'state="visible"') + "))"
PACE = rate("messages_deleted_total")
COUNTERS = ["received", "loaded", "duplicate", "quarantined", "deleted"]
ROWS = [
    ("Throughput", [
        ("Messages", "cps", "Each second, by all chosen loaders. Deleted follows received, else work is not done.",
         [(rate(f"messages_{name}_total"), name) for name in COUNTERS]),
        ("Loaded by each loader", "cps", "Rows each second. One that falls behind the others is worth a look.",
         [(rate("messages_loaded_total", " by (instance) "), "{{instance}}")]),
        ("Loaders", "short", "A loader that is scraped and not ready waits for database or queue.",
         [(f"count({of('ready')})", "running"), (f"sum({of('ready')})", "ready"),
          (f"sum(changes({of('start_time_seconds')}[$__rate_interval]))", "starts")]),
    ]),
    ("Backlog and lag", [
        ("Queue", "short", "What the queue says of itself, roughly. Visible that grows: loaders do not keep up.",
         [(of_all("queue_messages", "state"), "{{state}}")]),
        ("Backlog in work", "s", "How long the loaders need for what is visible, at their pace of now.",
         [(f"{BACKLOG} / ({PACE} > 0)", "until empty")]),
        ("Lag", "s", "From sending to commit. The buckets grow fourfold, so this is rough.",
         quantiles("lag_seconds")),
        ("Since the last commit", "s", "Grows while there is nothing to do, too: look at the queue beside it.",
         [(f"time() - max by (instance) ({of('last_commit_timestamp_seconds')})", "{{instance}}")]),
        ("In hand", "short", "Received, and neither deleted nor given back. Full hands: the database is slow.",
         [(f"sum by (instance) ({of('messages_in_hand')})", "{{instance}}")]),
        ("Receivers", "short", "At work now. More join while answers are full.",
         [(f"sum by (instance) ({of('receivers')})", "{{instance}}")]),
    ]),
    ("Rejects and quarantine", [
        ("Rejected, by reason", "short", "In committed batches, each delivery, in the interval of a point.",
         [(counted("messages_rejected_total", "reason"), "{{reason}}")]),
        ("Quarantined of received", "percentunit", "A step up: a producer has changed its messages.",
         [(f"{rate('messages_quarantined_total')} / ({rate('messages_received_total')} > 0)", "share")]),
        ("Waiting for a person", "short", "Quarantine (100001: more than 100,000) and dead-letter queue.",
         [(of_all("quarantine_messages"), "quarantine"), (of_all("dead_letter_messages"), "dead letters")]),
    ]),
    ("Writes to the database", [
        ("Time of a transaction", "s", "In the database. Growing while batches do not: Postgres is the limit.",
         quantiles("write_seconds")),
        ("Messages in a transaction", "short", "Small ones under load: receiving is the limit.",
         quantiles("batch_messages")),
        ("Transactions, and writers at work", "short", "Transactions each second; seconds of writing each second.",
         [(rate("write_seconds_count"), "transactions"), (rate("write_seconds_sum"), "writers at work")]),
    ]),
    ("Faults of database, queue and KMS", [
        ("Tried again", "short", "Failures that may pass, in the interval of a point. Some are daily life.",
         [(counted("retries_total", "service, kind"), "{{service}} {{kind}}")]),
        ("Refused", "short", "Failures that do not pass by themselves. Any one is worth a look.",
         [(counted("refusals_total", "service, kind"), "{{service}} {{kind}}")]),
        ("Schema", "short", "Version in the database. An upgrade shows as a step.",
         [(f"max by (job) ({of('schema_version')})", "{{job}}")]),
    ]),
    ("Given back, and the poison budget", [
        ("Given back", "short", "In the interval of a point. Each costs one of its receives.",
         [(counted("messages_given_back_total", "instance"), "{{instance}}")]),
        ("Quarantined in this run", "short", "A loader stops with exit 1 when it has more than its budget.",
         [(f"max by (instance) ({of('messages_quarantined_total')})", "{{instance}}"),
          ("vector($budget)", "budget")]),
        ("Builds", "short", "Loaders of each build. Two for long: a rollout that does not end.",
         [(f"sum by (version, commit) ({of('build_info')})", "{{version}} {{commit}}")]),
    ]),
    ("Keys", [
        ("Age of the keys in force", "s", "Since each was made. Replace the mask key regularly.",
         [(f"max by (purpose, key_id) ({of('key_age_seconds')})", "{{purpose}} {{key_id}}")]),
        ("Loaders that use a key", "short", "During a rotation two mask keys are in use.",
         [(f"sum by (purpose, key_id) ({of('key_in_use')})", "{{purpose}} {{key_id}}")]),
    ]),
]
# Where a value is good or bad by itself: (where it begins, its colour).
LIMITS = {"Refused": [(None, "green"), (1, "red")],
          "Waiting for a person": [(None, "green"), (1, "orange")]}


def panel(number, title, unit, description, queries, place):
    """Lines over time, one query a line or a family of lines."""
    steps = [{"value": value, "color": colour} for value, colour in LIMITS.get(title, [(None, "green")])]
    custom = {"drawStyle": "line", "fillOpacity": 10, "lineWidth": 1, "showPoints": "auto", "spanNulls": False,
              "thresholdsStyle": {"mode": "area" if title in LIMITS else "off"}}
    return {
        "id": number, "type": "timeseries", "title": title, "description": description, "datasource": SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": unit, "min": 0, "custom": custom,
                                     "thresholds": {"mode": "absolute", "steps": steps}}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
                    "tooltip": {"mode": "multi", "sort": "desc"}},
        "targets": [{"refId": chr(ord("A") + at), "datasource": SOURCE, "expr": query, "legendFormat": legend,
                     "range": True, "instant": False, "editorMode": "code"}
                    for at, (query, legend) in enumerate(queries)],
    }


def panels():
    made, y = [], 0
    for title, content in ROWS:
        made.append({"id": len(made) + 1, "type": "row", "title": title, "collapsed": False, "panels": [],
                     "gridPos": {"h": 1, "w": COLUMNS, "x": 0, "y": y}})
        y += 1
        for at, (name, unit, description, queries) in enumerate(content):
            width = COLUMNS // min(PER_ROW, len(content))
            place = {"h": HEIGHT, "w": width, "x": at % PER_ROW * width, "y": y + at // PER_ROW * HEIGHT}
            made.append(panel(len(made) + 1, name, unit, description, queries, place))
        y += HEIGHT * -(-len(content) // PER_ROW)
    return made


# --- the choices above it ------------------------------------------------------------------------


def choice(name, metric):
    """A list of what a label has, several of which may be chosen; All takes every one, new ones too."""
    query = f"label_values({metric}, {name})"
    return {"type": "query", "name": name, "datasource": SOURCE, "query": {"query": query, "refId": name},
            "multi": True, "includeAll": True, "allValue": ".*", "refresh": 2, "sort": 1,
            "current": {"text": ["All"], "value": ["$__all"]}, "options": [], "hide": 0}


def dashboard():
    variables = [
        {"type": "datasource", "name": "datasource", "label": "Prometheus", "query": "prometheus", "hide": 0,
         "multi": False, "includeAll": False, "refresh": 1, "options": [], "current": {}},
        choice("job", "loginetl_build_info"),
        choice("instance", 'loginetl_build_info{job=~"$job"}'),
        {"type": "textbox", "name": "budget", "label": "Poison budget", "query": "1000", "hide": 0,
         "current": {"text": "1000", "value": "1000"}, "options": [{"text": "1000", "value": "1000", "selected": True}],
         "description": "What the loaders have as --poison-budget"},
    ]
    return {
        "uid": "loginetl-loaders", "title": "loginetl: loaders", "tags": ["loginetl"],
        "schemaVersion": 39, "version": 1,
        "description": "Every metric of loginetl's loaders. Made by deploy/monitoring/dashboard.py.", "editable": True,
        "graphTooltip": 1, "refresh": "30s", "time": {"from": "now-6h", "to": "now"}, "timezone": "", "links": [],
        "annotations": {"list": []}, "templating": {"list": variables}, "panels": panels(),
    }


def main():
    if sys.argv[1:] not in ([], ["--print"]):
        sys.exit(__doc__)
    text = json.dumps(dashboard(), indent=1, ensure_ascii=False) + "\n"
    if sys.argv[1:]:
        sys.stdout.write(text)
    else:
        FILE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
