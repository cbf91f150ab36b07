"""What is scaled: a queue with a dead-letter queue, a database, and loaders that start and stop as an autoscaler
says.

    with Fleet(kit, "name", ROUND_TRIP) as fleet:
        fleet.send(count)          in a thread of its own, at a pace
        fleet.scale(2)             starts loaders, or stops the youngest by SIGTERM, as a Deployment does
        fleet.figures()            what the queue says of itself

A loader asks the queue through a relay that is ROUND_TRIP away, with one receiver: so each takes at most ten
messages in this time, whatever the machine is, and a second loader does what it does in production: it takes
another share.

Invariant: every loader that was started is gone when the block ends, and database and queues with it.
"""

import contextlib
import json
import os
import signal
import subprocess
import threading
import time
import urllib.parse
from pathlib import Path

import net_relay
import tools  # noqa: F401  puts tests/env on the path
from kit import Failed
from scale_model import Figures

import servers

MOST_RECEIVES = 5
NAMES = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"]
POISON = 20  # each of so many messages is no login event: the quarantine keeps how often it was received
COUNTS = """select (select count(*) from user_logins), (select count(distinct user_id) from user_logins),
    (select count(*) from ingest.quarantine), (select coalesce(max(receive_count), 0) from ingest.quarantine)"""


