"""The CloudFormation templates: linted, compared with keys/, deployed on a LocalStack; loginetl run on the result.

What moto pretends to make of ECS counts for nothing: of service.yaml the program runs each task's command with the
settings that its definition gives.

Invariant: nothing of it is left when the check ends; the kit's own LocalStack is not touched.
"""

import concurrent.futures
import json
import os
import re
from pathlib import Path

import cfn_policies
import cfn_service
import cfn_use
from cfn_stack import Aws, Stack, localstack
from cfn_template import Template
from kit import REPOSITORY, Failed

FOLDER = REPOSITORY / "deploy/cloudformation"
FOUNDATION, SERVICE = FOLDER / "foundation.yaml", FOLDER / "service.yaml"
PAGE = REPOSITORY / "docs/deploy-ecs.md"
OUTPUTS = {"HeadNetwork"}
REGION = "eu-central-1"  # one: its resources are those of the others, and each takes seconds
NAME = "loginetl-foundation"
PEOPLE = {who: f"arn:aws:iam::000000000000:role/{who.removesuffix('Arn').lower()}" for who in
          ("AdminRoleArn", "ProducerRoleArn", "PersonArn")}
HEAD = {"HeadFileSystemId": "fs-1", "HeadAccessPointId": "fsap-1"}
ROLES = ["loader", "unmasker", "rotator", "init", "auditor", "scaler"]
MASKER = "arn:aws:iam::000000000000:role/engine/jobs"
OF_MASKER = {"Ingest": "MaskerUnwraps", "Recovery": "MaskerNever", "Audit": "MaskerNeverSigns"}
# The role of jobs is made by others, who hang no policy of ours on it: the keys name it.
BY_KEYS_ALONE = {"keys/iam/masker.json"}
# DeletionPolicy and UpdateReplacePolicy of what is kept; what is not here has none.
KEPT = {"AWS::KMS::Key": ("Retain", "Retain"), "AWS::KMS::Alias": ("RetainExceptOnCreate", "Retain"),
        "AWS::SQS::Queue": ("RetainExceptOnCreate", "Retain")}
LARGEST = 51200  # bytes of a template that is given to CloudFormation as it is
# Properties of a KMS key that an update may change.
UPDATED = {"Description", "KeyPolicy", "EnableKeyRotation", "RotationPeriodInDays", "Tags", "Enabled",
           "PendingWindowInDays"}
BAD = """
Resources:
  Task:
    Type: AWS::ECS::TaskDefinition
    Properties: {Family: bad, RequiresCompatibilities: [FARGATE], NetworkMode: awsvpc, Cpu: "256", Memory: "4096"}
  Queue: {Type: AWS::SQS::Queue, DeletionPolicy: Retain, Properties: {QueueNames: bad}}
"""


def run(kit):
    used = cfn_policies.compared([FOUNDATION, SERVICE])
    missing = {f"keys/{folder}/{file.name}" for folder in ("iam", "policies") for file in
               (REPOSITORY / "keys" / folder).glob("*.json")} - set(used) - BY_KEYS_ALONE
    if missing:
        raise Failed(f"no template has {', '.join(sorted(missing))}")
    with concurrent.futures.ThreadPoolExecutor() as pool, localstack() as client, Aws(client) as aws:
        documents = aws.template(FOUNDATION), aws.template(SERVICE)
        linted = pool.submit(lint, kit, documents[1])
        keeps(documents[0])
        page(documents)
        exports = Template(documents[0], {}, {}, NAME).exports()
        read(kit, aws, lambda **others: service(documents, exports, **others))
        deployed(kit, client, aws, documents)
        linted.result()
    tell(kit)


