"""What a NetworkPolicy means for one pod, as conditions of nftables.

A pod that no policy selects is open, each way by itself; else only what a rule names passes.

Of a rule: ports (numbers, names of the pod's own for what comes in, ranges), and peers (blocks with exceptions;
selectors, which are asked of the pods that the caller knows: {name: (namespace labels, pod labels, address)}).

Invariant: a rule, or a part of one, that this does not understand is an error, never silence.
"""

import ipaddress

from kit import Failed


def passes(way, policies, labels, ports, others):
    """What may pass for the pod with these `labels` and named `ports`, as conditions of nftables; None: all of it.

    `way` is Egress or Ingress; `others` are the pods that selectors may find."""
    key, peers, side = ("egress", "to", "daddr") if way == "Egress" else ("ingress", "from", "saddr")
    mine = [policy["spec"] for policy in policies if selects(policy["spec"]["podSelector"], labels)]
    guarding = [spec for spec in mine if way in spec.get("policyTypes", ["Ingress"])]
    if not guarding:
        return None
    found = []
    for rule in [rule for spec in guarding for rule in spec.get(key) or []]:
        understood(rule, {"ports", peers})
        found += [" ".join(filter(None, (where, port))) for where in addresses(rule.get(peers), side, others)
                  for port in targets(rule.get("ports"), ports)]
    return found


def opened(policies, labels, ports):
    """The (protocol, port) to which the pod may speak, as its policies say."""
    found = set()
    for policy in policies:
        if selects(policy["spec"]["podSelector"], labels):
            for rule in policy["spec"].get("egress") or []:
                for port in rule.get("ports", []):
                    found.add((port.get("protocol", "TCP"), number(port["port"], ports)))
    return found


def closed(policies, port):
    """The same policies without this port to speak to."""
    def kept(rule):
        return {**rule, "ports": [one for one in rule["ports"] if one["port"] != port]}
    found = []
    for policy in policies:
        egress = [kept(rule) for rule in policy["spec"].get("egress") or []]
        found.append({**policy, "spec": {**policy["spec"], "egress": [rule for rule in egress if rule["ports"]]}})
    return found


def selects(selector, labels):
    understood(selector, {"matchLabels", "matchExpressions"})
    if any(labels.get(name) != value for name, value in selector.get("matchLabels", {}).items()):
        return False
    for one in selector.get("matchExpressions", []):
        key, values, operator = one["key"], one.get("values", []), one["operator"]
        holds = {"In": labels.get(key) in values, "NotIn": labels.get(key) not in values,
                 "Exists": key in labels, "DoesNotExist": key not in labels}
        if not holds[operator]:
            return False
    return True


def addresses(peers, side, others):
    """For each peer what an address must be; for all peers nothing."""
    if not peers:
        return [""]
    found = []
    for peer in peers:
        understood(peer, {"ipBlock", "namespaceSelector", "podSelector"})
        if block := peer.get("ipBlock"):
            family = "ip6" if ipaddress.ip_network(block["cidr"]).version == 6 else "ip"
            but = f" {family} {side} != {{ {', '.join(block['except'])} }}" if block.get("except") else ""
            found.append(f"{family} {side} {block['cidr']}{but}")
        else:
            found += [f"ip {side} {address}" for namespace, labels, address in others.values()
                      if "namespaceSelector" in peer and selects(peer["namespaceSelector"], namespace)
                      and selects(peer.get("podSelector", {}), labels)]
    return found


def targets(found, names):
    if not found:
        return [""]
    return [f"{port.get('protocol', 'TCP').lower()} dport {number(port['port'], names)}"
            + (f"-{port['endPort']}" if "endPort" in port else "") for port in found]


def number(port, names):
    if isinstance(port, str):
        if port not in names:
            raise Failed(f"a NetworkPolicy names the port {port}, and the pod has {sorted(names)}")
        return names[port]
    return port


def understood(found, known):
    if unknown := set(found) - known:
        raise Failed(f"this check does not know {', '.join(sorted(unknown))} of a NetworkPolicy")
