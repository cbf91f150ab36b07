"""Calls of AWS for a check, made by boto3 in a process of its own: the kit's own Python has neither boto3 nor YAML.

    PYTHON cfn_client.py        reads a call a line, [service, operation, parameters]; writes an answer a line

The service `template` reads a CloudFormation template, its short functions written out.
It runs in $LOGINETL_TEST_PYTHON.

Invariant: one line in, one line out, in order; a refused call is an answer {"error": …} and ends nothing.
"""

import json
import sys

import boto3
import yaml
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError


class Template(yaml.SafeLoader):
    """YAML with CloudFormation's functions."""


def function(loader, suffix, node):
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


Template.add_multi_constructor("!", function)
CLIENTS = {}
# Nothing is asked twice: a stack whose making was answered late is not another one.
PATIENT = Config(read_timeout=300, retries={"total_max_attempts": 1})


def call(service, operation, parameters):
    if service == "template":
        with open(parameters["path"], encoding="utf-8") as file:
            return yaml.load(file, Template)  # noqa: S506: a subclass of the safe one
    client = CLIENTS.get(service) or CLIENTS.setdefault(service, boto3.client(service, config=PATIENT))
    answer = getattr(client, operation)(**parameters)
    answer.pop("ResponseMetadata", None)
    return answer


for line in sys.stdin:
    try:
        print(json.dumps({"answer": call(*json.loads(line))}, default=str), flush=True)
    except (ClientError, BotoCoreError) as error:
        print(json.dumps({"error": str(error)}), flush=True)
