"""The alerts: each rule tested by promtool, and fired by a real Prometheus that scrapes real loaders in the state that
it is about; silent for a whole healthy day; told by a real Alertmanager to stubs of PagerDuty and Slack.

Invariant: a rule file counts as proved only when its alert has fired in this run, for the fleet whose state it is
about, while the healthy fleet beside it had none.
"""

import concurrent.futures
import json
import os
import re
import time

import alerts_day
import alerts_rules
import alerts_states
import watchers
from alerts_rules import FOLDER
from alerts_states import States
from kit import REPOSITORY, Failed

ROUTES = {"page": "pagerduty", "ticket": "slack", "other": "slack"}
ROUTING_KEY, WEBHOOK = "a-routing-key-of-the-kit", "slack"
# What is told to whom, by alert: what was inhibited is told to nobody.
TOLD = {
    "pagerduty": {"Down", "NotReady", "Lag", "ExitCode", "LogNotVerified"},
    "slack": {"GivenBack", "SlowWrites", "PoisonBudget", "Rejections", "KeyTooOld", "DeadLetters", "Restarts"},
}
INHIBITED = [("LoginetlNothingCommitted", "closed"), ("LoginetlBacklogNotDraining", "closed")]
HOW = {
    "down": "a loader that was killed",
    "not-ready": "a loader whose database lets nobody in",
    "backlog-not-draining": "1,500 messages and a loader whose database lets nobody in",
    "lag": "messages that LocalStack delivers seven seconds late",
    "nothing-committed": "messages that wait for a loader whose database lets nobody in",
    "slow-writes": "another session that locks the table for 1.3 seconds, again and again",
    "rejections": "560 messages without a field among 679",
    "poison-budget": "a run that has quarantined 560 messages",
    "given-back": "a loader that was killed with over 1,200 messages in hand",
    "key-too-old": "a data key whose time of making was set back by 41 days",
    "job-not-succeeded": "the exit code 4 of `rotate-keys --resume` without a database, and a verification whose last "
                         "success is older than its schedule, as kube-state-metrics and node_exporter would tell them",
    "exit-code": "the exit codes 3 of `load` as an analyst and 5 of `audit verify --expect-head`, as "
                 "kube-state-metrics would tell them",
    "dead-letters": "a message that was received twice and never deleted",
    "log-not-verified": "the last success of `audit verify`, set back by 51 hours, and its exit code 5, as "
                        "kube-state-metrics and node_exporter would tell them",
    "restarts": "a loader that was killed and started three times, and a container that ended three times",
}


def run(kit):
    if not os.environ.get("LOGINETL_TEST_PG_BIN"):
        raise Failed("there are no servers: `make kit` starts some; or `make up`, and source target/env/env.sh")
    programs = watchers.programs() / "bin"
    alerts_rules.divides_durations_alone()
    rules = alerts_rules.read(kit)
    shape(kit, rules)
    linted(kit, programs, rules)
    with concurrent.futures.ThreadPoolExecutor() as beside:
        day = beside.submit(alerts_day.is_silent, kit, programs, rules)
        live(kit, rules)
        day.result()
    tell(kit, rules)


def tell(kit, rules):
    if set(HOW) != set(rules):
        raise Failed(f"what fires these is not said: {sorted(set(HOW) ^ set(rules))}")
    for name, rule in rules.items():
        kit.proved(rule.path, f"promtool; fired in a real Prometheus, its times divided, by {HOW[name]}; never for the "
                   "healthy loader beside it, nor in a simulated day; its metrics are those of a running loader, or "
                   "named in docs/runbooks/README.md; its runbook has the four headings")
        cases = len(rule.tests["tests"])
        kit.proved(rule.test_path, f"promtool runs its {cases} cases against the rule as it is shipped; at least one "
                   "fires and one does not")
        if any(metric.startswith(("kube_", "node_")) for metric in rule.metrics):
            kit.cannot(rule.path, "kube-state-metrics and node_exporter themselves: a stub says what they would")
    kit.proved("deploy/monitoring/alertmanager.yml", "amtool reads and routes it; the real Alertmanager, its times "
               "divided, told each alert of the run to a stub of PagerDuty or of Slack, with its runbook_url and with "
               "the secrets of its files, and told nothing of what is inhibited")
    kit.cannot("deploy/monitoring/alertmanager.yml", "PagerDuty and Slack themselves")
    kit.proved("deploy/monitoring/prometheus.yml", "promtool reads it; Prometheus ran with its jobs, relabelling and "
               "rule files, the machines given by address")
    kit.cannot("deploy/monitoring/prometheus.yml", "that EC2 finds the machines: LocalStack runs without EC2 here")


