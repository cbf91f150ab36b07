"""The examples for collectors of log lines: lines of real runs go through a real rsyslogd, through Vector's language,
through the filters for CloudWatch, and are compared with what the examples for Fluent Bit and Datadog name.

Invariant: a collector's answer counts only beside lines for which it has to differ; no value of a message is in what
collectors wrote.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
from datetime import datetime

import tools
from kit import REPOSITORY, Failed, LeftOut
from watched import Watched, until

FOLDER = "deploy/monitoring/logs"
PAGE = "docs/logs.md"
UNITS = REPOSITORY / "deploy/systemd"
WRITTEN = "/var/log/loginetl"  # where rsyslog.conf writes
FIRST = ("timestamp", "level", "message")
# Values of messages, good ones and such as go to the quarantine. None of them is seen again.
CANARIES = ["203.0.113.177", "canary-device-4711", "canary-locale", "canary-in-no-json",
            "7f1d3c52-90ab-4cde-8f01-23456789abcd"]
GOOD = {"user_id": CANARIES[4], "app_version": "2.3.0", "device_type": "ios", "ip": CANARIES[0], "locale": "DE",
        "device_id": CANARIES[1]}
BAD = [json.dumps({**GOOD, "locale": [CANARIES[2]]}), "no JSON: " + CANARIES[3], json.dumps({"ip": CANARIES[0]})]
FOREIGN = "memory allocation of 4096 bytes failed"  # what the runtime writes past us
# A program in Python with a YAML reader, botocore and its models of AWS' calls.
VALIDATE = """
import json, sys, botocore.session, botocore.validate
shape = botocore.session.get_session().get_service_model("logs").operation_model("PutMetricFilter").input_shape
for call in json.load(sys.stdin):
    report = botocore.validate.ParamValidator().validate(call, shape)
    if report.has_errors():
        print(report.generate_report())
"""


def run(kit):
    lines = by_rsyslog(kit)
    objects = [json.loads(line) for line in lines]
    documented(objects)
    kit.proved(f"{FOLDER}/rsyslog.conf", "run by a real rsyslogd that is fed by the stderr of real runs: each line "
               "arrives with all of its fields, alarms apart, a line that is no object apart; no value of a message "
               "is in any file")
    read = by_others(kit, lines)
    by_vector(read, lines, objects)
    kit.proved(f"{FOLDER}/vector.yaml", "its program and its condition compiled and run by Vector's own language on "
               "the lines of real runs: fields, time and alarms are right, a line that is no object is kept")
    kit.cannot(f"{FOLDER}/vector.yaml", "its source and its sinks: no Vector was to be had")
    by_cloudwatch(kit, objects)
    kit.proved(f"{FOLDER}/cloudwatch.json", "each filter is a whole call of PutMetricFilter in AWS' own model, and "
               "matches what it is for among the lines of real runs, by an evaluator of its grammar")
    kit.cannot(f"{FOLDER}/cloudwatch.json", "how CloudWatch Logs itself matches")
    by_datadog(kit, read, objects)
    by_fluent_bit(kit, objects)


def shipped(name):
    return (REPOSITORY / FOLDER / name).read_text(encoding="utf-8")


# --- rsyslog ---------------------------------------------------------------------------------------------------------


def by_rsyslog(kit):
    """The lines that runs wrote to stderr, all of which rsyslog has written where they belong."""
    if not shutil.which("logger"):
        raise LeftOut("logger, of util-linux, is not on this machine; it hands lines to rsyslog")
    with Watched(kit) as fleet:
        out = fleet.ledger.base / "written"
        out.mkdir()
        there = fleet.ledger.base / "socket"
        start_rsyslog(fleet, out, there)
        kept = fleet.ledger.base / "stderr"
        with collector(kept, there) as stderr:
            codes = runs(kit, fleet, stderr)
        lines = kept.read_text(encoding="utf-8").splitlines()
        kit.run("logger", "--socket", there, "--tag", "loginetl", FOREIGN)
        kit.run("logger", "--socket", there, "--tag", "another", lines[0])
        files = {name: out / name for name in ("all.jsonl", "alarms.jsonl", "other.log")}
        until(lambda: files["other.log"].exists() and len(read(files["all.jsonl"])) >= len(lines),
              f"rsyslog has written {len(lines)} lines", files["all.jsonl"])
        arrived(lines, codes, {name: read(file) for name, file in files.items()})
        said = "".join(file.read_text(encoding="utf-8") for file in [kept, *out.iterdir()])
        if seen := [value for value in CANARIES if value in said]:
            raise Failed(f"values of messages are in what was written: {seen}")
        if complaints := (fleet.ledger.base / "rsyslogd.log").read_text(encoding="utf-8"):
            raise Failed(f"rsyslogd complains:\n{complaints}")
    return lines


def read(file):
    return file.read_text(encoding="utf-8").splitlines() if file.exists() else []


def start_rsyslog(fleet, out, there):
    """A daemon that has the example beside a socket of its own."""
    example = shipped("rsyslog.conf")
    if example.count(f"{WRITTEN}/") != 3:
        raise Failed(f"rsyslog.conf does not name three files in {WRITTEN}")
    base = fleet.ledger.base
    (base / "example.conf").write_text(example.replace(f"{WRITTEN}/", f"{out}/"), encoding="utf-8")
    (base / "rsyslog.conf").write_text(f"""\