def tell(kit):
    lint_words = "cfn-lint finds nothing, warnings and notes included"
    policies = "each policy of a role or key is that of keys/"
    kit.proved(
        "deploy/cloudformation/foundation.yaml", f"{lint_words}; {policies}; every key, alias and queue says "
        "that it is kept; deployed on LocalStack: roles and keys have the very policies that `create-keys.sh` fills "
        "in; loginetl run on it, keys by its aliases, the queue by its URL: 119 rows + 1 quarantined, `check`, a "
        "rotation, `audit verify`; a message received once too often is a dead letter; each alarm names a queue that "
        "is there, that of dead letters counts one, and who listens to the topic hears it; an update keeps every key "
        "and queue; another stack takes the keys over, and makes none; one that names a role for jobs has it in its "
        "key policies")
    kit.cannot(
        "deploy/cloudformation/foundation.yaml", "that AWS keeps what says so: LocalStack deletes it all the "
        "same; that an update changes key policies: it updates no key; who may send: LocalStack enforces no policy; "
        "the age of the oldest message, which it does not count")
    kit.proved(
        "deploy/cloudformation/service.yaml", f"{lint_words}, each size of Fargate included; {policies}; what it "
        "imports is exported; each task is confined and has role, secret and settings of its kind; its command was "
        "run with these settings on the deployed foundation, the loader's health asked as written, stopped within "
        "its StopTimeout; the formula of the scaling asks for as many loaders as the backlog takes; each exit code "
        "tells whom it must, as LocalStack matches events")
    kit.cannot(
        "deploy/cloudformation/service.yaml", "ECS, Fargate, Application Auto Scaling and EventBridge Scheduler "
        "were not to be had: what emulators pretend to make was not counted")


# --- read ----------------------------------------------------------------------------------------


def lint(kit, document):
    """cfn-lint is silent on what is shipped, not on what is wrong. Sizes stand in a map, which it does not read."""
    sizes, bad = kit.scratch / "sizes.json", kit.scratch / "bad.yaml"
    tasks = {f"{size}Task": {"Type": "AWS::ECS::TaskDefinition", "Properties": {
        "Family": size, "RequiresCompatibilities": ["FARGATE"], "NetworkMode": "awsvpc", **values}}
        for size, values in document["Mappings"]["Sizes"].items()}
    sizes.write_text(json.dumps({"Resources": tasks}), encoding="utf-8")
    bad.write_text(BAD, encoding="utf-8")
    program = Path(os.environ["LOGINETL_TEST_PYTHON"]).with_name("cfn-lint")
    said = kit.run(program, "--regions", REGION, "--include-checks", "I", "--format", "parseable", "--",
                   FOUNDATION, SERVICE, sizes, bad, expect=None)
    found = [line for line in said.splitlines() if line.strip()]
    expected = {code: [line for line in found if line.startswith(f"{bad}:") and f":{code}:" in line]
                for code in ("E3002", "E3047")}
    if not all(expected.values()):
        raise Failed(f"cfn-lint does not find {sorted(expected)} where they are:\n{said}")
    left = [line for line in found if not line.startswith(f"{bad}:")]
    if left:
        raise Failed("cfn-lint finds\n" + "\n".join(left))


def service(documents, exports, **others):
    """service.yaml with a secret for each URL, and what foundation.yaml exports."""
    return Template(documents[1], {"Foundation": NAME, **cfn_service.URLS, **others}, exports)


def read(kit, aws, template):
    """What service.yaml says, for `template(PARAMETER=VALUE)`."""
    cfn_service.tasks(kit, template())
    cfn_service.tasks(kit, template(**HEAD))
    cfn_service.images(template(InitDatabaseUrl=""), template(), template(InitImage="new"), template(Running="no"))
    cfn_service.executions(template())
    cfn_service.schedules(template())
    cfn_service.scaling(template())
    cfn_service.rules(aws, template())


def keeps(foundation):
    """Every key, alias and queue is kept, whatever becomes of the stack; no parameter makes a key of another kind."""
    for template in (FOUNDATION, SERVICE):
        if template.stat().st_size > LARGEST:
            raise Failed(f"{template.name} has {template.stat().st_size} bytes; over {LARGEST} it has to go by S3")
    for name, resource in foundation["Resources"].items():
        policies = (resource.get("DeletionPolicy"), resource.get("UpdateReplacePolicy"))
        if policies != KEPT.get(resource["Type"], (None, None)):
            raise Failed(f"foundation.yaml: {name} has DeletionPolicy and UpdateReplacePolicy {policies}")
        if resource["Type"] == "AWS::KMS::Key":
            replacing = {key: value for key, value in resource["Properties"].items() if key not in UPDATED}
            if "{" in json.dumps(list(replacing.values())):
                raise Failed(f"foundation.yaml: {name} has parameters in what no update can change: {replacing}")


