"""The chart: rendered by Helm 3 and Helm 4 with each value file of ci/, validated, and each object looked at.

Invariant: what is said of a template was found in objects that it rendered in this run.
"""

import concurrent.futures
import re
import shutil
import tarfile

import chart_objects
import chart_parts
import chart_proofs
import chart_refusals
import chart_settings
import chart_table
import chart_tools
import chart_words
from chart_tools import CHART
from kit import REPOSITORY, Failed

LONG = "another-release-with-a-name-as-long-as-helm-allows-it"  # 53 characters


def run(kit):
    helms = chart_tools.helms(kit)
    versions(helms)
    cases = sorted(file.name.removesuffix("-values.yaml") for file in CHART.glob("ci/*-values.yaml"))
    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        renderings = dict(pool.map(lambda pair: rendered(*pair), [(helm, case) for helm in helms for case in cases]))
        packaged(kit, helms, renderings)
        others = {f"{helm.name} another": helm.template("-f", CHART / "ci/keda-values.yaml", release=LONG)
                  for helm in helms}
        alerts = {file.name: file.read_text(encoding="utf-8") for file in sorted(CHART.glob("files/rules/*.yaml"))}
        checking = pool.submit(chart_tools.validated, kit, {**renderings, **others}, alerts)
        sentences = chart_refusals.check(kit, helms, pool)
        objects, alerts, validated = checking.result()
    pods = compared(cases, helms, objects)
    another_name(objects)
    groups = [group for name in sorted(alerts) for group in alerts[name]["groups"]]
    chart_parts.monitoring(objects["helm4/monitoring"], groups)
    without_files(kit, helms, [rule["alert"] for group in groups for rule in group["rules"]])
    seen(renderings)
    notes(helms[1])
    lines = chart_words.check(kit, pods)
    values = chart_table.same_names_as_schema(kit)
    chart_table.check(kit)
    kit.say(f"{len(cases)} value files, {lines} command lines, {sentences} sentences that refuse, {values} values")
    chart_proofs.say(kit, cases, len(renderings), validated)


def versions(helms):
    """The chart's appVersion is the program's version; a Kubernetes before the oldest that is validated is refused."""
    oldest, newest = chart_tools.KUBERNETES[0], chart_tools.KUBERNETES[-1]
    before = f"1.{int(oldest.removeprefix('1.')) - 1}.0"
    values = ("-f", CHART / "ci/deployment-values.yaml", "--kube-version")
    for helm in helms:
        helm.template(*values, f"{oldest}.0")
        helm.template(*values, f"{newest}.0")
        said = helm.refusal(*values, before)
        if "chart requires kubeVersion" not in said:
            raise Failed(f"{helm.name} refuses Kubernetes {before} for another reason:\n{said}")
    cargo = re.search(r'^version = "(.+)"$', (REPOSITORY / "Cargo.toml").read_text(encoding="utf-8"), re.MULTILINE)
    chart = re.search(r'^appVersion: "(.+)"$', (CHART / "Chart.yaml").read_text(encoding="utf-8"), re.MULTILINE)
    if not chart or chart.group(1) != cargo.group(1):
        raise Failed(f"Chart.yaml: appVersion is {chart and chart.group(1)}, and Cargo.toml says {cargo.group(1)}")


def rendered(helm, case):
    """One case, linted and rendered: (its name, YAML)."""
    values = CHART / f"ci/{case}-values.yaml"
    helm.run("lint", "--strict", CHART, "--namespace", "logins", "-f", values)
    return f"{helm.name}/{case}", helm.template("-f", values)


def packaged(kit, helms, renderings):
    """A package of each Helm renders what the folder renders, and holds files where the folder has links."""
    for helm in helms:
        folder = kit.scratch / f"{helm.name}-package"
        helm.run("package", CHART, "--destination", folder)
        package = next(folder.glob("loginetl-*.tgz"))
        with tarfile.open(package) as tar:
            names = {member.name for member in tar if member.isfile()}
        if "loginetl/files/dashboard.json" not in names or any("/ci/" in name for name in names):
            raise Failed(f"{helm.name}: the package holds {sorted(names)}")
        text = helm.template("-f", CHART / "ci/monitoring-values.yaml", chart=package)
        if text != renderings[f"{helm.name}/monitoring"]:
            raise Failed(f"{helm.name}: the package renders something else than the folder")