global(workDirectory="{base}")
module(load="imuxsock" SysSock.Use="off")
input(type="imuxsock" Socket="{there}")
include(file="{base}/example.conf")
""", encoding="utf-8")
    folder = tools.debian("rsyslog")
    modules = next(folder.glob("root/usr/lib/*/rsyslog"))
    log = base / "rsyslogd.log"
    fleet.ledger.spawn([folder / "bin/rsyslogd", "-n", "-i", "NONE", "-f", base / "rsyslog.conf", "-M", modules], log)
    until(there.exists, "rsyslogd listens", log)


@contextlib.contextmanager
def collector(kept, there):
    """A pipe to give to programs as their stderr: what comes goes into a file and to rsyslog, by syslog."""
    logger = subprocess.Popen(["logger", "--socket", there, "--tag", "loginetl"], stdin=subprocess.PIPE)
    tee = subprocess.Popen(["tee", kept], stdin=subprocess.PIPE, stdout=logger.stdin)
    logger.stdin.close()
    try:
        yield tee.stdin
        tee.stdin.close()
        tee.wait(timeout=60)
        logger.wait(timeout=60)
    finally:
        for process in (tee, logger):
            process.kill()
            process.wait()


def runs(kit, fleet, stderr):
    """A loader that meets a failing database and is stopped, and runs that fail; the exit codes that they had."""
    def start(*command, **settings):
        return subprocess.Popen([kit.binary, *command, "--log-format", "json"], stdin=subprocess.DEVNULL, stderr=stderr,
                                stdout=subprocess.DEVNULL, env=fleet.settings(**settings))

    def end(command, expect, **settings):
        if (code := start(*command, **settings).wait(timeout=60)) != expect:
            raise Failed(f"{command} ended with {code}, not {expect}")
        return code

    fleet.send_all([json.dumps(GOOD)] * 30 + BAD)
    loader = start("load", "--follow")
    try:
        until(lambda: fleet.counts() == (30, len(BAD)), "messages are loaded")
        fleet.send_all([json.dumps(GOOD)] * 20)
        fleet.cut_connections()
        until(lambda: fleet.counts() == (50, len(BAD)), "the database failed, and the rest is loaded all the same")
        loader.send_signal(signal.SIGTERM)
        if loader.wait(timeout=30) != 0:
            raise Failed("the loader did not stop in order")
    finally:
        loader.kill()
        loader.wait()
    fleet.send_all(BAD)
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        closed = nobody.getsockname()[1]
    down = fleet.settings()["LOGINETL_DATABASE_URL"].replace(f":{fleet.url.port}/", f":{closed}/")
    return [end(["load", "--no-such-flag"], 2), end(["load", "--drain", "--poison-budget", "0"], 1),
            end(["status"], 4, LOGINETL_DATABASE_URL=down)]


def arrived(lines, codes, written):
    """Each line is where it belongs, whole."""
    objects = [json.loads(line) for line in lines]
    for name, wanted in (("all.jsonl", objects), ("alarms.jsonl", [one for one in objects if is_alarm(one)])):
        try:
            found = [json.loads(line) for line in written[name]]
        except ValueError as none:
            raise Failed(f"{name}: rsyslog wrote what is no object: {written[name]}") from none
        if found != wanted:
            raise Failed(f"{name}: rsyslog wrote {found}, and these were said: {wanted}")
    if len(written["other.log"]) != 1 or not written["other.log"][0].endswith(" " + FOREIGN):
        raise Failed(f"a line that is no object was written as {written['other.log']}")
    levels = {one["level"] for one in objects}
    # A used-up poison budget is a result with exit code 1, and has no such line.
    found = {one["exit_code"] for one in objects if "exit_code" in one}
    if levels != {"INFO", "WARN", "ERROR"} or found != set(codes) - {1}:
        raise Failed(f"the runs did not say what this check needs: {objects}")


def is_alarm(line):
    return line["level"] == "ERROR"


def documented(objects):
    """The fields that the examples build on are those of the page, and are written."""
    page = (REPOSITORY / PAGE).read_text(encoding="utf-8").partition("## Fields")[2].partition("\n\nA log line")[0]
    fields = re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)
    if tuple(fields[:3]) != FIRST or any(tuple(one)[:3] != FIRST for one in objects):
        raise Failed(f"{PAGE} names {fields}, and lines begin otherwise")
    if missing := set(fields) - set().union(*objects):
        raise Failed(f"{PAGE} names {missing}, which no run has written")


# --- the others ------------------------------------------------------------------------------------------------------


def needs_unit(name, unit):
    """The journal has lines under the name of a unit, which is one of those that are shipped."""
    if not (UNITS / unit).exists():
        raise Failed(f"{name} takes the lines of {unit}, which is not in deploy/systemd")


def by_yaml(kit, name):
    program = "import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1]))))"
    return json.loads(kit.run(os.environ["LOGINETL_TEST_PYTHON"], "-c", program, REPOSITORY / FOLDER / name))


def answer(python, program, asked):
    """What a program says of JSON on its standard input."""
    done = subprocess.run([python, *program], input=json.dumps(asked), capture_output=True, text=True, timeout=60,
                          check=False)
    if done.returncode != 0:
        raise Failed(f"{program[-1].strip()[:80]} refuses: {done.stderr[-2000:]}")
    return done.stdout


def by_others(kit, lines):
    """What Vector's language and Datadog's models make of it; a wrong pipeline is found."""
    config = by_yaml(kit, "vector.yaml")
    steps = config["transforms"]
    for name, part in {**steps, **config["sinks"]}.items():
        if unknown := set(part["inputs"]) - set(config["sources"]) - set(steps):
            raise Failed(f"vector.yaml: {name} takes from {unknown}, which is not there")
    needs_unit("vector.yaml", *config["sources"]["loginetl_journal"]["include_units"])
    pipeline = json.loads(shipped("datadog-pipeline.json"))
    wrong = [{**pipeline, "filtre": {}}, {**pipeline, "processors": [{"type": "date-remapper", "source": ["x"]}]}]
    asked = {"remap": steps["loginetl"]["source"], "condition": steps["loginetl_alarms"]["condition"],
             "lines": [*lines, FOREIGN, "[1]"], "pipelines": [pipeline, *wrong]}
    python = tools.python("requirements-logs.txt")
    return json.loads(answer(python, [str(REPOSITORY / "tests/kit/logs_read.py")], asked))


def by_vector(read_there, lines, objects):
    *events, foreign, listed = read_there["events"]
    if foreign["message"] != FOREIGN or listed["message"] != "[1]" or read_there["alarms"][-2:] != [False, False]:
        raise Failed(f"Vector loses a line that is no object: {foreign}, {listed}")
    for line, event, object_ in zip(lines, events, objects, strict=True):
        moment = datetime.fromisoformat(event.pop("timestamp"))
        if {**event, "timestamp": None} != {**object_, "host": "host", "timestamp": None}:
            raise Failed(f"Vector makes {event} of {line}")
        if moment != datetime.fromisoformat(object_["timestamp"]):
            raise Failed(f"Vector reads the time of {line} as {moment}")
    if read_there["alarms"][:-2] != [is_alarm(one) for one in objects]:
        raise Failed(f"Vector takes for alarms: {read_there['alarms']}")


def by_cloudwatch(kit, objects):
    """AWS' model takes the calls, and each filter finds what its name says."""
    calls = json.loads(shipped("cloudwatch.json"))
    python, program = os.environ["LOGINETL_TEST_PYTHON"], ["-c", VALIDATE]
    if not answer(python, program, [{**calls[0], "filterPatern": "x"}]):
        raise Failed("AWS' model takes a call with an unknown parameter: it is no check")
    if problems := answer(python, program, calls):
        raise Failed(f"cloudwatch.json: {problems}")
    made_up = [{**objects[0], "exit_code": code} for code in (3, 5)]  # codes that a run does not have here
    wanted = {"loginetl-errors": lambda one: one["level"] == "ERROR",
              "loginetl-warnings": lambda one: one["level"] == "WARN",
              "loginetl-exits": lambda one: "exit_code" in one,
              "loginetl-refused-or-changed": lambda one: one.get("exit_code") in (3, 5)}
    if {call["filterName"] for call in calls} != set(wanted):
        raise Failed(f"cloudwatch.json has other filters than {set(wanted)}")
    for call in calls:
        name, pattern = call["filterName"], call["filterPattern"]
        found = [matches(pattern, one) for one in [*objects, *made_up]]
        if found != [bool(wanted[name](one)) for one in [*objects, *made_up]] or not any(found):
            raise Failed(f"{name}: {pattern} does not match what it is for")
        for change in call["metricTransformations"]:
            for field in change.get("dimensions", {}).values():
                if field.removeprefix("$.") not in pattern or "defaultValue" in change:
                    raise Failed(f"{name}: a dimension is a field of the pattern, and has no default value beside it")


