"""The dashboard: made by its script, known to Grafana's model, each of its queries answered by a real Prometheus that
scrapes running loaders while database, queue and KMS fail now and then.

Invariant: a panel passes only if each of its queries has points in that run; every metric that a loader tells is on a
panel, and no other one; docs/drawings/dashboard.svg has every panel, docs/monitoring.md every alert.
"""

import concurrent.futures
import html
import json
import math
import os
import re
import threading
import time
import xml.etree.ElementTree as ElementTree

import dashboard_picture
import tools
from kit import REPOSITORY, Failed
from place import SAMPLE
from watched import JOB, SCRAPE, Watched, servers, until

SCRIPT, FILE = "deploy/monitoring/dashboard.py", "deploy/monitoring/dashboard.json"
PICTURE, METRICS = "docs/drawings/dashboard.svg", "docs/operations.md"
PAGE, RULES = "docs/monitoring.md", "deploy/monitoring/rules"
SAID = ("Made by tests/kit/dashboard.py from what Prometheus recorded of two loaders, while database, queue and KMS "
        "failed.")
SECONDS, SECONDS_TO_DRAW = 11, 60  # of loading; a picture wants a longer run
POINTS = 60  # across a panel, at most
BUSY, DENIED = (500, "InternalError"), (403, "AccessDenied")
# Panels of which a line must not be zero all the time: the run makes it move.
MOVE = {"Messages", "Loaded by each loader", "Queue", "Rejected, by reason", "Waiting for a person", "Tried again",
        "Refused", "Time of a transaction", "Lag", "Quarantined in this run", "Age of the keys in force",
        "Loaders that use a key"}


def run(kit):
    made = kit.run("python3", SCRIPT, "--print")
    if made != (REPOSITORY / FILE).read_text(encoding="utf-8") or made != kit.run("python3", SCRIPT, "--print"):
        raise Failed(f"{FILE} is not what {SCRIPT} makes: run it")
    shape(kit, made)
    dashboard = json.loads(made)
    alerts(kit, dashboard)
    old = titles(file.read_text(encoding="utf-8")) if (file := REPOSITORY / PICTURE).exists() else []
    # Not each time: the data of no two runs are the same. Who wants a new picture deletes the old one.
    draws = os.environ.get("LOGINETL_BLESS") == "1" and old != [panel["title"] for panel in dashboard["panels"]]
    with Watched(kit) as fleet:
        metrics = live(kit, fleet, SECONDS_TO_DRAW if draws else SECONDS)
        answers = asked(fleet, dashboard)
        choices(fleet, dashboard)
    whole(dashboard, metrics)
    draw(dashboard, answers, step_of(fleet), draws)
    kit.proved(SCRIPT, "run twice, the same bytes; they are `deploy/monitoring/dashboard.json`")
    kit.proved(FILE, "read into Grafana's own model and written again, nothing is lost; every query, with All and with "
                     "one loader chosen, is answered with data by a real Prometheus that scrapes two loaders while "
                     "database, queue and KMS fail now and then; every metric of a loader is on it, and no other")
    kit.cannot(FILE, "how Grafana draws it: no Grafana was to be had")


def shape(kit, made):
    """Grafana's model takes it whole; a key that it does not know is found."""
    python = tools.python("requirements-dashboard.txt")

    def lost(text):
        file = kit.scratch / "dashboard.json"
        file.write_text(text, encoding="utf-8")
        return kit.run(python, REPOSITORY / "tests/kit/dashboard_shape.py", file)

    for right, wrong in (("legendFormat", "legendFormt"), ("fillOpacity", "fillOpacty"), ("gridPos", "gridpos")):
        if not lost(made.replace(f'"{right}"', f'"{wrong}"')):
            raise Failed(f"the model does not miss {right}: it is no check")
    if unknown := lost(made):
        raise Failed(f"{FILE}: Grafana's model does not know all of it:\n{unknown}")


# --- the run ---------------------------------------------------------------------------------------------------------


