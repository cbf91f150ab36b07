"""A day of a queue, second by second, under a model of KEDA with the parameters as they are rendered: nothing is
divided.

    python3 tests/kit/scale_day.py        what a day is like with the chart's figures, with others, and with KEDA's own

Messages come in a curve over the day, and in bursts. A loader takes `rate` messages a second, from START
seconds after it was asked for until it is stopped.

Invariant: no clock and no chance: the same parameters give the same day.
"""

import dataclasses
import math
import sys

from scale_model import Autoscaler, Figures, Parameters, flaps, parameters

DAY = 86400
START = 20  # seconds until a pod has its image, has started and is ready
RATE = 9000  # messages a second of one loader: messagesPerSecond of the chart
# Of a chart that sets what KEDA leaves open; the check `scaling` gives the rendered one.
SCALED_OBJECT = {"spec": {
    "minReplicaCount": 1, "maxReplicaCount": 3,
    "advanced": {"horizontalPodAutoscalerConfig": {"behavior": {"scaleDown": {
        "stabilizationWindowSeconds": 300, "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}]}}}},
    "triggers": [{"type": "aws-sqs-queue", "metadata": {"queueLength": str(60 * RATE)}}]}}


@dataclasses.dataclass
class Outcome:
    changes: list
    flapping: list
    longest_wait: float  # seconds until a message that comes now is taken, at worst
    busiest: float  # messages a second of the busiest minute
    loader_hours: float


def flow(second, usual):
    """Messages that come in this second: half as many at night as at noon, and each three hours a burst of five minutes
    with twice as many; for ten minutes at night nothing at all."""
    if 3 * 3600 <= second < 3 * 3600 + 600:
        return 0.0
    curve = usual * (0.75 - 0.25 * math.cos(2 * math.pi * second / DAY))
    return curve * (2 if second % (3 * 3600) < 300 else 1)


def day(wanted: Parameters, usual, rate=RATE):
    """The outcome of a day whose noon has `usual` messages a second."""
    model, backlog, ready, hours, wait, busiest = Autoscaler(wanted), 0.0, [], 0.0, 0.0, 0.0
    for second in range(DAY):
        arrived = flow(second, usual)
        backlog += arrived
        working = sum(since + START <= second for since in ready)
        taken = min(backlog, working * rate)
        backlog -= taken
        if model.is_due(second):
            replicas = model.decide(second, Figures(round(backlog), round(taken)))
            ready = (ready + [second] * (replicas - len(ready)))[:replicas]
        hours, busiest = hours + len(ready) / 3600, max(busiest, arrived)
        wait = max(wait, backlog / max(working * rate, rate))
    return Outcome(model.changes, flaps(model.changes, 300), wait, busiest, hours)


def main():
    chart = parameters(SCALED_OBJECT)
    kedas = dataclasses.replace(chart, target=5, down=dataclasses.replace(chart.down, window=0, policies=(
        ("Percent", 100, 15),)))
    cases = [("the chart's", chart), ("minReplicaCount 2", dataclasses.replace(chart, least=2)),
             ("minReplicaCount 0", dataclasses.replace(chart, least=0)), ("KEDA's own, no window", kedas)]
    for usual in map(int, sys.argv[1:] or ("1000", "6000", "12000")):
        print(f"{usual:,} messages a second at noon")
        for name, wanted in cases:
            found = day(wanted, usual)
            print(f"  {name:24} {len(found.changes):5} changes, flaps: {'yes' if found.flapping else 'no':3}  "
                  f"longest wait {found.longest_wait:4.0f} s, {found.loader_hours:.0f} loader hours")


if __name__ == "__main__":
    main()
