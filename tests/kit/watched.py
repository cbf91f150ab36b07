"""A fleet that is watched: loaders with a database and a queue of their own, a Prometheus that scrapes them, and faults
of AWS that happen when the check says so.

    with Watched(kit) as fleet: fleet.loader("a"); fleet.prometheus(); fleet.api("query", query="up")

Invariant: all of it listens on 127.0.0.1 alone, and nothing is left when the block ends, however that comes about.
"""

import contextlib
import http.client
import http.server
import json
import os
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import tools
from kit import Failed
from place import Place, servers

SCRAPE = 0.5  # seconds
CONFIG = """\
global: {{scrape_interval: {every}ms, evaluation_interval: {every}ms, scrape_timeout: {every}ms}}
scrape_configs:
  - job_name: {job}
    static_configs: [{targets}]
"""
JOB = "kit-loaders"  # a name that nothing of what is shipped knows


class Watched(Place):
    def __init__(self, kit):
        super().__init__(kit, None)
        self.name = f"kit_watched_{os.getpid()}"
        self.queue = f"{self.endpoint}/000000000000/{self.name}"
        self.dead_letters = f"{self.queue}_dead"
        self.addresses, self.loaders = {}, {}

    def __enter__(self):
        self.stack = contextlib.ExitStack()
        with contextlib.ExitStack() as undo:
            undo.callback(self.stack.close)
            super().__enter__()
            self.stack.callback(super().__exit__)
            self.front = self.stack.enter_context(Front(self.port))
            self.ledger = self.stack.enter_context(servers.private_folder())
            self.with_dead_letters()
            self.kit.run(self.kit.binary, "init", env=self.settings())
            undo.pop_all()
        return self

    def __exit__(self, *_):
        self.stack.close()

    def with_dead_letters(self):
        servers.sqs(self.endpoint, "CreateQueue", QueueName=f"{self.name}_dead")
        self.stack.callback(servers.sqs, self.endpoint, "DeleteQueue", QueueUrl=self.dead_letters)
        arn = f"arn:aws:sqs:us-east-1:000000000000:{self.name}_dead"
        redrive = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": "5"})
        servers.sqs(self.endpoint, "SetQueueAttributes", QueueUrl=self.queue, Attributes={"RedrivePolicy": redrive})

    def settings(self, **others):
        """What a command is told: the database, the queue, and AWS without faults."""
        url = self.url._replace(path=f"/{self.name}").geturl()
        return {**os.environ, "LOGINETL_DATABASE_URL": url, "LOGINETL_QUEUE_URL": self.queue, "RUST_LOG": "", **others}

    def loader(self, name, *flags):
        """Starts a loader that answers over HTTP and speaks with AWS through the front."""
        address = f"127.0.0.1:{servers.free_port()}"
        settings = self.settings(AWS_ENDPOINT_URL=f"http://127.0.0.1:{self.front.port}")
        command = [self.kit.binary, "load", "--follow", "--listen", address, "--log-format", "json", *flags]
        log = self.ledger.base / f"{name}.log"
        self.loaders[name] = (self.ledger.spawn(command, log, env=settings), log)
        self.addresses[name] = address
        until(lambda: self.text(name, "/readyz") == "ready\n", f"the loader {name} is ready", log)

    def text(self, name, path):
        """What a loader answers; None if it does not."""
        with contextlib.suppress(OSError):
            return fetch(f"http://{self.addresses[name]}{path}").decode()

    def prometheus(self):
        """Starts one that scrapes every loader that was started."""
        folder, programs = self.ledger.base / "prometheus", tools.debian("prometheus") / "bin"
        folder.mkdir()
        targets = ", ".join(f'{{targets: ["{address}"], labels: {{instance: {name}}}}}'
                            for name, address in self.addresses.items())
        (folder / "config.yml").write_text(
            CONFIG.format(every=round(SCRAPE * 1000), job=JOB, targets=targets), encoding="utf-8")
        self.watcher, log = f"127.0.0.1:{servers.free_port()}", self.ledger.base / "prometheus.log"
        self.ledger.spawn(
            [programs / "prometheus", f"--config.file={folder}/config.yml", f"--storage.tsdb.path={folder}/data",
             f"--web.listen-address={self.watcher}", "--log.level=warn", "--no-scrape.adjust-timestamps"], log)
        until(lambda: bool(self.ready()), "Prometheus is ready", log)

    def ready(self):
        with contextlib.suppress(OSError):
            return fetch(f"http://{self.watcher}/-/ready")

    def api(self, path, **parameters):
        """The data of an answer of Prometheus; Failed with its own words if it refuses."""
        try:
            answer = fetch(f"http://{self.watcher}/api/v1/{path}?{urllib.parse.urlencode(parameters, doseq=True)}")
        except urllib.error.HTTPError as refused:
            raise Failed(f"Prometheus refuses {parameters}: {refused.read().decode()}") from refused
        return json.loads(answer)["data"]

    def send_all(self, bodies):
        """Ten messages a call, to LocalStack itself."""
        for at in range(0, len(bodies), 10):
            entries = [{"Id": str(n), "MessageBody": body} for n, body in enumerate(bodies[at:at + 10])]
            servers.sqs(self.endpoint, "SendMessageBatch", QueueUrl=self.queue, Entries=entries)

    def cut_connections(self):
        """Ends each connection that writes rows, as a failing server does: for 1.5 s, and four of them or more."""
        self.psql("""do $$ declare ended int := 0; begin
            lock table user_logins in access exclusive mode;
            for i in 1 .. 200 loop
                ended := ended + (select count(*) filter (where pg_terminate_backend(pid)) from pg_locks
                                  where not granted and relation = 'user_logins'::regclass);
                exit when i >= 30 and ended >= 4;
                perform pg_sleep(0.05);
            end loop;
        end $$""")


