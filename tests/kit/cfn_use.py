"""loginetl run on the stack of foundation.yaml, by the commands and settings of the tasks of service.yaml.

Each task runs with the login of its role, what its definition sets, and nothing else of the environment.

Invariant: what runs is what a task definition says; the port of --listen and the head's place are this machine's.
"""

import contextlib
import datetime
import json
import os
import signal
import subprocess

import tools  # noqa: F401  puts tests/env on the path
import units
from cfn_service import container, settings
from kit import REPOSITORY, Failed

import servers

VISIBLE = "ApproximateNumberOfMessagesVisible"


class Place(units.Installation):
    """A database of the check's own beside the stack; `run` and `start` run a task of service.yaml in it."""

    def __init__(self, kit, client, tasks, queue):
        super().__init__(kit)
        self.name = f"kit_cfn_{os.getpid()}"
        self.client, self.tasks, self.queue = client, tasks, queue
        self.endpoint = client["AWS_ENDPOINT_URL"]
        self.aws = {name: value for name, value in client.items() if name.startswith("AWS_") or name == "PATH"}

    def __enter__(self):
        self.psql(f"create database {self.name}", "postgres")
        try:
            self.run("InitTask", "postgres")
            for role in sorted(set(units.ROLES.values())):
                self.psql(f"create role {self.name}_{role} login in role loginetl_{role}")
        except BaseException:
            self.__exit__()
            raise
        return self

    def send(self):
        tests = REPOSITORY / "tests/env"
        self.kit.run(os.environ["LOGINETL_TEST_PYTHON"], tests / "send.py", tests / "sample.jsonl",
                     env={**self.client, "LOGINETL_QUEUE_URL": self.queue})

    def environment(self, task, login):
        return {**self.aws, **settings(self.tasks[task]), "LOGINETL_DATABASE_URL": self.of(login)}

    def run(self, task, role, *others, expect=0, head=None):
        """Runs a task's command to its end, or `others` in its place; `head` is where /head/head lies here."""
        login = role if role == "postgres" else f"{self.name}_{role}"
        words = others or container(self.tasks[task])["Command"]
        words = [head if head and word == "/head/head" else word for word in words]
        return self.kit.run(self.kit.binary, *words, env=self.environment(task, login), expect=expect)

    @contextlib.contextmanager
    def loader(self):
        """The loader's task, its health asked as ECS does; at the end SIGTERM is enough, within its StopTimeout."""
        definition = container(self.tasks["LoaderTask"])
        at = f"127.0.0.1:{servers.free_port()}"
        words = [at if word.startswith("127.0.0.1:") else word for word in definition["Command"]]
        log = self.kit.scratch / "loader.log"
        with open(log, "wb") as out:
            process = subprocess.Popen([self.kit.binary, *words], stdout=out, stderr=out, stdin=subprocess.DEVNULL,
                                       env=self.environment("LoaderTask", f"{self.name}_loader"))
        try:
            yield lambda: self.healthy(definition, at)
            process.send_signal(signal.SIGTERM)
            if process.wait(definition["StopTimeout"]) != 0:
                raise Failed(f"the loader ends with {process.returncode}:\n{log.read_text()}")
        finally:
            process.kill()
            process.wait()

    def healthy(self, definition, at):
        _, _, *words = definition["HealthCheck"]["Command"]
        self.kit.run(self.kit.binary, *words, at, env={})


def everything(kit, place):
    """The sample loaded, a rotation, its end, and the log verified, each by its task."""
    place.send()
    with place.loader() as healthy:
        units.await_that(lambda: place.psql(units.COUNTS) == units.LOADED, 60,
                         lambda: f"rows and quarantined are {place.psql(units.COUNTS)}:\n"
                                 f"{(kit.scratch / 'loader.log').read_text()}")
        healthy()
    for task, role in (("LoaderTask", "loader"), ("RotateTask", "rotator"), ("VerifyTask", "auditor")):
        place.run(task, role, "check")
    active, retired = map(int, place.psql(units.KEYS).split("|"))
    place.run("RotateTask", "rotator")
    place.run("ResumeTask", "rotator")
    if place.psql(units.KEYS) != f"{active}|{retired + 1}":
        raise Failed(f"keys are {place.psql(units.KEYS)} after a rotation, not {active}|{retired + 1}")
    place.run("VerifyTask", "auditor")


