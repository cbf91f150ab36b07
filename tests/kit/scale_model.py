"""KEDA's decision about a queue, and that of the HorizontalPodAutoscaler that KEDA makes, as functions of time and
figures.

From the pages of KEDA (aws-sqs-queue, ScaledObject, ScaledJob) and Kubernetes (horizontal pod autoscaling):
- each `pollingInterval` KEDA asks the queue: with no replica and more messages than `activationQueueLength` it
  starts the least number; with a `minReplicaCount` of 0 it ends all once nothing was active for
  `cooldownPeriod`
- between 1 and `maxReplicaCount` the autoscaler decides every 15 s: ceil(messages / queueLength), unless that
  differs from now by a tenth or less; down only to the most that was right at any time of the stabilization
  window; and each way no faster than its policies allow
- of a ScaledJob each poll starts ceil(messages / queueLength) jobs, less those that run (strategy `default`)

Invariant: nothing here knows a clock or a queue: the same times and figures give the same replicas. Parameters
are those of the object; what it leaves out has the default of KEDA or Kubernetes.
"""

import dataclasses
import math

SYNC = 15.0  # seconds between two decisions of the autoscaler
TOLERANCE = 0.1
UP = [{"type": "Percent", "value": 100, "periodSeconds": 15}, {"type": "Pods", "value": 4, "periodSeconds": 15}]
DOWN = [{"type": "Percent", "value": 100, "periodSeconds": 15}]


@dataclasses.dataclass(frozen=True)
class Figures:
    """What a queue says of itself."""
    visible: int
    in_flight: int
    delayed: int = 0


@dataclasses.dataclass(frozen=True)
class Direction:
    """How fast it may go one way."""
    window: float
    policies: tuple  # of (kind, value, period)
    select: str = "Max"


@dataclasses.dataclass(frozen=True)
class Parameters:
    polling: float
    cooldown: float
    least: int
    most: int
    target: float  # messages for one replica
    activation: float
    counts_in_flight: bool
    counts_delayed: bool
    up: Direction
    down: Direction
    sync: float = SYNC
    strategy: str = "default"

    def metric(self, figures):
        return figures.visible + self.counts_in_flight * figures.in_flight + self.counts_delayed * figures.delayed

    def divided(self, times, messages):
        """The same with shorter times, and a smaller queue."""
        def shorter(way):
            policies = tuple((kind, value, period / times) for kind, value, period in way.policies)
            return dataclasses.replace(way, window=way.window / times, policies=policies)
        return dataclasses.replace(
            self, polling=self.polling / times, cooldown=self.cooldown / times, target=self.target / messages,
            activation=self.activation / messages, up=shorter(self.up), down=shorter(self.down), sync=self.sync / times)


def parameters(found):
    """Of a ScaledObject or a ScaledJob with one trigger, an aws-sqs-queue."""
    spec = found["spec"]
    [trigger] = spec["triggers"]
    if trigger["type"] != "aws-sqs-queue":
        raise ValueError(f"the trigger is {trigger['type']}")
    metadata = trigger["metadata"]
    wrong = {name: value for name, value in metadata.items() if not isinstance(value, str)}
    if wrong:
        raise ValueError(f"KEDA takes metadata that are texts, and these are not: {wrong}")
    behavior = spec.get("advanced", {}).get("horizontalPodAutoscalerConfig", {}).get("behavior", {})
    return Parameters(
        polling=spec.get("pollingInterval", 30), cooldown=spec.get("cooldownPeriod", 300),
        least=spec.get("minReplicaCount", 0), most=spec.get("maxReplicaCount", 100),
        target=float(metadata.get("queueLength", "5")), activation=float(metadata.get("activationQueueLength", "0")),
        counts_in_flight=metadata.get("scaleOnInFlight", "true") == "true",
        counts_delayed=metadata.get("scaleOnDelayed", "false") == "true",
        up=direction(behavior.get("scaleUp", {}), 0, UP), down=direction(behavior.get("scaleDown", {}), 300, DOWN),
        strategy=spec.get("scalingStrategy", {}).get("strategy", "default"))


