"""The states that the alerts are about, made for real: loaders with databases and queues of their own, and what befalls
them.

Each function of STATES brings one fleet, which is one job of Prometheus, into a state, and returns when the alerts of
that state fire. What kube-state-metrics and node_exporter would say comes from commands that were run here.

Invariant: the databases, queues and logins are this check's own, and are gone when the block ends; no database and no
queue of another check is touched.
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

import watchers
from kit import REPOSITORY, Failed
from watchers import await_that

import servers

SAMPLE = (REPOSITORY / "tests/env/sample.jsonl").read_text(encoding="utf-8").splitlines()
PATIENCE = 90  # seconds until an alert must fire; it takes some ten to twenty
OLD_KEYS = """set session_replication_role = replica;
update vault.data_keys set created_at = created_at - interval '41 days'"""
HELD = "begin; lock table user_logins in exclusive mode; select pg_sleep(1.3); commit;"


class States:
    """Where the states are made. `prometheus` is set as soon as there is one."""

    def __init__(self, kit, ledger):
        self.kit, self.ledger = kit, ledger
        self.name = f"kit_alerts_{os.getpid()}"
        self.endpoint = os.environ["AWS_ENDPOINT_URL"]
        self.url = urllib.parse.urlsplit(os.environ["LOGINETL_DATABASE_URL"])
        self.ports = {state: servers.free_port() for state in FLEETS}
        self.made, self.queues, self.prometheus, self.over = [], [], None, threading.Event()
        self.codes = {}  # what a command ended with, and when: kube-state-metrics and node_exporter tell of it

    def __enter__(self):
        try:
            self.create("template", "template0")
            self.kit.run(self.kit.binary, "init", env=self.environment("template"))
            for fleet in FLEETS:
                self.create(fleet, f"{self.name}_template")
                self.queue(fleet)
            self.psql(f"create role {self.name} login in role loginetl_analyst")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.over.set()
        self.ledger.stop()
        for queue in self.queues:
            with contextlib.suppress(Exception):  # the database goes all the same
                servers.sqs(self.endpoint, "DeleteQueue", QueueUrl=queue)
        drops = [f"drop database if exists {name} with (force)" for name in self.made]
        self.psql(*drops, f"drop role if exists {self.name}")

    def create(self, fleet, template):
        self.made.append(f"{self.name}_{fleet}")
        self.psql(f"create database {self.name}_{fleet} template {template}")

    def queue(self, name):
        self.queues.append(self.queue_of(name))
        servers.sqs(self.endpoint, "CreateQueue", QueueName=f"{self.name}_{name}")
        return self.queue_of(name)

    def queue_of(self, fleet):
        return f"{self.endpoint}/000000000000/{self.name}_{fleet}"

    def of(self, fleet, login="postgres", port=None):
        server = f"{login}@{self.url.hostname}:{port or self.url.port}"
        return self.url._replace(netloc=server, path=f"/{self.name}_{fleet}").geturl()

    def environment(self, fleet, **of):
        return {**os.environ, "LOGINETL_DATABASE_URL": self.of(fleet, **of), "LOGINETL_QUEUE_URL": self.queue_of(fleet)}

    def psql(self, *commands, fleet=None):
        program = Path(os.environ["LOGINETL_TEST_PG_BIN"]) / "psql"
        url = self.of(fleet) if fleet else self.url._replace(path="/postgres").geturl()
        each = [word for command in commands for word in ("-c", command)]
        return self.kit.run(program, "-XqAt", "-v", "ON_ERROR_STOP=1", *each, url).strip()

    def start(self, fleet, *flags):
        """A loader that is ready and was scraped."""
        address = f"127.0.0.1:{self.ports[fleet]}"
        log = self.kit.scratch / f"{fleet}.log"
        # At the end it is killed: without its database it would take its time to stop.
        child = self.ledger.spawn([self.kit.binary, "load", "--follow", "--listen", address, *flags], log,
                                  stop_signal=signal.SIGKILL, env=self.environment(fleet))
        began = time.time()
        await_that(lambda: (self.value("loginetl_start_time_seconds", fleet) or 0) >= began, PATIENCE,
                   lambda: f"no scraped loader of {fleet}:\n{watchers.tail(log)}", child)
        return child

    def value(self, metric, fleet):
        return self.prometheus.value(f'{metric}{{job="{fleet}"}}')

    def close(self, fleet):
        """The database lets nobody in any more, as when it is stopped."""
        self.psql(f"alter database {self.name}_{fleet} allow_connections false",
                  f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{self.name}_{fleet}'")

    def send(self, fleet, bodies, **delay):
        queue = self.queue_of(fleet)
        for start in range(0, len(bodies), 10):
            entries = [{"Id": str(number), "MessageBody": body, **delay}
                       for number, body in enumerate(bodies[start:start + 10])]
            if servers.sqs(self.endpoint, "SendMessageBatch", QueueUrl=queue, Entries=entries).get("Failed"):
                raise Failed(f"LocalStack takes no messages for {fleet}")

    def await_firing(self, alerts, meanwhile=lambda: None, **labels):
        """Until all of them fire, with these labels; `meanwhile` is done again and again."""
        def all_fire():
            if self.over.is_set():
                raise Failed(f"{labels}: given up, for another state has failed")
            meanwhile()
            return all(self.prometheus.firing(alert, **labels) for alert in alerts)
        missing = lambda: [alert for alert in alerts if not self.prometheus.firing(alert, **labels)]
        await_that(all_fire, PATIENCE, lambda: f"{labels}: {', '.join(missing())} does not fire")

    def kept(self, name, *command, **of):
        """Runs a command of the program, and keeps how it ended and when."""
        done = subprocess.run([self.kit.binary, *command], env=self.environment("commands", **of),
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
        runs = self.codes.get(name, (0, 0, 0))[2] + 1
        self.codes[name] = (done.returncode, time.time(), runs)
        return done.returncode


def sample(count):
    return [SAMPLE[number % len(SAMPLE)] for number in range(count)]


def healthy(states):
    """One that works, with a message now and then, until the others are done: no alert may fire for it."""
    states.start("healthy")
    while not states.over.wait(0.7):
        states.send("healthy", SAMPLE[:1])


def killed(states):
    """Killed while it holds messages, which it could not write."""
    loader = states.start("killed")
    states.close("killed")
    states.send("killed", sample(1400))
    await_that(lambda: (states.value("loginetl_messages_received_total", "killed") or 0) > 1200, PATIENCE,
               lambda: "the loader that is to be killed does not receive")
    loader.kill()
    states.await_firing(["LoginetlDown", "LoginetlGivenBack"], job="killed")


def closed(states):
    """Its database is stopped, and messages wait. It may hold few of them."""
    states.start("closed", "--batch-rows", "10", "--receivers", "1")
    states.close("closed")
    states.send("closed", sample(1500))
    states.await_firing(["LoginetlNotReady", "LoginetlNothingCommitted", "LoginetlBacklogNotDraining"], job="closed")


def slow(states):
    """Somebody locks the table for more than a second, again and again."""
    states.start("slow")
    program = Path(os.environ["LOGINETL_TEST_PG_BIN"]) / "psql"
    locks = states.kit.scratch / "locks.sql"
    locks.write_text(HELD * 100, encoding="utf-8")
    states.ledger.spawn([program, "-Xq", "-f", locks, states.of("slow")], states.kit.scratch / "locks.log")
    states.await_firing(["LoginetlSlowWrites"], lambda: states.send("slow", SAMPLE[:2]), job="slow")


def poisoned(states):
    """A sender has lost a field."""
    states.start("poisoned", "--quarantine-from-start")
    lacking = [json.dumps({"user_id": f"kit-{number}"}) for number in range(560)]
    states.send("poisoned", [*SAMPLE, *lacking])
    states.await_firing(["LoginetlPoisonBudget", "LoginetlRejections"], lambda: states.send("poisoned", lacking[:5]),
                        job="poisoned")


def neglected(states):
    """The mask key is 41 days old, a message is a dead letter, and others are late."""
    states.psql(OLD_KEYS, fleet="neglected")
    dead = states.queue("neglected_dlq")
    redrive = {"deadLetterTargetArn": f"arn:aws:sqs:us-east-1:000000000000:{states.name}_neglected_dlq",
               "maxReceiveCount": 1}
    queue = states.queue_of("neglected")
    policy = {"RedrivePolicy": json.dumps(redrive)}
    servers.sqs(states.endpoint, "SetQueueAttributes", QueueUrl=queue, Attributes=policy)
    states.send("neglected", SAMPLE[:1])

    def is_dead():
        """Received, never deleted: the second receive makes it a dead letter."""
        servers.sqs(states.endpoint, "ReceiveMessage", QueueUrl=queue, VisibilityTimeout=0)
        count = "ApproximateNumberOfMessages"
        return servers.sqs(states.endpoint, "GetQueueAttributes", QueueUrl=dead,
                           AttributeNames=[count])["Attributes"][count] != "0"
    await_that(is_dead, PATIENCE, lambda: "LocalStack moves nothing to the dead-letter queue")
    states.start("neglected")
    states.await_firing(["LoginetlLag", "LoginetlKeyTooOld", "LoginetlDeadLetters"],
                        lambda: states.send("neglected", SAMPLE[:2], DelaySeconds=7), job="neglected")


def restarted(states):
    """Killed and started again, three times or more."""
    loaders = [states.start("restarted")]

    def again():
        loaders[-1].kill()
        loaders[-1].wait()
        loaders.append(states.start("restarted"))
    states.await_firing(["LoginetlRestarts"], again, job="restarted")


def commands(states):
    """Commands that end with 3, 5 and 4, and one that last succeeded long ago; as containers, Jobs and units."""
    await_that(lambda: states.prometheus.value('kube_pod_container_status_restarts_total{pod="loginetl-refused"}') == 0,
               PATIENCE, lambda: "the stub of kube-state-metrics is not scraped")
    refused = lambda: states.kept("refused", "load", "--drain", login=states.name)
    codes = [refused(), states.kept("verified", "audit", "verify"),
             states.kept("changed", "audit", "verify", "--expect-head", f"99:{'0' * 64}"),
             states.kept("unreachable", "rotate-keys", "--resume", port=1)]
    if codes != [3, 0, 5, 4]:
        raise Failed(f"the commands end with {codes}")
    # A container that is started again and again.
    states.await_firing(["LoginetlExitCode", "LoginetlRestarts"], lambda: (refused(), time.sleep(1)),
                        pod="loginetl-refused")
    states.await_firing(["LoginetlExitCode"], job_name="loginetl-changed")
    states.await_firing(["LoginetlJobNotSucceeded", "LoginetlLogNotVerified"], cronjob="loginetl-verifier")
    states.await_firing(["LoginetlJobNotSucceeded"], name="loginetl-resume.service")
    states.await_firing(["LoginetlLogNotVerified"], name="loginetl-verify.service")


STATES = [healthy, killed, closed, slow, poisoned, neglected, restarted, commands]
FLEETS = [state.__name__ for state in STATES]


def cluster_page(states):
    """What kube-state-metrics says of these commands, had they been containers and Jobs: from their exit codes.

    Only the times are older: the last success of the verification is taken to be 51 hours ago."""
    lines = []
    say = lambda metric, value, **labels: lines.append(sample_line(metric, value, namespace="x", **labels))
    codes = dict(states.codes)
    container = {"pod": "loginetl-refused", "container": "loginetl"}
    code, _, restarts = codes.get("refused", (0, 0, 0))
    say("kube_pod_container_status_restarts_total", restarts, **container)
    if restarts:
        say("kube_pod_container_status_last_terminated_exitcode", code, **container)
    for name, (code, when, _) in codes.items():
        if name == "changed":  # as podFailurePolicy fails it: for none of the three reasons
            say("kube_job_failed", int(code in (1, 2, 3, 5)), job_name=f"loginetl-{name}", condition="true")
            say("kube_job_status_failed", int(code != 0), job_name=f"loginetl-{name}", reason="")
        if name == "verified" and code == 0:
            cronjob = {"cronjob": "loginetl-verifier"}
            say("kube_cronjob_created", when - 90 * 86400, **cronjob)
            say("kube_cronjob_status_last_successful_time", when - 51 * 3600, **cronjob)
            say("kube_cronjob_status_last_schedule_time", when - 3 * 3600, **cronjob)
    return "".join(lines)


def host_page(states):
    """What node_exporter says of units that run these commands."""
    units = {"unreachable": "loginetl-resume", "changed": "loginetl-verify", "verified": "loginetl-rotate"}
    lines = []
    for name, (code, when, _) in dict(states.codes).items():
        if name in units:
            unit = units[name]
            lines.append(sample_line("node_systemd_unit_state", int(code != 0), name=f"{unit}.service", state="failed"))
            lines.append(sample_line("node_systemd_timer_last_trigger_seconds", when, name=f"{unit}.timer"))
    return "".join(lines)


def sample_line(metric, value, **labels):
    return f"{metric}{{{','.join(f'{name}={json.dumps(text)}' for name, text in labels.items())}}} {value}\n"