class Fleet:
    def __init__(self, kit, name, round_trip, follow=True):
        if not os.environ.get("LOGINETL_TEST_PG_BIN"):
            raise Failed("there are no servers: `make kit` starts some; or `make up`, and source target/env/env.sh")
        self.kit, self.name, self.round_trip = kit, f"kit_{name}_{os.getpid()}", round_trip
        self.end = "--follow" if follow else "--drain"
        self.url = urllib.parse.urlsplit(os.environ["LOGINETL_DATABASE_URL"])
        self.endpoint = os.environ["AWS_ENDPOINT_URL"]
        self.queue = f"{self.endpoint}/000000000000/{self.name}"
        self.dead = f"{self.queue}_dead"
        self.started, self.running, self.sent, self.rejected, self.failure = [], [], 0, 0, None

    def __enter__(self):
        self.block = contextlib.ExitStack()
        with self.block:
            self.psql(f"create database {self.name}", "postgres")
            self.block.callback(self.psql, f"drop database {self.name} with (force)", "postgres")
            self.kit.run(self.kit.binary, "init", env=self.environment())
            servers.sqs(self.endpoint, "CreateQueue", QueueName=f"{self.name}_dead")
            self.block.callback(servers.sqs, self.endpoint, "DeleteQueue", QueueUrl=self.dead)
            redrive = {"deadLetterTargetArn": f"arn:aws:sqs:us-east-1:000000000000:{self.name}_dead",
                       "maxReceiveCount": MOST_RECEIVES}
            servers.sqs(self.endpoint, "CreateQueue", QueueName=self.name,
                        Attributes={"RedrivePolicy": json.dumps(redrive)})
            self.block.callback(servers.sqs, self.endpoint, "DeleteQueue", QueueUrl=self.queue)
            relays = self.block.enter_context(net_relay.Relays())
            listener = net_relay.listener()
            self.near = f"http://127.0.0.1:{listener.getsockname()[1]}"
            relays.tcp(listener, urllib.parse.urlsplit(self.endpoint).port, self.round_trip)
            self.block.callback(self.kill)
            self.block = self.block.pop_all()
        return self

    def __exit__(self, *_):
        self.block.close()

    def environment(self):
        return {**os.environ, "LOGINETL_DATABASE_URL": self.url._replace(path=f"/{self.name}").geturl(),
                "LOGINETL_QUEUE_URL": self.queue, "RUST_LOG": "error"}

    def psql(self, command, database=None):
        url = self.url._replace(path=f"/{database or self.name}").geturl()
        psql = Path(os.environ["LOGINETL_TEST_PG_BIN"]) / "psql"
        return self.kit.run(psql, "-XqAt", "-v", "ON_ERROR_STOP=1", "-c", command, url).strip()

    # --- the queue -------------------------------------------------------------------------------

    def figures(self, queue=None):
        found = servers.sqs(self.endpoint, "GetQueueAttributes", QueueUrl=queue or self.queue, AttributeNames=NAMES)
        return Figures(*(int(found["Attributes"][name]) for name in NAMES))

    def dead_letters(self):
        found = self.figures(self.dead)
        return found.visible + found.in_flight + found.delayed

    @contextlib.contextmanager
    def sending(self, clumps):
        """Sends in the background: `clumps` are (seconds from now, messages), in their order."""
        def send_all(began):
            try:
                for at, count in clumps:
                    time.sleep(max(0, began + at - time.monotonic()))
                    self.send(count)
            except Exception as error:  # the check says it, not this thread
                self.failure = error
        thread = threading.Thread(target=send_all, args=(time.monotonic(),))
        thread.start()
        try:
            yield
        finally:
            thread.join()
        if self.failure:
            raise Failed(f"messages could not be sent: {self.failure}")

    def send(self, count):
        for start in range(0, count, 10):
            bodies = [self.body() for _ in range(start, min(start + 10, count))]
            entries = [{"Id": str(at), "MessageBody": body} for at, body in enumerate(bodies)]
            answer = servers.sqs(self.endpoint, "SendMessageBatch", QueueUrl=self.queue, Entries=entries)
            if answer.get("Failed"):
                raise Failed(f"LocalStack takes {len(answer['Failed'])} messages less than were sent")

    def body(self):
        self.sent += 1
        if self.sent % POISON == 0:
            self.rejected += 1
            return json.dumps({"kit": self.sent})
        return json.dumps({"user_id": f"user-{self.sent}", "app_version": "2.3.0", "device_type": "ios", "locale": None,
                           "ip": f"192.0.2.{self.sent % 250}", "device_id": f"device-{self.sent % 500}"})

    # --- the loaders -----------------------------------------------------------------------------

    def scale(self, replicas):
        while len(self.running) < replicas:
            self.start()
        while len(self.running) > replicas:
            self.running.pop().send_signal(signal.SIGTERM)

    def start(self):
        summary = self.kit.scratch / f"{self.name}-{len(self.started)}.json"
        command = [self.kit.binary, "load", self.end, "--receivers", "1", "--format", "json"]
        with open(summary, "wb") as out, open(summary.with_suffix(".err"), "wb") as err:
            process = subprocess.Popen(command, env={**self.environment(), "AWS_ENDPOINT_URL_SQS": self.near},
                                       stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        self.started.append((process, summary))
        self.running.append(process)

    def reap(self):
        """Takes those that have come to their end by themselves off; how many run."""
        self.running = [process for process in self.running if process.poll() is None]
        return len(self.running)

    def ended(self, seconds):
        """The summaries of all loaders, once each has ended with 0."""
        deadline, summaries = time.monotonic() + seconds, []
        for process, summary in self.started:
            try:
                status = process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired as late:
                raise Failed(f"a loader of {len(self.started)} does not end within {seconds} s after the last "
                             "SIGTERM") from late
            if status == -signal.SIGTERM and not summary.stat().st_size:
                continue  # stopped in its first moments, before it listened to signals: it has received nothing
            if status != 0:
                raise Failed(f"a loader ended with {status}:\n{summary.with_suffix('.err').read_text()}")
            summaries.append(json.loads(summary.read_text(encoding="utf-8").splitlines()[-1]))
        return summaries

    def kill(self):
        for process, _ in self.started:
            if process.poll() is None:
                process.kill()
                process.wait()

    def loaded_once(self, summaries):
        """Each message once in the database, none in a queue. (Most receives of a rejected one, given back)."""
        rows, users, rejected, receives = map(int, self.psql(COUNTS).split("|"))
        good = self.sent - self.rejected
        if (rows, users, rejected) != (good, good, self.rejected):
            raise Failed(f"{good} events and {self.rejected} others were sent; rows, users and quarantined are "
                         f"{rows}, {users}, {rejected}")
        left, dead = self.figures(), self.dead_letters()
        if left != Figures(0, 0, 0) or dead:
            raise Failed(f"the queue holds {left} at the end, and the dead-letter queue {dead}")
        if sum(one["loaded"] + one["quarantined"] for one in summaries) != self.sent:
            raise Failed(f"the loaders tell of other numbers than {self.sent}: {summaries}")
        return receives, sum(one["given_back"] for one in summaries)