def direction(found, window, policies):
    return Direction(
        window=found.get("stabilizationWindowSeconds", window), select=found.get("selectPolicy", "Max"),
        policies=tuple((one["type"], one["value"], one["periodSeconds"]) for one in found.get("policies", policies)))


class Autoscaler:
    """KEDA and its HorizontalPodAutoscaler beside one Deployment. `changes` are (time, before, after)."""

    def __init__(self, wanted):
        self.wanted, self.replicas = wanted, wanted.least
        self.changes, self.recommended = [], []
        self.next_poll = self.next_sync = self.last_active = -math.inf

    def is_due(self, now):
        return now >= min(self.next_poll, self.next_sync)

    def decide(self, now, figures):
        """The replicas from now on."""
        messages = self.wanted.metric(figures)
        if now >= self.next_poll:
            self.next_poll = now + self.wanted.polling
            self.poll(now, messages)
        if now >= self.next_sync:
            self.next_sync = now + self.wanted.sync
            if self.replicas > 0:  # an autoscaler rests where there is no replica
                self.sync(now, messages)
        return self.replicas

    def poll(self, now, messages):
        is_active = messages > self.wanted.activation
        if is_active:
            self.last_active = now
            if self.replicas == 0:
                self.change(now, max(1, self.wanted.least))
        elif self.wanted.least == 0 < self.replicas and now - self.last_active > self.wanted.cooldown:
            self.change(now, 0)

    def sync(self, now, messages):
        least, most = max(1, self.wanted.least), self.wanted.most
        desired = self.replicas
        if abs(1 - messages / (self.wanted.target * self.replicas)) > TOLERANCE:
            desired = math.ceil(messages / self.wanted.target)
        desired = self.stabilized(now, min(max(desired, least), most))
        self.change(now, min(max(self.limited(now, desired), least), most))

    def stabilized(self, now, desired):
        """The safest of the recommendations of each window."""
        up, down = self.wanted.up.window, self.wanted.down.window
        if not self.recommended:
            self.recommended.append((now, self.replicas))
        self.recommended = [(at, n) for at, n in self.recommended if now - at <= max(up, down)] + [(now, desired)]
        lowest = min(n for at, n in self.recommended if now - at <= up)
        highest = max(n for at, n in self.recommended if now - at <= down)
        return min(max(self.replicas, lowest), highest)

    def limited(self, now, desired):
        """What the policies allow of it."""
        if desired == self.replicas:
            return desired
        is_up = desired > self.replicas
        way = self.wanted.up if is_up else self.wanted.down
        if way.select == "Disabled":
            return self.replicas
        allowed = []
        for kind, value, period in way.policies:
            began = self.replicas - sum(after - before for at, before, after in self.changes if now - at < period)
            step = value if kind == "Pods" else began * value / 100
            allowed.append(math.ceil(began + step) if is_up else math.floor(began - step))
        widest = max if is_up == (way.select == "Max") else min
        return min(desired, widest(allowed)) if is_up else max(desired, widest(allowed))

    def change(self, now, replicas):
        if replicas != self.replicas:
            self.changes.append((now, self.replicas, replicas))
            self.replicas = replicas


def jobs_to_start(wanted, figures, running, pending=0):
    """How many jobs a poll of a ScaledJob starts."""
    messages = wanted.metric(figures)
    if messages <= wanted.activation:
        return 0
    most = min(wanted.most, math.ceil(messages / wanted.target))
    if wanted.strategy == "accurate":
        return max(0, wanted.most - running if most + running > wanted.most else most - pending)
    if wanted.strategy != "default":
        raise ValueError(f"no model of the strategy {wanted.strategy}")
    return max(0, most - running)


def flaps(changes, window):
    """The first three changes within a window that go up, down and up again; none, where it does not flap."""
    for first, (began, before, after) in enumerate(changes):
        if after < before:
            continue
        found = [changes[first]]
        for at, old, new in changes[first + 1:]:
            if at - began > window:
                break
            if (new > old) != (found[-1][2] > found[-1][1]):
                found.append((at, old, new))
            if len(found) == 3:
                return found
    return []
