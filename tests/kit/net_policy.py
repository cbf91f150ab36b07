"""What a NetworkPolicy means for one pod, as rules of nftables.

A pod that no policy selects is open; else only what a rule names passes, and what is dropped gets no answer, as with the
network plugins of clusters. Answers to what passed do; the node always reaches its pods.

Of a rule: ports (numbers, names of the pod's own for what comes in, ranges), and peers (blocks with exceptions; selectors,
which are asked of the pods that the caller knows: {name: (namespace labels, pod labels, address)}).

Invariant: a rule, or a part of one, that this does not understand is an error, never silence.
"""

import ipaddress

from kit import Failed


def rules(policies, labels, ports, node, others, without=()):
    """Lines of nftables for the pod with these `labels` and named `ports`; `others` are the pods that it may mean.

    `without` are destinations that are dropped whatever the policy says: (address,) or (address, port)."""
    mine = [policy["spec"] for policy in policies if selects(policy["spec"]["podSelector"], labels)]
    lines = ["table inet kit {"]
    for way, key, peers, hook in (("Egress", "egress", "to", "output"), ("Ingress", "ingress", "from", "input")):
        guarded = [spec for spec in mine if way in spec.get("policyTypes", ["Ingress"])]
        lines += [f" chain {key} {{", f"  type filter hook {hook} priority 0; policy {'drop' if guarded else 'accept'};",
                  f"  {'oif' if way == 'Egress' else 'iif'} lo accept",
                  *([f"  ip daddr {address} drop" for address in without] if way == "Egress" else []),
                  "  ct state established,related accept", *([f"  ip saddr {node} accept"] * (way == "Ingress"))]
        for spec in guarded:
            for rule in spec.get(key) or []:
                understood(rule, {"ports", peers})
                lines += [f"  {where} {port} accept".replace("  ", " ").replace(" ", "  ", 1)
                          for where in addresses(rule.get(peers), "daddr" if way == "Egress" else "saddr", others)
                          for port in targets(rule.get("ports"), ports)]
        lines.append(" }")
    return "\n".join([*lines, "}", ""])


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