def matches(pattern, line):
    """A filter pattern for JSON: comparisons of a field with a text or a number, each in parentheses, joined by ||."""
    inside = re.fullmatch(r"\{ (.+) \}", pattern)
    parts = inside[1].split(" || ") if inside else []
    compared = [re.fullmatch(r"\(?\$\.(\w+) (=|>=) (\"[^\"]*\"|\d+)\)?", part) for part in parts]
    if not parts or None in compared:
        raise Failed(f"a pattern that the evaluator does not know: {pattern}")
    for field, sign, value in (part.groups() for part in compared):
        value, found = json.loads(value), line.get(field)
        if type(found) is type(value) and (found == value or sign == ">=" and found > value):
            return True
    return False


def by_datadog(kit, read_there, objects):
    right, *wrong = read_there["pipelines"]
    if right or not all(wrong):
        raise Failed(f"datadog-pipeline.json: Datadog's model does not know {right!r}; of wrong ones it says {wrong}")
    pipeline, (source,) = json.loads(shipped("datadog-pipeline.json")), by_yaml(kit, "datadog.yaml")["logs"]
    named = [field for processor in pipeline["processors"] for field in processor["sources"]]
    if set(named) != set(FIRST) or any(field not in one for field in named for one in objects):
        raise Failed(f"datadog-pipeline.json names {named}; each line has {FIRST}")
    needs_unit("datadog.yaml", *source["include_units"])
    if pipeline["filter"]["query"] != f"source:{source['source']}":
        raise Failed("datadog.yaml and datadog-pipeline.json speak of different sources")
    path = f"{FOLDER}/datadog-pipeline.json"
    kit.proved(path, "read by the model of Datadog's API, which knows each key and processor; each line of real runs "
               "has the fields that it names")
    kit.proved(f"{FOLDER}/datadog.yaml", "read as YAML; its source is the pipeline's, its unit is shipped")
    for each in (path, f"{FOLDER}/datadog.yaml"):
        kit.cannot(each, "an agent and Datadog itself were not to be had")