def live(kit, fleet, seconds):
    """Two loaders at work, with faults; the names of the metrics that they tell."""
    sample = SAMPLE.read_text(encoding="utf-8").splitlines()
    servers.sqs(fleet.endpoint, "SendMessage", QueueUrl=fleet.dead_letters, MessageBody="{}")
    fleet.send_all(sample)
    fleet.loader("loader-a", "--receivers", "4")
    fleet.loader("loader-b", "--receivers", "4")
    fleet.prometheus()
    fleet.begin, done = time.time(), threading.Event()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        feeding = pool.submit(feed, fleet, sample, seconds, done)
        try:
            for when, begin, word, end in faults(kit, fleet):
                time.sleep(max(0, fleet.begin + when * seconds - time.time()))
                begin()
                log = fleet.loaders["loader-a"][1]
                until(lambda word=word: word in told(fleet), f"a loader tells of {word}", log)
                end(fleet.begin + (when + 0.2) * seconds)
            time.sleep(max(3 * SCRAPE, fleet.begin + seconds - time.time()))
            fleet.end = time.time()
        finally:
            done.set()
        feeding.result()
    kinds = re.findall(r"^# TYPE (\S+) (\S+)$", told(fleet), re.MULTILINE)
    return {f"{name}_total" if kind == "counter" else name for name, kind in kinds}


def faults(kit, fleet):
    """(the part of the run at which it comes, how it begins, what loaders then have to tell, how it ends)."""
    fail = fleet.front.fail

    def rotate():
        fail("Decrypt", BUSY, 10_000)  # a new key has to be unwrapped, and cannot be
        kit.run(kit.binary, "rotate-keys", env=fleet.settings())

    def receive_again(moment):
        time.sleep(max(0, moment - time.time()))  # until then the queue grows
        fail("ReceiveMessage", BUSY, 0)

    def nothing(_):
        pass

    return [(0.1, rotate, 'retries_total{service="kms"', lambda _: fail("Decrypt", BUSY, 0)),
            (0.3, lambda: fail("ReceiveMessage", BUSY, 10_000), 'retries_total{service="queue"', receive_again),
            (0.6, fleet.cut_connections, 'retries_total{service="database"', nothing),
            (0.7, lambda: fail("GetQueueAttributes", DENIED, 1), "refusals_total{", nothing)]


def told(fleet):
    """What the loaders tell now."""
    return "\n".join(fleet.text(name, "/metrics") or "" for name in fleet.addresses)