def compared(cases, helms, objects):
    """Both Helms make the same objects, and each is as it must be: all pods."""
    pods = []
    for case in cases:
        first, second = ({(each["kind"], each["metadata"]["name"]): each for each in objects[f"{helm.name}/{case}"]}
                         for helm in helms)
        if first != second:
            differing = sorted(key for key in first.keys() | second.keys() if first.get(key) != second.get(key))
            raise Failed(f"{case}: Helm 3 and Helm 4 differ in {differing}")
        every = chart_objects.check(case, list(second.values()))
        chart_parts.check(case, list(second.values()), every)
        chart_settings.check(case, list(second.values()), every)
        pods += every
    return pods


def without_files(kit, helms, alerts):
    """A copy of the chart without alerts and dashboard renders, and says so where they are asked for."""
    copy = kit.scratch / "without-files/loginetl"
    shutil.copytree(CHART, copy, ignore=shutil.ignore_patterns("files"))
    values = copy / "ci/monitoring-values.yaml"
    for helm in helms:
        helm.template("-f", copy / "ci/deployment-values.yaml", chart=copy)
        said = "".join(helm.call("template", "loginetl", copy, "-f", values)[1:])
        for part in ("rules", "dashboard"):
            if f"monitoring.{part} is on, and this copy of the chart has no files/{part}" not in said:
                raise Failed(f"{helm.name} renders alerts and a dashboard that are not there:\n{said}")
        monitored = ("-f", CHART / "ci/monitoring-values.yaml", "--set")
        text = helm.template(*monitored, f"monitoring.rules.except={{{alerts[0]}}}")
        if re.findall(r"alert: (\S+)", text) != alerts[1:]:
            raise Failed(f"{helm.name}: monitoring.rules.except does not leave out {alerts[0]} alone")
        said = helm.refusal(*monitored, f"monitoring.rules.except={{{','.join(alerts)}}}")
        if "monitoring.rules.except leaves no alert" not in said:
            raise Failed(f"{helm.name} renders no alert, and does not say so:\n{said}")


def another_name(objects):
    """A release of another name shares no object with the first, but the service accounts that AWS knows by name."""
    first, second = ({(each["kind"], each["metadata"]["name"]) for each in objects[name]}
                     for name in ("helm4/keda", "helm4 another"))
    shared = {name for name in second & first if name[0] != "ServiceAccount"}
    if shared or len(first) != len(second):
        raise Failed(f"two releases in one namespace share {sorted(shared)}")
    long = [name for kind, name in second if len(name) > (52 if kind == "CronJob" else 63)]
    if long:
        raise Failed(f"Kubernetes refuses names as long as {long}")


def seen(renderings):
    """Each template that renders objects did so in some case."""
    source = re.compile(r"^# Source: loginetl/(\S+)$", re.MULTILINE)
    shown = {path for text in renderings.values() for path in source.findall(text)}
    templates = {str(file.relative_to(CHART)) for file in CHART.glob("templates/**/*.yaml")}
    silent = templates - shown
    if silent != {"templates/validation.yaml"}:
        raise Failed(f"templates that render nothing, with no value file of ci/: {sorted(silent)}, not validation.yaml")


def notes(helm4):
    """What an installation prints: the Secrets that it wants, and what to do about init. Helm 3 prints it to no one who
    has no cluster."""
    wanted = {"init": {"loader", "rotator", "auditor", "init"}, "offline-verifier": {"auditor"}}
    for case, roles in wanted.items():
        values = ("-f", CHART / f"ci/{case}-values.yaml")
        said = helm4.run("install", "loginetl", CHART, "--namespace", "logins", "--dry-run=client", *values)
        said = said.partition("\nNOTES:")[2]
        found = set(re.findall(r"^  loginetl-([a-z]+)-database, key url: ", said, re.MULTILINE))
        if found != roles or ("set init.enabled to false" in said) != ("init" in roles):
            raise Failed(f"after an installation with {case} this is printed:\n{said}")