def page(documents):
    """The page names parameters that there are, with the defaults that they have, and each alarm by its name."""
    text = PAGE.read_text(encoding="utf-8")
    known = {name: each.get("Default") for document in documents for name, each in document["Parameters"].items()}
    told = set(re.findall(r"\b([A-Z][A-Za-z]+)=", text))
    told |= {name for name in re.findall(r"`([A-Z][A-Za-z]+)`", text) if re.search("[a-z][A-Z]", name)} - OUTPUTS
    if told - set(known):
        raise Failed(f"docs/deploy-ecs.md: no template has the parameters {sorted(told - set(known))}")
    for names, values in re.findall(r"^\| (`.+?`) \| (.+?) \|", text, re.MULTILINE):
        for name, value in zip(re.findall(r"`(\w+)`", names), values.split(", "), strict=False):
            if name in known and str(known[name]) != value.strip("`"):
                raise Failed(f"docs/deploy-ecs.md: {name} is {known[name]} by default, not {value}")
    alarms = {re.sub(r"\$\{.*?(Name)\}", lambda found: "STACK" if "Stack" in found[0] else "NAME",
                     resource["Properties"]["AlarmName"]["Fn::Sub"])
              for document in documents for resource in document["Resources"].values()
              if resource["Type"] == "AWS::CloudWatch::Alarm"}
    if lost := sorted(name for name in alarms if f"| `{name}` |" not in text):
        raise Failed(f"docs/deploy-ecs.md: lacks the alarms {lost}")


# --- run -----------------------------------------------------------------------------------------


def deployed(kit, client, aws, documents):
    stack = Stack(aws, NAME, FOUNDATION)
    stack.create(**PEOPLE)
    outputs = stack.outputs()
    compared(kit, client, aws, outputs)
    tasks = service(documents, stack.exports()).resources("AWS::ECS::TaskDefinition")
    with cfn_use.Place(kit, client, tasks, outputs["QueueUrl"]) as place:
        cfn_use.everything(kit, place)
        with_head = service(documents, stack.exports(), **HEAD)
        cfn_use.heads(place, with_head.resources("AWS::ECS::TaskDefinition"))
        cfn_use.dead_letters(aws, outputs, documents[0]["Parameters"]["MaxReceives"]["Default"])
        cfn_use.alarms(aws, outputs)
        updated(aws, stack)
        masker(kit, client, aws)
        taken_over(aws, stack, documents, place)


def compared(kit, client, aws, outputs):
    """The policies in force are those that create-keys.sh fills in for these roles, keys and queue."""
    ours = {role: aws("iam", "get_role_policy", RoleName=f"loginetl-{role}", PolicyName="loginetl")["PolicyDocument"]
            for role in ROLES}
    folder = kit.scratch / "iam"
    same_keys(kit, client, aws, outputs, "--print-iam", folder, "--queue-arn", outputs["QueueArn"],
              "--dead-letter-queue-arn", outputs["QueueArn"].replace("-queue", "-dlq"))
    for role, found in ours.items():
        same(f"the policy of {role}", found, json.loads((folder / f"{role}.json").read_text()))
        trust = aws("iam", "get_role", RoleName=f"loginetl-{role}")["Role"]["AssumeRolePolicyDocument"]
        if role == "unmasker":
            person = trust["Statement"].pop()
            same("whom the unmasker trusts", person["Principal"], {"AWS": PEOPLE["PersonArn"]})
        same(f"whom {role} trusts", trust, json.loads((folder / "trust/ecs-tasks.json").read_text()))
    senders(aws, outputs)


def same_keys(kit, client, aws, outputs, *others):
    """The key policies in force are those that create-keys.sh sets for the roles of the stack."""
    before = key_policies(aws, outputs)
    flags = [flag for role in ROLES[:5] for flag in (f"--{role}-role", outputs[f"{role.capitalize()}RoleArn"])]
    flags += [flag for key in before for flag in (f"--{key.lower()}-alias", outputs[f"{key}Key"])]
    kit.run("bash", REPOSITORY / "keys/create-keys.sh", *flags, "--admin-role", PEOPLE["AdminRoleArn"], *others,
            env=client)
    same("what the keys' policies are", before, key_policies(aws, outputs))


def key_policies(aws, outputs):
    asked = {key: {"KeyId": outputs[f"{key}Key"], "PolicyName": "default"} for key in ("Ingest", "Recovery", "Audit")}
    return {key: json.loads(aws("kms", "get_key_policy", **one)["Policy"]) for key, one in asked.items()}


def same(what, found, expected):
    if found != expected:
        raise Failed(f"{what} is\n{json.dumps(found, sort_keys=True)}\nnot\n{json.dumps(expected, sort_keys=True)}")


