"""Prometheus and Alertmanager, Debian's, and stubs of what stands around them: PagerDuty, Slack, kube-state-metrics.

Invariant: each listens on 127.0.0.1 and is gone when its block ends, however that ends; no secret and no notification
leaves this machine.
"""

import contextlib
import http.server
import json
import os
import signal
import sys
import threading
import time
import urllib.parse
import urllib.request

import tools
from kit import REPOSITORY, Failed, LeftOut

sys.path.insert(1, str(REPOSITORY / "tests/env"))

import servers  # noqa: E402
from processes import Guard, Ledger, tail  # noqa: E402

INTERVAL = "500ms"  # of scrapes and of evaluations
# Debian's Alertmanager reads its own templates from a fixed place: it gets that place in a mount namespace of its own.
IN_ITS_PLACE = """mount -t tmpfs none /usr/share && mkdir -p /usr/share/prometheus &&
cp -r "$0" /usr/share/prometheus/alertmanager && exec "$@" """
STRAIGHT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@contextlib.contextmanager
def processes(kit):
    """A ledger over the check's folder: what is started in it ends with the block."""
    guard, ledger = Guard(kit.scratch), Ledger(kit.scratch)
    try:
        yield ledger
    finally:
        ledger.stop()
        guard.dismiss()


def programs():
    return tools.debian("prometheus", "prometheus-alertmanager")


def get(url):
    with STRAIGHT.open(url, timeout=10) as answer:
        return answer.read().decode()


class Prometheus:
    """Scrapes `targets` ({job: [address]}) and evaluates the files of a folder twice a second."""

    def __init__(self, kit, ledger, config, **rendered):
        self.port = servers.free_port()
        self.log = kit.scratch / "prometheus.log"
        config = {**config, "global": {"scrape_interval": INTERVAL, "evaluation_interval": INTERVAL}, **rendered}
        file = kit.scratch / "prometheus.json"
        file.write_text(json.dumps(config), encoding="utf-8")
        self.child = ledger.spawn(
            [programs() / "bin/prometheus", f"--config.file={file}", f"--storage.tsdb.path={kit.scratch / 'tsdb'}",
             f"--web.listen-address=127.0.0.1:{self.port}", "--rules.alert.resend-delay=1s", "--log.level=warn"],
            self.log, stop_signal=signal.SIGKILL, cwd=kit.scratch)  # nobody needs what it would save

    def ask(self, path, **parameters):
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            return json.loads(get(url))["data"]
        except OSError as error:
            raise Failed(f"Prometheus does not answer {path}: {error}\n{tail(self.log)}") from error

    def value(self, query):
        """The one value of a query; None where there is none."""
        found = self.ask("query", query=query)["result"]
        return float(found[0]["value"][1]) if found else None

    def firing(self, alert, **labels):
        matchers = "".join(f',{name}="{value}"' for name, value in labels.items())
        return self.value(f'ALERTS{{alertstate="firing",alertname="{alert}"{matchers}}}') is not None

    def ready(self):
        await_that(lambda: answers(self.port, "/-/ready"), 20, lambda: f"no Prometheus:\n{tail(self.log)}", self.child)


class Alertmanager:
    def __init__(self, kit, ledger, config):
        self.port, self.log = servers.free_port(), kit.scratch / "alertmanager.log"
        file, folder = kit.scratch / "alertmanager.json", programs()
        file.write_text(json.dumps(config), encoding="utf-8")
        own = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
        self.child = ledger.spawn(
            ["unshare", "--mount", *own, "sh", "-c", IN_ITS_PLACE, folder / "root/usr/share/prometheus/alertmanager",
             folder / "bin/prometheus-alertmanager", f"--config.file={file}",
             f"--storage.path={kit.scratch / 'silences'}",
             f"--web.listen-address=127.0.0.1:{self.port}", "--cluster.listen-address=", "--log.level=info"],
            self.log, stop_signal=signal.SIGKILL)

    def ready(self):
        try:
            await_that(lambda: answers(self.port, "/-/ready"), 20, lambda: "no Alertmanager", self.child)
        except Failed as failed:
            said = tail(self.log)
            if "unshare" in said or "mount" in said:
                raise LeftOut(f"this machine lets nobody have a mount namespace:\n{said}") from failed
            raise Failed(f"{failed}:\n{said}") from failed

    def alerts(self):
        return json.loads(get(f"http://127.0.0.1:{self.port}/api/v2/alerts"))


def answers(port, path):
    try:
        get(f"http://127.0.0.1:{port}{path}")
    except OSError:
        return False
    return True


def await_that(true, seconds, otherwise, child=None):
    deadline = time.monotonic() + seconds
    while not (found := true()):
        if time.monotonic() > deadline or (child and child.poll() is not None):
            raise Failed(otherwise())
        time.sleep(0.1)
    return found


class Stub(http.server.ThreadingHTTPServer):
    """Keeps what is posted: (path, object). Answers GET with the text of a function of that path."""

    daemon_threads = True

    def __init__(self, pages):
        self.pages, self.posted = pages, []
        super().__init__(("127.0.0.1", 0), _Answers)
        self.address = f"127.0.0.1:{self.server_port}"

    def __enter__(self):
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()

    def got(self, path):
        return [body for at, body in list(self.posted) if at == path]


class _Answers(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posted.append((self.path, json.loads(body)))
        # PagerDuty answers 202 with an object, Slack 200 with `ok`.
        if self.path == "/pagerduty":
            self.reply(202, '{"status": "success"}')
        else:
            self.reply(200, "ok")

    def do_GET(self):
        page = self.server.pages.get(self.path)
        self.reply(200, page()) if page else self.reply(404, "")

    def reply(self, status, text):
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass
