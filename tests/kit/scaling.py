"""Autoscaling: a model of KEDA with the parameters of the rendered chart starts and stops real loaders on a real
queue.

Times are divided by TIMES (300 s are 4 s), and messages by MESSAGES (600,000 for one loader are 80); so a
loader that does 10,000 messages/s in production does 100 here, which the round trip before the queue sees to.
What a loader itself takes for a stop (up to 5 s, for the poll that it has sent) is not divided: that is harder
than in production.

Invariant: the figures are those that the queue says of itself, counts are the database's, and the same check is
red with the parameters that one gets by not setting any.
"""

import concurrent.futures
import dataclasses
import time

import scale_chart
import scale_day
from kit import Failed
from scale_fleet import MOST_RECEIVES, Fleet
from scale_model import DOWN, Autoscaler, Figures, direction, flaps, jobs_to_start, parameters

TIMES, MESSAGES = 75, 7500
ROUND_TRIP = 0.1  # ten messages in that time: 100 a second
WINDOW = 300 / TIMES  # within it, no up after a down after an up
MOST_CHANGES = 6  # 0 to 1, 1 to the most, down again, 0; and one step more each way
KEDAS_OWN = 5  # messages for a loader, where no queueLength is set
USUAL, MOST_OF_A_DAY = 6000, 16  # messages a second at noon; changes: one up and one down for each of eight bursts
MOST_HOURS = 30  # of loaders, on a day for which one is enough but for its bursts


def run(kit):
    scaled, jobs = scale_chart.scaled_object(kit), scale_chart.scaled_job(kit)
    wanted = parameters(scaled)
    unset = dataclasses.replace(wanted, target=KEDAS_OWN, down=direction({"stabilizationWindowSeconds": 0}, 0, DOWN))
    whole_day(kit, wanted)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        runs = [pool.submit(steady, kit, wanted), pool.submit(restless, kit, unset), pool.submit(drained, kit, jobs)]
        for one in runs:
            one.result()
    tell(kit)


def tell(kit):
    scaled, jobs = (f"{scale_chart.CHART}/templates/{name}.yaml" for name in ("scaledobject", "loader-scaledjob"))
    kit.proved(scaled, "a model of KEDA and its autoscaler with these parameters has a day without flapping; with "
               f"times divided by {TIMES} it starts and stops real loaders on a real queue: quiet, a burst, a steady flow, "
               "quiet to zero; each message once, no flapping, no dead letter; with KEDA's own queueLength and without "
               "stabilization the same check is red")
    kit.proved(jobs, "the same model starts real drains: never more than the most, each message once, at its first "
               "receive; strategy `accurate` would start too many")
    for path in (scaled, jobs):
        kit.cannot(path, "KEDA itself, and the time that a cluster takes to start a pod")


def whole_day(kit, wanted):
    """With nothing divided: a day with bursts, for which one loader is enough between them."""
    found, accepted = scale_day.day(wanted, USUAL), wanted.target / scale_day.RATE
    latest = accepted + wanted.polling + wanted.sync + scale_day.START
    kit.say(f"a day of up to {found.busiest:,.0f} messages a second: {len(found.changes)} changes, longest wait "
            f"{found.longest_wait:.0f} s, {found.loader_hours:.0f} loader hours")
    if found.flapping or len(found.changes) > MOST_OF_A_DAY or found.longest_wait > latest:
        raise Failed(f"a day has {len(found.changes)} changes (at most {MOST_OF_A_DAY}), flaps: {found.flapping}; the "
                     f"longest wait is {found.longest_wait:.0f} s, not within {latest:.0f} s")
    if found.loader_hours > MOST_HOURS:
        raise Failed(f"loaders run {found.loader_hours:.0f} hours on a day for which one is enough but for its bursts")


def steady(kit, wanted):
    """Quiet, a burst, a steady flow that one loader can do, quiet to zero."""
    burst, flow = 480, [(4.5 + 1.25 * at, 70) for at in range(7)]
    with Fleet(kit, "scaling", ROUND_TRIP) as fleet:
        model = Autoscaler(wanted.divided(TIMES, MESSAGES))
        with fleet.sending([(1.5, burst), *flow]):
            seen = drive(fleet, model, 13.5)
        if any(replicas for at, replicas, _ in seen if at < 1.4):
            raise Failed("loaders run before there is a message")
        seen += drive(fleet, model, 30, lambda: model.replicas == 0, began=13.5)
        receives, given_back = fleet.loaded_once(fleet.ended(60))
    peak = max(replicas for _, replicas, _ in seen)
    kit.say(f"{fleet.sent} messages, {peak} loaders at most, {len(fleet.started)} started, changes {told(model)}; "
            f"{given_back} given back, at most {receives} receives")
    judge(model.changes, wanted.most, peak, receives)