def senders(aws, outputs):
    """The queue's policy: the producer sends, nobody else but an administrator may, nothing goes without TLS. And
    the topic's: alarms and rules of this account publish."""
    asked = {"QueueUrl": outputs["QueueUrl"], "AttributeNames": ["All"]}
    attributes = aws("sqs", "get_queue_attributes", **asked)["Attributes"]
    statements = {each.pop("Sid"): each for each in json.loads(attributes["Policy"])["Statement"]}
    queue, producer = {"Resource": outputs["QueueArn"]}, PEOPLE["ProducerRoleArn"]
    denied = {"Effect": "Deny", "Principal": "*", **queue}
    same("the queue's policy", statements, {
        "ProducerSends": {"Effect": "Allow", "Principal": {"AWS": producer}, "Action": "sqs:SendMessage", **queue},
        "NobodyElseSends": {**denied, "Action": "sqs:SendMessage", "Condition": {
            "ArnNotEquals": {"aws:PrincipalArn": [producer, PEOPLE["AdminRoleArn"]]}}},
        "OnlyByTls": {**denied, "Action": "sqs:*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}})
    if attributes["SqsManagedSseEnabled"] != "true":
        raise Failed("the queue is not encrypted")
    topic = aws("sns", "get_topic_attributes", TopicArn=outputs["AlarmsTopicArn"])["Attributes"]["Policy"]
    same("the topic's policy", json.loads(topic)["Statement"], [{
        "Sid": "AlarmsAndRulesOfThisAccount", "Effect": "Allow", "Action": "sns:Publish",
        "Principal": {"Service": ["cloudwatch.amazonaws.com", "events.amazonaws.com"]},
        "Resource": outputs["AlarmsTopicArn"], "Condition": {"StringEquals": {"aws:SourceAccount": "000000000000"}}}])


def updated(aws, stack):
    """Another parameter: what it is about changes, and every key, alias and queue stays the one it was."""
    before = stack.resources()
    stack.update(**{**PEOPLE, "PersonArn": ""})
    trust = aws("iam", "get_role", RoleName="loginetl-unmasker")["Role"]["AssumeRolePolicyDocument"]["Statement"]
    if len(trust) != 1:
        raise Failed(f"the update is not seen: the unmasker trusts {trust}")
    same("what the stack has after an update", stack.resources(), before)


def masker(kit, client, aws):
    """A stack that names a role for jobs has it in the key policies. LocalStack updates no key, so it is a new one."""
    stack = Stack(aws, "loginetl-jobs", FOUNDATION)
    stack.create(Name="jobs", **PEOPLE, MaskerRoleArn=MASKER)
    for key, found in key_policies(aws, stack.outputs()).items():
        its = [statement for statement in found["Statement"] if statement["Principal"] == {"AWS": MASKER}]
        same(f"what the {key} key says of the masker", [each["Sid"] for each in its], [OF_MASKER[key]])
    same_keys(kit, client, aws, stack.outputs(), "--masker-role", MASKER)


def taken_over(aws, stack, documents, place):
    """A second stack with the keys of the first: none is made, and what comes by its queue is under the same keys."""
    before = sorted(key["KeyId"] for key in aws("kms", "list_keys")["Keys"])
    physical = stack.resources()
    arns = {f"{key}Arn": aws("kms", "describe_key", KeyId=physical[key])["KeyMetadata"]["Arn"] for key in
            ("IngestKey", "RecoveryKey", "AuditKey")}
    other = Stack(aws, "loginetl-again", FOUNDATION)
    other.create(Name="again", **PEOPLE, **arns)
    same("the keys in the account", sorted(key["KeyId"] for key in aws("kms", "list_keys")["Keys"]), before)
    exports = {name.replace(other.name, NAME): value for name, value in other.exports().items()}
    place.tasks = service(documents, exports).resources("AWS::ECS::TaskDefinition")
    place.queue = other.outputs()["QueueUrl"]
    place.send()
    drained = json.loads(place.run("LoaderTask", "loader", "load", "--drain", "--format", "json").splitlines()[-1])
    if (drained["loaded"], drained["quarantined"]) != (119, 1):
        raise Failed(f"of the second stack's queue is loaded {drained}")
    place.run("RotateTask", "rotator")
    if place.psql("select count(distinct masked_ip) - count(distinct ip_hash) from user_logins") != "0":
        raise Failed("a value has two tokens after a rotation under the second stack")