def feed(fleet, sample, seconds, done):
    """Messages in waves: each one of its own, one in sixty no login event."""
    wrong = ['{"user_id": "kit"}', "no JSON", '["a list"]', '{"user_id": 7, "ip": 7}']
    count = 0
    while not done.is_set():
        wave = 1 + math.sin((time.time() - fleet.begin) / seconds * 4 * math.pi)
        for _ in range(1 + round(3 * wave)):
            bodies = [sample[(count + n) % len(sample)] for n in range(10)]
            if count % 60 == 0:
                bodies[0] = wrong[count // 60 % len(wrong)]
            fleet.send_all(bodies)
            count += 10
        done.wait(0.2)


# --- what is asked ---------------------------------------------------------------------------------------------------


def filled(query, interval, **chosen):
    """A query as Grafana sends it: what stands for All as it is, a chosen value escaped for a regular expression."""
    values = {"job": ".*", "instance": ".*", "budget": "1000"}
    values |= {name: re.sub(r"[][\\^$*+?.()|{}]", r"\\\\\g<0>", value) for name, value in chosen.items()}
    values["__rate_interval"] = f"{max(interval + SCRAPE, 4 * SCRAPE) * 1000:.0f}ms"
    text = re.sub(r"\$(\w+)", lambda found: values.get(found[1], found[0]), query)
    if "$" in text:
        raise Failed(f"a variable without a value: {text}")
    return text


def panels(dashboard):
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def asked(fleet, dashboard):
    """{id of a panel: [(name of a line, [(time, value), …])]}; Failed where a query has no points."""
    step, answers, wrong = step_of(fleet), {}, []
    for panel in panels(dashboard):
        lines = []
        for target in panel["targets"]:
            query = filled(target["expr"], step)
            new = [(label(target["legendFormat"], series["metric"]), points) for series in answer(fleet, query)
                   if (points := finite(series["values"]))]
            if not new:
                wrong.append(f"{panel['title']}: no data for {query}")
            lines += new
        if panel["title"] in MOVE and not any(value for _, points in lines for _, value in points):
            wrong.append(f"{panel['title']}: zero all the time")
        answers[panel["id"]] = lines
    if missing := MOVE - {panel["title"] for panel in panels(dashboard)}:
        wrong.append(f"no panels of these names: {missing}")
    if wrong:
        raise Failed("\n".join(wrong))
    return answers


def answer(fleet, query):
    """The series of a query over the whole run."""
    return fleet.api("query_range", query=query, start=fleet.begin, end=fleet.end, step=step_of(fleet))["result"]


def step_of(fleet):
    return max(SCRAPE, (fleet.end - fleet.begin) / POINTS)


def finite(values):
    points = [(moment, float(value)) for moment, value in values]
    return [(moment, value) for moment, value in points if math.isfinite(value)]


def label(form, labels):
    """A legend, which names labels that the series has."""
    def value(found):
        if found[1] not in labels:
            raise Failed(f"the legend {form!r} names a label that is not there: {labels}")
        return labels[found[1]]
    return re.sub(r"\{\{(\w+)\}\}", value, form)


def choices(fleet, dashboard):
    """The variables list what there is, and a chosen loader is the only one that is shown."""
    found = {}
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            series, name = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"]).groups()
            found[name] = fleet.api(f"label/{name}/values", **{"match[]": filled(series, SCRAPE)})
    if found != {"job": [JOB], "instance": sorted(fleet.addresses)}:
        raise Failed(f"the variables list {found}")
    chosen = {"job": JOB, "instance": "loader-a"}
    for panel in panels(dashboard):
        for target in panel["targets"]:
            query = filled(target["expr"], step_of(fleet), **chosen)
            series = answer(fleet, query)
            if {one["metric"].get("instance", "loader-a") for one in series} - {"loader-a"}:
                raise Failed(f"{panel['title']}: shows other loaders than the chosen one: {series}")
            if "{{instance}}" in target["legendFormat"] and not series:
                raise Failed(f"{panel['title']}: nothing of a chosen loader")
            other = filled(target["expr"], step_of(fleet), job=JOB, instance="loader.a")
            if answer(fleet, other) and "loginetl_" in query:
                raise Failed(f"{panel['title']}: takes series that were not chosen: {query}")


# --- what it has, and how it looks -----------------------------------------------------------------------------------


def whole(dashboard, told):
    """Metrics of the panels, of the loaders and of the page are the same ones."""
    text = " ".join(target["expr"] for panel in panels(dashboard) for target in panel["targets"])
    shown = {re.sub(r"_(bucket|sum|count)$", "", name) for name in re.findall(r"\bloginetl_\w+", text)}
    page = (REPOSITORY / METRICS).read_text(encoding="utf-8").partition("### Metrics")[2]
    rows = [row.split(" | ")[0] for row in page.splitlines() if row.startswith("| `loginetl_")]
    documented = set(re.findall(r"`(loginetl_\w+)", " ".join(rows)))
    if not shown == told == documented:
        raise Failed(f"metrics differ: on the dashboard alone {shown - told}, told by a loader alone {told - shown}, "
                     f"in {METRICS} and not told, or the other way round, {documented ^ told}")


def alerts(kit, dashboard):
    """The page has each alert of the rules, with its severity, and panels that there are."""
    page = (REPOSITORY / PAGE).read_text(encoding="utf-8").partition("## Alerts")[2]
    told = {}
    for name, runbook, severity, shown in re.findall(
            r"^\| \[(\w+)\]\(runbooks/([\w-]+)\.md\) \| (\w+) \| ?(.*?) ?\|$", page, re.MULTILINE):
        told[name] = (runbook, severity)
        if unknown := {*filter(None, shown.split("; "))} - {panel["title"] for panel in panels(dashboard)}:
            raise Failed(f"{PAGE}: {name} names panels that are not there: {unknown}")
    ruled = {}
    for file in sorted((REPOSITORY / RULES).glob("*.yaml")):
        text = file.read_text(encoding="utf-8")
        name, severity = (re.search(rf"^ +(?:- )?{key}: (\w+)$", text, re.MULTILINE)[1]
                          for key in ("alert", "severity"))
        ruled[name] = (file.stem, severity)
    if not ruled:
        kit.say(f"{RULES} is empty: the table of {PAGE} was not compared")
    elif told != ruled:
        raise Failed(f"{PAGE} and {RULES} differ: {dict(set(told.items()) ^ set(ruled.items()))}")


def draw(dashboard, answers, step, draws):
    """The drawing works on these data; the one that is committed has the panels of today."""
    drawn = dashboard_picture.picture(dashboard, answers, step, SAID)
    wanted, file = [panel["title"] for panel in dashboard["panels"]], REPOSITORY / PICTURE
    if titles(drawn) != wanted:
        raise Failed(f"the drawing has the panels {titles(drawn)}, the dashboard {wanted}")
    ElementTree.fromstring(drawn)
    if draws:
        file.write_text(drawn, encoding="utf-8")
    if not file.exists() or titles(file.read_text(encoding="utf-8")) != wanted:
        raise Failed(f"{PICTURE} is of another dashboard; this check draws it anew with LOGINETL_BLESS=1")


def titles(svg):
    return [html.unescape(title) for title in re.findall(r'<text class="(?:row|title)"[^>]*>([^<]*)</text>', svg)]
