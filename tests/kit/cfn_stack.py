"""A LocalStack of a check's own that knows CloudFormation, and a stack in it.

Invariant: what other checks are given stays as it is; this LocalStack and its client are gone when their block ends.
"""

import contextlib
import json
import os
import subprocess
import time
from pathlib import Path

import tools  # noqa: F401  puts tests/env on the path
from kit import Failed

import install
import servers
from settings import MISLEADING

SERVICES = "cloudformation,iam,cloudwatch,logs,sqs,kms,sts,sns,events"
LIMIT = 240  # seconds that a change of a stack may take, however busy the machine; it takes some


class WithServices:
    """A ledger that starts LocalStack with these services."""

    def __init__(self, ledger):
        self.ledger, self.base = ledger, ledger.base

    def spawn(self, command, log, env, **options):
        others = {"SERVICES": SERVICES, "SQS_CLOUDWATCH_METRICS_REPORT_INTERVAL": "1"}  # else a minute
        return self.ledger.spawn(command, log, env={**env, **others}, **options)


@contextlib.contextmanager
def localstack():
    """Yields the settings of a client of it, as environment variables."""
    python = os.environ.get("LOGINETL_TEST_PYTHON")
    if not python:
        raise Failed("there are no servers: `make kit` starts some; or `make up`, and source target/env/env.sh")
    try:
        with servers.private_folder() as ledger:
            child, port, log = servers.start_localstack(WithServices(ledger), Path(python), None)
            servers.await_localstack(ledger, child, port, log)
            environment = {name: value for name, value in os.environ.items() if name not in MISLEADING}
            yield {**environment, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}
    except (install.EnvError, servers.PortTaken) as error:
        raise Failed(f"LocalStack with CloudFormation: {error}") from error


class Aws:
    """Calls of boto3; a refused one is Failed."""

    def __init__(self, environment):
        client = Path(__file__).with_name("cfn_client.py")
        self.process = subprocess.Popen([os.environ["LOGINETL_TEST_PYTHON"], "-B", client], env=environment,
                                        text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(timeout=30)
        self.process.stdout.close()

    def __call__(self, service, operation, **parameters):
        self.process.stdin.write(json.dumps([service, operation, parameters]) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline() or '{"error": "the client has ended"}')
        if "error" in answer:
            raise Failed(f"{service} {operation}: {answer['error']}")
        return answer["answer"]

    def template(self, path):
        return self("template", "read", path=str(path))


class Stack:
    def __init__(self, aws, name, template):
        self.aws, self.name, self.template = aws, name, template

    def create(self, **parameters):
        self.change("create_stack", parameters)

    def update(self, **parameters):
        self.change("update_stack", parameters)

    def change(self, operation, parameters):
        body = self.template.read_text(encoding="utf-8")
        given = [{"ParameterKey": key, "ParameterValue": str(value)} for key, value in parameters.items()]
        self.aws("cloudformation", operation, StackName=self.name, TemplateBody=body, Parameters=given,
                 Capabilities=["CAPABILITY_NAMED_IAM"])
        self.settle(f"{operation.partition('_')[0].upper()}_COMPLETE")

    def settle(self, wanted):
        deadline = time.monotonic() + LIMIT
        while (status := self.state()["StackStatus"]) != wanted:
            if time.monotonic() > deadline or not status.endswith("_IN_PROGRESS"):
                events = self.aws("cloudformation", "describe_stack_events", StackName=self.name)["StackEvents"]
                reasons = [f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason')}" for event in events
                           if event["ResourceStatus"].endswith("_FAILED")]
                raise Failed(f"the stack {self.name} is {status}, not {wanted}: {reasons}")
            time.sleep(0.1)

    def state(self):
        return self.aws("cloudformation", "describe_stacks", StackName=self.name)["Stacks"][0]

    def outputs(self):
        return {each["OutputKey"]: each["OutputValue"] for each in self.state()["Outputs"]}

    def exports(self):
        return {each["ExportName"]: each["OutputValue"] for each in self.state()["Outputs"] if "ExportName" in each}

    def resources(self):
        """{logical id: physical id}."""
        found = self.aws("cloudformation", "describe_stack_resources", StackName=self.name)["StackResources"]
        return {each["LogicalResourceId"]: each.get("PhysicalResourceId") for each in found}
