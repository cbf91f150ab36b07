"""A healthy day, minute by minute, in which no alert may fire: promtool plays it against the rules as they are shipped.

At night the fleet is scaled to zero. At six 60,000 messages come at once, and two loaders with them. At noon all is
rolled out anew. At three in the afternoon the database is gone for two minutes, and a loader ends with 4 and is
restarted. In the evening one loader goes. Some messages are rejected, a job needs a second try.

Invariant: the same day with all loaders gone for a quarter of an hour is not silent, so silence counts.
"""

import json

from kit import REPOSITORY, Failed

DAY = 1440  # minutes
HOUR = 60
POWER = 6000  # messages that a loader writes in a minute
LAG, WRITE = ["1.6", "102.4", "409.6", "1638.4", "+Inf"], ["0.1", "1.0", "2.0", "+Inf"]
# From when to when, in minutes, each loader runs.
LOADERS = {"a": (0, 1 * HOUR), "b": (6 * HOUR, 12 * HOUR), "c": (6 * HOUR, 12 * HOUR + 2), "d": (12 * HOUR, DAY),
           "e": (12 * HOUR + 2, 20 * HOUR)}
OUTAGE = range(15 * HOUR, 15 * HOUR + 2)
RESTART = 15 * HOUR + 1  # of loader e, in the outage
BROKEN = range(18 * HOUR, 18 * HOUR + 15)  # of a day that is not healthy
NEVER_FIRING = 'count_over_time(ALERTS{alertstate="firing"}[1d])'


def is_silent(kit, programs, rules):
    day = kit.scratch / "day"
    day.mkdir()
    paths = {name: str(REPOSITORY / rule.path) for name, rule in rules.items()}
    few = [paths["down"], paths["lag"]]  # all of them take seconds
    said = played(kit, programs, day / "broken.json", few, series(is_broken=True), expect=1)
    if 'alertname="LoginetlLag"' in said or 'alertname="LoginetlDown"' not in said:
        raise Failed(f"a day with loaders that are gone should fire LoginetlDown, and not LoginetlLag:\n{said[:3000]}")
    played(kit, programs, day / "healthy.json", list(paths.values()), series(), expect=0)


def played(kit, programs, file, rule_files, input_series, expect):
    """promtool's words, and that it ends as it should. Expected are no samples: alerts that fired are a difference."""
    test = {"interval": "1m", "input_series": input_series,
            "promql_expr_test": [{"expr": NEVER_FIRING, "eval_time": f"{DAY - 1}m", "exp_samples": []}]}
    test_file = {"rule_files": rule_files, "evaluation_interval": "1m", "tests": [test]}
    file.write_text(json.dumps(test_file), encoding="utf-8")
    return kit.run(programs / "promtool", "test", "rules", file, expect=expect)


def series(is_broken=False):
    """The day as promtool takes it."""
    found = {}

    def say(minute, metric, value, **labels):
        name = f"{metric}{{{','.join(f'{label}={json.dumps(text)}' for label, text in labels.items())}}}"
        found.setdefault(name, [None] * DAY)[minute] = value

    loaders(say, BROKEN if is_broken else ())
    jobs(say)
    return [{"series": name, "values": notation(values)} for name, values in found.items()]


def notation(values):
    """promtool's short form: runs of equal values, blanks, and a mark of staleness where a series ends."""
    words, at = [], 0
    while at < len(values):
        end = at
        while end + 1 < len(values) and values[end + 1] == values[at]:
            end += 1
        if values[at] is not None:
            words.append(f"{values[at]:.10g}+0x{end - at}")
        elif words and not words[-1].startswith("_"):
            words.append("stale" if end == at else f"stale _x{end - at}")
        else:
            words.append(f"_x{end - at + 1}")
        at = end + 1
    return " ".join(words)


# --- loaders -------------------------------------------------------------------------------------