class Front:
    """AWS as the loaders see it: LocalStack, and what is in `faults` instead, {operation: [(status, error), …]}."""

    def __init__(self, port):
        self.faults, self.lock, self.behind = {}, threading.Lock(), port

    def __enter__(self):
        front = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self):
                front.answer(self)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def fail(self, operation, fault, times):
        """The next so many calls of this name are answered so, whoever makes them; none any more with 0."""
        with self.lock:
            self.faults[operation] = [fault] * times

    def next_fault(self, operation):
        with self.lock:
            waiting = self.faults.get(operation)
            return waiting.pop(0) if waiting else None

    def answer(self, client):
        body = client.rfile.read(int(client.headers["Content-Length"]))
        fault = self.next_fault(client.headers["X-Amz-Target"].rpartition(".")[2])
        if fault:
            status, error = fault
            kind, problem = "application/x-amz-json-1.0", {"__type": error, "message": "made by a check"}
            said = json.dumps(problem).encode()
        else:
            status, kind, said = self.passed_on(client, body)
        with contextlib.suppress(OSError):
            client.send_response(status)
            client.send_header("Content-Type", kind)
            client.send_header("Content-Length", str(len(said)))
            client.end_headers()
            client.wfile.write(said)

    def passed_on(self, client, body):
        behind = getattr(client, "behind", None)
        if behind is None:  # one for each connection of the client
            behind = client.behind = http.client.HTTPConnection("127.0.0.1", self.behind, timeout=60)
        try:
            behind.request("POST", client.path, body, dict(client.headers))
            answer = behind.getresponse()
            return answer.status, answer.headers["Content-Type"] or "", answer.read()
        except OSError:
            behind.close()
            client.close_connection = True
            return 503, "text/plain", b""


def fetch(url):
    straight = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with straight.open(url, timeout=10) as answer:
        return answer.read()


def until(condition, what, log=None, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            said = log.read_text(errors="replace")[-2000:] if log and log.exists() else ""
            raise Failed(f"after {seconds} s it is not so that {what}:\n{said}")
        time.sleep(0.05)
