"""What service.yaml says of its tasks, roles, scaling and rules, held against the program and foundation.yaml.

Invariant: each task is confined, has the role and the URL of its own kind, and a command that the program takes.
"""

import json
import re

from kit import REPOSITORY, Failed

FAMILY = "arn:aws:secretsmanager:us-east-1:000000000000:secret"
URLS = {f"{kind}DatabaseUrl": f"{FAMILY}:{kind.lower()}" for kind in ("Loader", "Rotator", "Auditor", "Init")}
KEYS = ["LOGINETL_INGEST_KEY", "LOGINETL_RECOVERY_KEY", "LOGINETL_AUDIT_KEY"]
# Each task: whose it is, and which of our settings it has beside the database URL: no more than its commands read.
TASKS = {"LoaderTask": ("Loader", ["LOGINETL_QUEUE_URL"]), "RotateTask": ("Rotator", KEYS),
         "ResumeTask": ("Rotator", KEYS), "VerifyTask": ("Auditor", ["LOGINETL_AUDIT_KEY"]),
         "InitTask": ("Init", KEYS)}
CONFINED = {"Essential": True, "User": "10001:10001", "ReadonlyRootFilesystem": True,
            "LinuxParameters": {"Capabilities": {"Drop": ["ALL"]}, "InitProcessEnabled": False}}
LONGEST_STOP = 120  # seconds; ECS takes no more on Fargate
SHORTEST_STOP = 30  # a loader stops within 25
PATIENCE = 5  # seconds; `health` gives up after four
GROUP = "by-the-clock"  # by which the rules know a task of a schedule


def container(properties):
    found, = properties["ContainerDefinitions"]
    return found


def settings(properties):
    return {each["Name"]: each["Value"] for each in container(properties)["Environment"]}


def tasks(kit, template):
    found = template.resources("AWS::ECS::TaskDefinition")
    if set(found) != set(TASKS):
        raise Failed(f"service.yaml has the tasks {sorted(found)}, not {sorted(TASKS)}")
    known = set(re.findall(r"`([A-Z][A-Z_]+)`", (REPOSITORY / "docs/settings.md").read_text(encoding="utf-8")))
    for name, properties in found.items():
        whose, names = TASKS[name]
        task, given = container(properties), settings(properties)
        wrong = {key: task.get(key) for key, value in CONFINED.items() if task.get(key) != value}
        if wrong or "Privileged" in task:
            raise Failed(f"service.yaml: {name} is not confined: {wrong}")
        if not SHORTEST_STOP <= task["StopTimeout"] <= LONGEST_STOP:
            raise Failed(f"service.yaml: {name} has {task['StopTimeout']} s to stop")
        if sorted(given) != sorted(["AWS_REGION", *names]) or not set(given) <= known:
            raise Failed(f"service.yaml: {name} has the settings {sorted(given)}, not {names}")
        secret = [{"Name": "LOGINETL_DATABASE_URL", "ValueFrom": URLS[f"{whose}DatabaseUrl"]}]
        roles = (properties["TaskRoleArn"], properties["ExecutionRoleArn"])
        if task["Secrets"] != secret or roles != (f"<{whose}.Arn>", f"<{whose}Execution.Arn>"):
            raise Failed(f"service.yaml: {name} is {whose}'s, and has {roles} and {task['Secrets']}")
        kit.run(kit.binary, *task["Command"], "--help")
    health = container(found["LoaderTask"])["HealthCheck"]
    how, program, *words = health["Command"]
    if (how, program) != ("CMD", "/usr/local/bin/loginetl") or health["Timeout"] < PATIENCE:
        raise Failed(f"service.yaml asks for health by {health}: there is no shell, and it may take {PATIENCE} s")
    kit.run(kit.binary, *words, "--help")


def images(bare, whole, upgrading, before):
    """An upgrade gives `init` an image and leaves the others theirs; before the first init nothing runs or is due."""
    given = {name: container(properties)["Image"] for name, properties in
             upgrading.resources("AWS::ECS::TaskDefinition").items()}
    if given != {name: "new" if name == "InitTask" else "<Image>" for name in TASKS}:
        raise Failed(f"service.yaml: an upgrade's init has the images {given}")
    for kind in ("AWS::ECS::Service", "AWS::ApplicationAutoScaling::ScalableTarget"):
        if len(whole.resources(kind)) != 1 or before.resources(kind):
            raise Failed(f"service.yaml: {kind} is there before init, or not after it")
    states = [{each.get("State") for each in one.resources("AWS::Scheduler::Schedule").values()}
              for one in (whole, before)]
    if states != [{"ENABLED"}, {"DISABLED"}]:
        raise Failed(f"service.yaml: the schedules are {states} after and before init")
    if "InitTask" in bare.resources("AWS::ECS::TaskDefinition"):
        raise Failed("service.yaml: the task of init stays when its URL is taken away")


def executions(template):
    """Each execution role reads its own secret and no other."""
    for name, role in template.resources("AWS::IAM::Role").items():
        if name.endswith("Execution"):
            policy, = role["Policies"]
            expected = [{"Effect": "Allow", "Action": "secretsmanager:GetSecretValue",
                         "Resource": URLS[name.replace("Execution", "DatabaseUrl")]}]
            if policy["PolicyDocument"]["Statement"] != expected:
                raise Failed(f"service.yaml: {name} may {policy['PolicyDocument']['Statement']}, not {expected}")


