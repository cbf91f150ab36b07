"""Command lines and settings that the chart renders, held against the program: its parser, its help, its HTTP answers.

Invariant: the program itself is asked; no list of flags stands here.
"""

import json
import re
import socket
import subprocess
import time
import urllib.error
import urllib.request

import servers
from chart_tools import CHART
from kit import REPOSITORY, Failed

# Values that are the default of a flag: (value, command, flag).
DEFAULTS = [("receivers", "load", "--receivers"), ("batchRows", "load", "--batch-rows"),
            ("visibilityTimeout", "load", "--visibility-timeout"), ("poisonBudget", "load", "--poison-budget"),
            ("envelope", "load", "--envelope"), ("appVersion", "load", "--app-version"),
            ("duty", "rotate-keys", "--duty"), ("ingestKey", "rotate-keys", "--ingest-key"),
            ("recoveryKey", "rotate-keys", "--recovery-key"), ("auditKey", "audit verify", "--audit-key")]
CHOICES = {"envelope": "--envelope", "appVersion": "--app-version"}
MISSING = "LOGINETL_DATABASE_URL_FILE names a file that cannot be read"
NOBODY, UNREACHABLE = "http://127.0.0.1:1", "the endpoint cannot be reached"


def check(kit, pods):
    """How many different command lines there are."""
    lines = {tuple(pod.args) for pod in pods}
    for line in sorted(lines):
        parsed(kit, line)
    documented(pods)
    defaults(kit)
    probes(kit, next(pod for pod in pods if pod.owner["kind"] == "Deployment" and pod.case == "deployment"))
    return len(lines)


def parsed(kit, line):
    """The program takes the line, and only then misses the first file that the chart would mount, or KMS."""
    missing = next((word for word in line if word.startswith("/etc/loginetl/")), MISSING)
    env = {"LOGINETL_DATABASE_URL_FILE": "/nowhere/url", "LOGINETL_QUEUE_URL": f"{NOBODY}/q", **aws(NOBODY)}
    done = subprocess.run([kit.binary, *line], env=env, capture_output=True, text=True, timeout=60,
                          stdin=subprocess.DEVNULL, check=False)
    words = {2: missing, 4: UNREACHABLE}.get(done.returncode)
    if not words or words not in done.stderr:
        raise Failed(f"loginetl {' '.join(line)}\nended with {done.returncode}, and says neither “{missing}” nor "
                     f"“{UNREACHABLE}”:\n{done.stderr}")


def aws(endpoint):
    return {"AWS_REGION": "eu-central-1", "AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": "x",
            "AWS_SECRET_ACCESS_KEY": "x"}


def documented(pods):
    """Each variable stands in docs/settings.md, whose table is compared with the program by `cargo test`."""
    text = (REPOSITORY / "docs/settings.md").read_text(encoding="utf-8")
    known = {word for line in text.splitlines() if line.startswith("| `") for word in re.findall(r"`(\w+)`", line)}
    unknown = {name for pod in pods for name in pod.env} - known
    if unknown:
        raise Failed(f"docs/settings.md knows no {', '.join(sorted(unknown))}")


def helped(kit, command):
    return subprocess.run([kit.binary, *command.split(), "--help"], capture_output=True, text=True, timeout=60,
                          check=True).stdout


def of_flag(text, flag):
    """The part of a help about one flag."""
    found = re.search(rf"^ +{flag}\b.*?(?=^ +(?:-\w, )?--[a-z]|\Z)", text, re.MULTILINE | re.DOTALL)
    if not found:
        raise Failed(f"the program has no {flag}")
    return found.group()


def defaults(kit):
    """Defaults of values are the program's, and so are the choices that the schema leaves."""
    values = (CHART / "values.yaml").read_text(encoding="utf-8")
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    for name, command, flag in DEFAULTS:
        told = re.search(r"\[default:\s+([^\]]+)\]", of_flag(helped(kit, command), flag))
        ours = re.search(rf"^ +{name}: (\S+)$", values, re.MULTILINE)
        if not told or not ours or told.group(1) != ours.group(1):
            raise Failed(f"values.yaml: {name} is {ours and ours.group(1)}, {flag} is {told and told.group(1)}")
    for name, flag in CHOICES.items():
        told = re.findall(r"^ +- ([a-z]+):", of_flag(helped(kit, "load"), flag), re.MULTILINE)
        if told != schema["properties"]["loader"]["properties"][name]["enum"]:
            raise Failed(f"values.schema.json: {name} may be others than {told}, which {flag} takes")


def probes(kit, pod):
    """The paths of probes and monitor are answered by the very command line, while its database says nothing."""
    paths = {pod.container[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "liveness", "readiness")}
    port = servers.free_port()
    line = [f"127.0.0.1:{port}" if word == "0.0.0.0:9464" else word for word in pod.args]
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = kit.scratch / "url"
        url.write_text(f"postgres://u@127.0.0.1:{mute.getsockname()[1]}/d?sslmode=disable", encoding="utf-8")
        env = {"LOGINETL_DATABASE_URL_FILE": str(url), "LOGINETL_QUEUE_URL": f"{NOBODY}/q", **aws(NOBODY)}
        loader = subprocess.Popen([kit.binary, *line], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL)
        try:
            found = {path: answer(port, path) for path in sorted({*paths, "/metrics", "/nothing"})}
        finally:
            loader.kill()
            loader.wait()
    wanted = {"/healthz": 200, "/readyz": 503, "/metrics": 200, "/nothing": 404}
    if found != wanted:
        raise Failed(f"a loader that waits for its database answers {found}, not {wanted}")


def answer(port, path):
    deadline = time.monotonic() + 40
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as said:
                return said.status
        except urllib.error.HTTPError as said:
            return said.code
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