class Loader:
    """What one loader has counted since it began."""

    def __init__(self, minute):
        self.began, self.received, self.deleted, self.quarantined, self.batches = minute, 0, 0, 0, 0
        self.lag, self.write = dict.fromkeys(LAG, 0), dict.fromkeys(WRITE, 0)

    def load(self, messages, seconds, rejected):
        """So many messages, which have waited so long. One transaction in fifty waits for a lock."""
        self.received += messages
        self.deleted += messages
        self.quarantined += rejected
        batches = -(-messages // 1000)
        self.batches += batches
        for bound in LAG:
            self.lag[bound] += messages if seconds <= float(bound) else 0
        for bound in WRITE:
            self.write[bound] += batches * (0.98 if bound in ("0.1", "1.0") else 1)


def arriving(minute):
    """Messages that are sent in this minute: 60,000 at six, few at night, some 3,000 a minute by day."""
    if minute == 6 * HOUR:
        return 60_000
    return 0 if 1 * HOUR <= minute < 6 * HOUR else 3000


def loaders(say, broken):
    waiting, running = 0, {}
    for minute in range(DAY):
        waiting += arriving(minute)
        alive = [name for name, (first, last) in LOADERS.items() if first <= minute < last]
        gone = alive if minute in broken else []
        for name in alive:
            if name not in running or name in gone or (name == "e" and minute == RESTART):
                running[name] = Loader(minute)
        busy = [running[name] for name in alive if minute not in OUTAGE and name not in gone]
        seconds = 60 * waiting / (POWER * max(1, len(busy)))
        for loader in busy:
            share = min(waiting // len(busy), POWER)
            loader.load(share, seconds, rejected=30 if minute == 10 * HOUR else int(minute % 20 == 0))
        waiting -= sum(min(waiting // len(busy), POWER) for _ in busy)
        for name in alive:
            expose(say, minute, name, running[name], waiting, answers=minute > LOADERS[name][0] and name not in gone)


def expose(say, minute, name, loader, waiting, answers):
    fleet = {"namespace": "x", "job": "x/loginetl", "instance": name, "pod": f"loginetl-{name}"}
    say(minute, "up", int(answers), **fleet)
    if not answers:
        return
    held = 400 if minute in OUTAGE else 20
    plain = {"build_info": 1, "ready": int(minute not in OUTAGE), "messages_received_total": loader.received + held,
             "messages_deleted_total": loader.deleted, "messages_quarantined_total": loader.quarantined,
             "messages_in_hand": held, "batch_messages_count": loader.batches, "dead_letter_messages": 0,
             "start_time_seconds": 60 * loader.began}
    for metric, value in plain.items():
        say(minute, f"loginetl_{metric}", value, **fleet)
    say(minute, "loginetl_queue_messages", waiting, **fleet, state="visible")
    for bound, count in loader.lag.items():
        say(minute, "loginetl_lag_seconds_bucket", count, **fleet, le=bound)
    for bound, count in loader.write.items():
        say(minute, "loginetl_write_seconds_bucket", count, **fleet, le=bound)
    for purpose, days in (("mask", 20), ("hash", 500), ("seal", 90)):
        say(minute, "loginetl_key_age_seconds", days * 86400 + 60 * minute, **fleet, purpose=purpose, key_id=str(days))


# --- jobs ----------------------------------------------------------------------------------------


def jobs(say):
    """Verification at three, resumption at four, a rotation two weeks ago; by systemd too; a container that ended."""
    for minute in range(DAY):
        for name, due, last in (("verifier", 3 * HOUR, -21 * HOUR), ("resume", 4 * HOUR, -20 * HOUR)):
            begun, ended = (due if minute >= due else last), (due + 4 if minute >= due + 4 else last + 4)
            cronjob(say, minute, name, begun, ended)
            host(say, minute, f"loginetl-{'verify' if name == 'verifier' else name}", begun)
        cronjob(say, minute, "rotate", -14 * 24 * HOUR, -14 * 24 * HOUR + 30)
        # Exit 4, and a second try that succeeds: a Job with a failed pod that has not failed.
        tries = {"namespace": "x", "job_name": "loginetl-verifier-1", "reason": ""}
        say(minute, "kube_job_status_failed", int(minute > 3 * HOUR), **tries)
        container = {"namespace": "x", "pod": "loginetl-e", "container": "loginetl"}
        if LOADERS["e"][0] <= minute < LOADERS["e"][1]:
            say(minute, "kube_pod_container_status_restarts_total", int(minute > RESTART), **container)
            if minute > RESTART:
                say(minute, "kube_pod_container_status_last_terminated_exitcode", 4, **container)


def cronjob(say, minute, name, begun, ended):
    labels = {"namespace": "x", "cronjob": f"loginetl-{name}"}
    say(minute, "kube_cronjob_created", -90 * 86400, **labels)
    say(minute, "kube_cronjob_status_last_schedule_time", 60 * begun, **labels)
    say(minute, "kube_cronjob_status_last_successful_time", 60 * ended, **labels)


def host(say, minute, unit, begun):
    say(minute, "node_systemd_unit_state", 0, instance="h", name=f"{unit}.service", state="failed")
    say(minute, "node_systemd_timer_last_trigger_seconds", max(0, 60 * begun), instance="h", name=f"{unit}.timer")