def heads(place, tasks):
    """With a file system for the head: it is made, then compared; one that the log does not hold is exit 5."""
    place.tasks = tasks
    head = place.kit.scratch / "head"
    for _ in range(2):
        place.run("VerifyTask", "auditor", head=head)
    if not head.exists():
        raise Failed("VerifyTask keeps no head, though it has a file system for it")
    sequence, _, digest = head.read_text(encoding="utf-8").strip().partition(":")
    head.write_text(f"{int(sequence) + 1}:{digest}\n", encoding="utf-8")
    place.run("VerifyTask", "auditor", head=head, expect=5)


def dead_letters(aws, outputs, most):
    """A message that is received once too often is in the dead-letter queue, and no longer in the other."""
    source, other = outputs["QueueUrl"], outputs["DeadLettersUrl"]
    sent = aws("sqs", "send_message", QueueUrl=source, MessageBody="{}")["MessageId"]
    for count in range(1, most + 2):
        got = received(aws, source, 0)
        if got != ([sent] if count <= most else []):
            raise Failed(f"receive {count} of at most {most} gives {got}")
    if (there := received(aws, other, 5)) != [sent]:
        raise Failed(f"the dead-letter queue has {there}, not {sent}")


def received(aws, queue, wait):
    """The ids of what the queue hands out, and at once would again."""
    answer = aws("sqs", "receive_message", QueueUrl=queue, VisibilityTimeout=0, WaitTimeSeconds=wait)
    return [each["MessageId"] for each in answer.get("Messages", [])]


def alarms(aws, outputs):
    """Each alarm looks at a queue that is there, by a metric of it; the topic that it names tells whoever listens."""
    found = {each["AlarmName"]: each for each in aws("cloudwatch", "describe_alarms")["MetricAlarms"]}
    looked_at = {name: (each["Namespace"], each["MetricName"], queue_of(aws, each)) for name, each in found.items()}
    expected = {"loginetl-backlog": ("AWS/SQS", VISIBLE, outputs["QueueUrl"]),
                "loginetl-oldest-message": ("AWS/SQS", "ApproximateAgeOfOldestMessage", outputs["QueueUrl"]),
                "loginetl-dead-letters": ("AWS/SQS", VISIBLE, outputs["DeadLettersUrl"])}
    if looked_at != expected:
        raise Failed(f"the alarms look at {looked_at}, not {expected}")
    dead = found["loginetl-dead-letters"]
    units.await_that(lambda: any(value > dead["Threshold"] for value in counted(aws, dead)), 30,
                     lambda: f"with a dead letter there, its alarm counts {counted(aws, dead)}")
    listener = aws("sqs", "create_queue", QueueName="listener")["QueueUrl"]
    arn = outputs["QueueArn"].rpartition(":")[0] + ":listener"
    aws("sns", "subscribe", TopicArn=outputs["AlarmsTopicArn"], Protocol="sqs", Endpoint=arn)
    heard = set()
    for name in expected:
        aws("cloudwatch", "set_alarm_state", AlarmName=name, StateValue="ALARM", StateReason="a check")
    while heard != set(expected):
        got = aws("sqs", "receive_message", QueueUrl=listener, WaitTimeSeconds=5, MaxNumberOfMessages=10)
        if not (got := got.get("Messages")):
            raise Failed(f"who listens to the topic has heard of {sorted(heard)}, not of each of {sorted(expected)}")
        heard |= {json.loads(json.loads(each["Body"])["Message"])["AlarmName"] for each in got}


def queue_of(aws, alarm):
    (dimension,) = alarm["Dimensions"]
    if dimension["Name"] != "QueueName":
        raise Failed(f"{alarm['AlarmName']} has the dimension {dimension}")
    return aws("sqs", "get_queue_url", QueueName=dimension["Value"])["QueueUrl"]


def counted(aws, alarm):
    """What an alarm's metric was in the last minutes, as CloudWatch would ask for it."""
    now = datetime.datetime.now(datetime.timezone.utc)
    asked = {name: alarm[name] for name in ("Namespace", "MetricName", "Dimensions", "Period")}
    points = aws("cloudwatch", "get_metric_statistics", **asked, Statistics=[alarm["Statistic"]],
                 StartTime=(now - datetime.timedelta(minutes=5)).isoformat(),
                 EndTime=(now + datetime.timedelta(minutes=1)).isoformat())["Datapoints"]
    return [point[alarm["Statistic"]] for point in points]