def schedules(template):
    """Each schedule runs the task of its name, and may: run it, and pass the two roles that the task has."""
    found, tasks_of = template.resources("AWS::Scheduler::Schedule"), template.resources("AWS::ECS::TaskDefinition")
    if set(found) != {"RotateSchedule", "ResumeSchedule", "VerifySchedule"}:
        raise Failed(f"service.yaml has the schedules {sorted(found)}")
    statements = template.resources("AWS::IAM::Role")["ScheduleRole"]["Policies"][0]["PolicyDocument"]["Statement"]
    may = {statement["Action"]: statement["Resource"] for statement in statements}
    for name, schedule in found.items():
        task, target = name.replace("Schedule", "Task"), schedule["Target"]
        roles = [tasks_of[task]["TaskRoleArn"], tasks_of[task]["ExecutionRoleArn"]]
        how = target["EcsParameters"]
        if (how["TaskDefinitionArn"], how["LaunchType"], how["Group"]) != (f"<{task}>", "FARGATE", GROUP):
            raise Failed(f"service.yaml: {name} runs {how}")
        if f"<{task}>" not in may["ecs:RunTask"] or not set(roles) <= set(may["iam:PassRole"]):
            raise Failed(f"service.yaml: the clock may {may}, which is not enough for {task}")
    needed = {role for task in ("RotateTask", "VerifyTask") for role in
              (tasks_of[task]["TaskRoleArn"], tasks_of[task]["ExecutionRoleArn"])}
    if set(may["iam:PassRole"]) != needed:
        raise Failed(f"service.yaml: the clock may pass {may['iam:PassRole']}, and needs {sorted(needed)}")


RUNNING = ("ECS/ContainerInsights", "RunningTaskCount", [("ClusterName", "<Cluster>"),
                                                         ("ServiceName", "<Service.Name>")])


def visible(queue):
    return "AWS/SQS", "ApproximateNumberOfMessagesVisible", [("QueueName", queue)]


def metric_of(what):
    return what["Namespace"], what["MetricName"], [(each["Name"], each["Value"]) for each in what["Dimensions"]]


def scaling(template):
    """The metric is what a loader needs for its share of what waits, in seconds; so N shares ask for N loaders."""
    policy, = template.resources("AWS::ApplicationAutoScaling::ScalingPolicy").values()
    target, = template.resources("AWS::ApplicationAutoScaling::ScalableTarget").values()
    tracking = policy["TargetTrackingScalingPolicyConfiguration"]
    metrics = {each["Id"]: each for each in tracking["CustomizedMetricSpecification"]["Metrics"]}
    returned = [each["Id"] for each in metrics.values() if each["ReturnData"]]
    found = {name: metric_of(metric["MetricStat"]["Metric"]) for name, metric in metrics.items()
             if "MetricStat" in metric}
    if returned != ["seconds"] or found != {"visible": visible("<Queue.QueueName>"), "running": RUNNING}:
        raise Failed(f"service.yaml scales by {returned} of {found}")
    alarms = {name: metric_of(alarm) for name, alarm in template.resources("AWS::CloudWatch::Alarm").items()}
    if alarms != {"NotStartedAlarm": visible("<NotStarted.QueueName>"), "NoLoaderAlarm": RUNNING}:
        raise Failed(f"service.yaml has the alarms {alarms}")
    rate, delay = template.values["MessagesPerSecond"], tracking["TargetValue"]
    for running in range(target["MinCapacity"], target["MaxCapacity"] + 1):
        for wanted in range(1, target["MaxCapacity"] + 1):
            formula = metrics["seconds"]["Expression"]
            if not re.fullmatch(r"[a-z0-9 /.]+", formula):
                raise Failed(f"service.yaml: the formula {formula} is not known to this check")
            seconds = eval(formula, {"visible": wanted * rate * delay, "running": running})  # noqa: S307
            if round(running * seconds / delay, 6) != wanted:
                raise Failed(f"service.yaml: {running} loaders and a backlog for {wanted} give {seconds} s")
    if target["MinCapacity"] < 1 or template.document["Parameters"]["MinTasks"]["MinValue"] < 1:
        raise Failed("service.yaml lets the loaders go down to 0, where its metric divides by 0")


def event(code, group=GROUP, **others):
    """What ECS tells EventBridge when a task has stopped."""
    inside = {} if code is None else {"exitCode": code}
    detail = {"clusterArn": "<Cluster.Arn>", "group": group, "lastStatus": "STOPPED",
              "stopCode": "EssentialContainerExited",
              "containers": [{"name": "loginetl", "lastStatus": "STOPPED", **inside}], **others}
    return {"id": "1", "account": "000000000000", "time": "2026-01-01T00:00:00Z", "region": "us-east-1",
            "resources": [], "source": "aws.ecs", "detail-type": "ECS Task State Change", "detail": detail}


def rules(aws, template):
    """Each exit code, and what else can happen to a task, tells somebody what it must and nobody else."""
    patterns = {name: json.dumps(rule["EventPattern"]) for name, rule in
                template.resources("AWS::Events::Rule").items()}
    cases = [(event(None, stopCode="TaskFailedToStart"), {"NotDone"}), (event(1, clusterArn="another"), set()),
             (event(1, lastStatus="RUNNING"), set())]
    for code in (0, 1, 2, 3, 4, 5, 137):
        for_a_person = {"NeedsAPerson"} if code in (1, 2, 3, 5) else set()
        cases.append((event(code, "service:loginetl"), for_a_person))
        cases.append((event(code), for_a_person or ({"NotDone"} if code else set())))
    for case, expected in cases:
        found = {name for name, pattern in patterns.items() if
                 aws("events", "test_event_pattern", EventPattern=pattern, Event=json.dumps(case))["Result"]}
        if found != expected:
            raise Failed(f"service.yaml: {json.dumps(case['detail'])} tells {sorted(found)}, not {sorted(expected)}")