def by_fluent_bit(kit, objects):
    """Sections and keys as its reader takes them; the parser's fields and time are those of the lines."""
    main, parsers = sections("fluent-bit.conf"), sections("fluent-bit-parsers.conf")
    (service,), (parser,) = main["SERVICE"], parsers["PARSER"]
    uses = next(one for one in main["FILTER"] if one["Name"] == "parser")
    rule = next(one for one in main["FILTER"] if one["Name"] == "rewrite_tag")["Rule"].split()
    if service["Parsers_File"] != "fluent-bit-parsers.conf" or uses["Parser"] != parser["Name"]:
        raise Failed("fluent-bit.conf does not use the parser of fluent-bit-parsers.conf")
    needs_unit("fluent-bit.conf", main["INPUT"][0]["Systemd_Filter"].removeprefix("_SYSTEMD_UNIT="))
    tags = {main["INPUT"][0]["Tag"], rule[2]}
    if {one["Match"] for one in main["FILTER"] + main["OUTPUT"]} != tags:
        raise Failed(f"fluent-bit.conf matches other tags than {tags}")
    form = parser["Time_Format"].replace("%L", "%f")  # with a fraction, as the lines have it
    for one in objects:
        try:
            datetime.strptime(one[parser["Time_Key"]], form)
        except (KeyError, ValueError) as wrong:
            raise Failed(f"fluent-bit-parsers.conf: the time of {one} cannot be read: {wrong}") from wrong
    field, expression = rule[0].removeprefix("$"), rule[1]
    if [bool(re.search(expression, one[field])) for one in objects] != [one["level"] == "ERROR" for one in objects]:
        raise Failed(f"fluent-bit.conf: the rule {rule} does not find the errors")
    for name in ("fluent-bit.conf", "fluent-bit-parsers.conf"):
        kit.proved(f"{FOLDER}/{name}", "read as sections; parser, tags, fields and the form of the time fit the lines "
                   "of real runs")
        kit.cannot(f"{FOLDER}/{name}", "no Fluent Bit was to be had")


def sections(name):
    """{section: [its keys and values, …]} of a file in Fluent Bit's classic form."""
    found = {}
    for number, line in enumerate(shipped(name).splitlines(), 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        if head := re.fullmatch(r"\[([A-Z]+)\]", line):
            current = {}
            found.setdefault(head[1], []).append(current)
        elif pair := re.fullmatch(r"    (\w+) +(\S.*)", line):
            current[pair[1]] = pair[2]
        else:
            raise Failed(f"{name}:{number} is no section, key or comment")
    return found