# --- read ----------------------------------------------------------------------------------------


def shape(kit, rules):
    for rule in rules.values():
        alerts_rules.shaped(rule)
        alerts_rules.tested(rule)
        alerts_rules.runbook(kit, rule)
    text = index()
    for name, rule in rules.items():
        row = f"| [{rule.alert}]({name}.md) | {rule.rule['labels']['severity']} |"
        if row not in text:
            raise Failed(f"docs/runbooks/README.md has no row {row}")
    unknown = named_by_others(rules) ^ set(re.findall(r"^\| `((?:kube|node)_\w+)", text, re.MULTILINE))
    if unknown:
        raise Failed(f"docs/runbooks/README.md and the rules name other metrics of others: {sorted(unknown)}")


def linted(kit, programs, rules):
    paths = [REPOSITORY / rule.path for rule in rules.values()]
    kit.run(programs / "promtool", "check", "rules", "--lint=all", "--lint-fatal", *paths)
    kit.run(programs / "promtool", "check", "config", FOLDER / "prometheus.yml")
    kit.run(programs / "promtool", "test", "rules", *(REPOSITORY / rule.test_path for rule in rules.values()))
    kit.run(programs / "amtool", "check-config", FOLDER / "alertmanager.yml")
    for severity, receiver in ROUTES.items():
        said = kit.run(programs / "amtool", "config", "routes", "test", f"--verify.receivers={receiver}",
                       f"--config.file={FOLDER / 'alertmanager.yml'}", f"severity={severity}", "alertname=X")
        if receiver not in said:
            raise Failed(f"amtool routes {severity} elsewhere:\n{said}")


def named_by_others(rules):
    return {metric for rule in rules.values() for metric in rule.metrics if not metric.startswith("loginetl_")}


def index():
    return (alerts_rules.RUNBOOKS / "README.md").read_text(encoding="utf-8")


# --- run -----------------------------------------------------------------------------------------


def live(kit, rules):
    """All states at once, one Prometheus, one Alertmanager."""
    pages = {}
    with (watchers.processes(kit) as ledger, watchers.Stub(pages) as stub):
        states = States(kit, ledger)
        pages.update({"/cluster": lambda: alerts_states.cluster_page(states),
                      "/host": lambda: alerts_states.host_page(states)})
        alertmanager = watchers.Alertmanager(kit, ledger, notifying(kit, stub))
        states.prometheus = watchers.Prometheus(kit, ledger, *scraping(kit, states, stub, alertmanager, rules))
        with states:
            states.prometheus.ready()
            alertmanager.ready()
            began = time.monotonic()
            all_fire(states)
            kit.say(f"all {len(rules)} alerts have fired after {time.monotonic() - began:.0f} s")
            every_metric_is_there(states.prometheus, rules)
            told(alertmanager, stub, rules)


def all_fire(states):
    with concurrent.futures.ThreadPoolExecutor(len(alerts_states.STATES)) as pool:
        first, *others = [pool.submit(state, states) for state in alerts_states.STATES]
        try:
            for done in concurrent.futures.as_completed(others):
                done.result()
        finally:
            states.over.set()
        first.result()
    false = states.prometheus.ask("query", query='count_over_time(ALERTS{alertstate="firing",job="healthy"}[10m])')
    if false["result"]:
        raise Failed(f"for the healthy loader: {[found['metric'] for found in false['result']]}")
    if not (states.value("loginetl_messages_loaded_total", "healthy") or 0) > 3:
        raise Failed("the healthy loader loads nothing")