def judge(changes, most, peak, receives):
    if found := flaps(changes, WINDOW):
        raise Failed(f"it flaps: {found} within {WINDOW:.0f} s, which stand for 300 s")
    if len(changes) > MOST_CHANGES:
        raise Failed(f"{len(changes)} changes for one burst and one flow: {changes}")
    if not 1 < peak <= most:
        raise Failed(f"a burst of six times what one loader should have in hand brought {peak} loaders; at most {most}")
    if receives >= MOST_RECEIVES - 1:
        raise Failed(f"a message was received {receives} times; after {MOST_RECEIVES} it is a dead letter")


def restless(kit, unset):
    """KEDA's own queueLength and no stabilization: a trickle that one loader can do makes the number go up and down."""
    with Fleet(kit, "restless", ROUND_TRIP) as fleet:
        model = Autoscaler(unset.divided(TIMES, MESSAGES))
        quiet = [0.0]

        def trickle(now, messages):
            """Twenty messages more whenever the queue was empty for the time of two decisions."""
            if messages:
                quiet[0] = now
            elif now - quiet[0] > 2 * model.wanted.sync:
                fleet.send(20)
                quiet[0] = now
        drive(fleet, model, 12, lambda: flaps(model.changes, WINDOW), each=trickle)
        fleet.scale(0)
        fleet.ended(60)
        drain(fleet)
        receives, given_back = fleet.loaded_once(fleet.ended(60))
    kit.say(f"with KEDA's own figures: {len(fleet.started)} loaders started, changes {told(model)}; {given_back} given "
            f"back, at most {receives} receives")
    if not flaps(model.changes, WINDOW):
        raise Failed(f"with a queueLength of {KEDAS_OWN} and no stabilization the number of loaders does not flap, so "
                     f"this check sees nothing: {model.changes}")


def drain(fleet):
    """What is left, if anything, by one loader more."""
    if fleet.figures() != Figures(0, 0):
        fleet.end = "--drain"
        fleet.start()


def drained(kit, found):
    """A ScaledJob: each poll starts as many drains as are missing, never more than the most; they end by themselves."""
    wanted = parameters(found)
    here, seen = wanted.divided(TIMES, MESSAGES), []
    with Fleet(kit, "jobs", ROUND_TRIP, follow=False) as fleet:
        with fleet.sending([(0.5, 240), (2.5, 40)]):
            began = time.monotonic()
            while time.monotonic() < began + 20:
                figures, running = fleet.figures(), fleet.reap()
                seen.append((figures, running))
                fleet.scale(running + jobs_to_start(here, figures, running))
                if len(seen) * here.polling > 4 and not fleet.running and figures == Figures(0, 0):
                    break
                time.sleep(here.polling)
        receives, given_back = fleet.loaded_once(fleet.ended(60))
    peak = max(running for _, running in seen)
    kit.say(f"jobs: {fleet.sent} messages by {len(fleet.started)} drains, {peak} at once; {given_back} given back")
    if not 1 < peak <= wanted.most or receives > 1 or given_back:
        raise Failed(f"{peak} drains at once (at most {wanted.most}), {receives} receives, {given_back} given back")
    twice = dataclasses.replace(here, strategy="accurate")
    busy = [Figures(0, figures.in_flight) for figures, _ in seen if figures.in_flight]
    if not any(jobs_to_start(twice, figures, 1) > jobs_to_start(here, figures, 1) == 0 for figures in busy):
        raise Failed(f"beside one drain that has all in hand strategy `accurate` would start none either: {busy}")


def drive(fleet, model, until, done=lambda: False, began=0.0, each=lambda *_: None):
    """Lets the model decide until then: (time, replicas, messages) of each decision; times are from the start of all.

    `each` is called with time and messages after a decision."""
    start, seen = time.monotonic() - began, []
    while (now := time.monotonic() - start) < until and not done():
        if model.is_due(now):
            figures = fleet.figures()
            replicas = model.decide(now, figures)
            seen.append((now, replicas, model.wanted.metric(figures)))
            if len(fleet.running) > fleet.reap():
                raise Failed("a loader has ended by itself")
            fleet.scale(replicas)
            each(*seen[-1][::2])
        time.sleep(0.03)
    return seen


def told(model):
    return ", ".join(f"{before}→{after} at {at:.1f} s" for at, before, after in model.changes) or "none"
