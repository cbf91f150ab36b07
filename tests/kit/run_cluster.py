"""What a cluster holds besides pods: the objects that were rendered, those that somebody made before, and claims.

Invariant: a name that a pod uses is found here or the check fails; nothing is made up for a pod.
"""

import base64
import re

from kit import Failed

NAMESPACE = "logins"
NODE = "node-1"


class Cluster:
    """`rendered` are the chart's objects, `made` those of somebody else; `folder` keeps what claims hold. `associated`
    are the service accounts that Pod Identity knows."""

    def __init__(self, rendered, made, folder, associated=()):
        self.rendered, self.folder, self.associated = rendered, folder, associated
        self.objects = {}
        for one in (*made, *rendered):
            key = (one["kind"], one["metadata"]["name"])
            if key in self.objects:
                raise Failed(f"{' '.join(key)} is there twice")
            self.objects[key] = one

    def object(self, kind, name, optional=False, where=""):
        found = self.objects.get((kind, name))
        if found is None and not optional:
            raise Failed(f"{where} names the {kind} {name}, which is not there")
        return found or {}

    def of(self, kind, **labels):
        """The rendered objects of this kind with these labels, by name."""
        return {one["metadata"]["name"]: one for one in self.rendered if one["kind"] == kind
                and labels.items() <= (one["metadata"].get("labels") or {}).items()}

    def one(self, kind, ending=""):
        """The only rendered object of this kind whose name ends so."""
        found = [one for name, one in self.of(kind).items() if name.endswith(ending)]
        if len(found) != 1:
            raise Failed(f"there are {len(found)} objects {kind} …{ending} among those that were rendered: "
                         f"{', '.join(sorted(self.of(kind)))}")
        return found[0]

    def claim(self, name, where):
        """The folder behind a claim. A new volume is root's, as a new file system is."""
        self.object("PersistentVolumeClaim", name, where=where)
        folder = self.folder / f"claim-{name}"
        if not folder.exists():
            folder.mkdir(parents=True, mode=0o755)
        return folder

    def service_links(self):
        """The variables by which a pod is told of services, where it does not refuse them."""
        found = {}
        for name, service in self.of("Service").items():
            prefix = re.sub(r"[^A-Z0-9]", "_", name.upper())
            port = service["spec"]["ports"][0]["port"]
            found[f"{prefix}_SERVICE_HOST"], found[f"{prefix}_SERVICE_PORT"] = "10.96.0.99", str(port)
            found[f"{prefix}_PORT"] = f"tcp://10.96.0.99:{port}"
        return found


def secret(name, data):
    """A Secret that somebody made."""
    coded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": coded}


def config_map(name, data):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}