def scraping(kit, states, stub, alertmanager, rules):
    """The shipped prometheus.yml, its machines by address, each fleet a job; the rules with their times divided."""
    config = alerts_rules.from_yaml(kit, FOLDER / "prometheus.yml")[str(FOLDER / "prometheus.yml")]
    folder = kit.scratch / "rules"
    folder.mkdir()
    for name, rule in rules.items():
        (folder / f"{name}.yaml").write_text(json.dumps(rule.faster()), encoding="utf-8")
    jobs = {job.pop("job_name"): job for job in config["scrape_configs"]}
    for job in jobs.values():
        del job["ec2_sd_configs"]
    fleets = [{**jobs["loginetl"], "job_name": fleet, "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
              for fleet, port in states.ports.items() if fleet != "commands"]
    others = [{**job, "job_name": name, "metrics_path": path, "honor_labels": True,
               "static_configs": [{"targets": [stub.address]}]}
              for name, path, job in (("kube-state-metrics", "/cluster", {}), ("node", "/host", jobs["node"]))]
    alerting = {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{alertmanager.port}"]}]}]}
    return ({**config, "rule_files": [f"{folder}/*.yaml"], "alerting": alerting, "scrape_configs": [*fleets, *others]},)


def every_metric_is_there(prometheus, rules):
    there = set(prometheus.ask("label/__name__/values"))
    missing = {metric: name for name, rule in rules.items() for metric in rule.metrics if metric not in there}
    if missing:
        raise Failed(f"no loader and no stub exposes {missing}")


# --- told ----------------------------------------------------------------------------------------


def notifying(kit, stub):
    """The shipped alertmanager.yml, its times divided, its secrets in the check's folder, both services on the stub."""
    path = FOLDER / "alertmanager.yml"
    config = alerts_rules.from_yaml(kit, path)[str(path)]
    for route in [config["route"], *config["route"]["routes"]]:
        for key in [key for key in route if key.startswith(("group_wait", "group_interval", "repeat"))]:
            route[key] = alerts_rules.one(route[key], alerts_rules.FACTOR)
    secrets = {"routing_key_file": ROUTING_KEY, "api_url_file": f"http://{stub.address}/{WEBHOOK}"}
    for receiver in config["receivers"]:
        for service in [*receiver.get("pagerduty_configs", []), *receiver.get("slack_configs", [])]:
            for key in set(secrets) & set(service):
                service[key] = str(kit.scratch / key)
                (kit.scratch / key).write_text(secrets[key], encoding="utf-8")
    config["global"] = {"pagerduty_url": f"http://{stub.address}/pagerduty"}
    return config


def told(alertmanager, stub, rules):
    """Each alert came to whom it is for, with the link to its runbook."""
    by_alert = {rule.alert: rule for rule in rules.values()}

    def missing():
        events = stub.got("/pagerduty")
        pages = {link["href"] for event in events for link in event["links"] if event["routing_key"] == ROUTING_KEY}
        titles = {part["title_link"] for message in stub.got(f"/{WEBHOOK}") for part in message["attachments"]}
        got = {"pagerduty": pages, "slack": titles}
        return [f"{who}: {name}" for who, names in TOLD.items() for name in sorted(names)
                if by_alert[f"Loginetl{name}"].rule["annotations"]["runbook_url"] not in got[who]]
    watchers.await_that(lambda: not missing(), 20, lambda: f"not told: {missing()}\n{watchers.tail(alertmanager.log)}")
    if not all(event["payload"]["summary"] for event in stub.got("/pagerduty")):
        raise Failed("an event for PagerDuty has no summary, which PagerDuty refuses")
    inhibited(alertmanager, stub, by_alert)


def inhibited(alertmanager, stub, by_alert):
    found = {(alert["labels"]["alertname"], alert["labels"].get("job")): alert["status"]
             for alert in alertmanager.alerts()}
    for alert, job in INHIBITED:
        if not found.get((alert, job), {}).get("inhibitedBy"):
            raise Failed(f"{alert} of {job} is not inhibited: {found.get((alert, job))}")
        link = by_alert[alert].rule["annotations"]["runbook_url"]
        if any(link in json.dumps(event) for event in stub.got("/pagerduty")):
            raise Failed(f"{alert} was told though it is inhibited")
