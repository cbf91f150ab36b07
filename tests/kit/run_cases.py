"""Every value file of the chart's ci/, translated as a kubelet would, and not run: each field of each pod is known,
each mount has its volume, each name and key was made by somebody.

Invariant: what is made by hand here is what the pods name, and nothing else.
"""

import chart_tools
from kit import Failed
from run_cluster import Cluster, config_map, secret
from run_kubelet import Probes
from run_pod import Translator
from run_workloads import pod_of, templates

# The field of a volume that names an object.
FIELDS = {"secret": "secretName", "configMap": "name", "persistentVolumeClaim": "claimName"}


def check(kit, render, config):
    """How many pods were translated."""
    files, count = sorted(chart_tools.CHART.glob("ci/*-values.yaml")), 0
    for file, rendered in zip(files, render.files(files), strict=True):
        folder, pods = kit.scratch / f"case-{file.stem}", templates(rendered)
        folder.mkdir()
        images = {one["image"] for pod in pods for one in pod["spec"]["containers"]}
        if len(images) != 1:
            raise Failed(f"{file.name}: its pods run the images {sorted(images)}")
        cluster = Cluster(rendered, by_hand(rendered, pods), folder)
        for number, template in enumerate(pods):
            inner = folder / str(number)
            inner.mkdir()
            fields, pod = pod_of(Translator(cluster, (*images, config), inner, []), template)
            Probes(None, None, pod.only)
            fields.done()
            places = [place for _, place, _ in pod.only.mounts]
            if len(set(places)) != len(places):
                raise Failed(f"{file.name}: {fields.where} mounts two things at one place: {places}")
            count += 1
    return count


def by_hand(rendered, pods):
    """The objects that these pods name and nobody rendered."""
    keys = {}  # (kind, name): the keys that are asked for
    for pod in pods:
        spec = pod["spec"]
        keys[("ServiceAccount", spec["serviceAccountName"])] = []
        for volume in spec["volumes"]:
            for kind, field in FIELDS.items():
                if kind in volume:
                    asked = [item["key"] for item in volume[kind].get("items", [])]
                    keys.setdefault((kind[:1].upper() + kind[1:], volume[kind][field]), []).extend(asked)
        for source in spec["containers"][0].get("envFrom", []):
            keys.setdefault(("Secret", source["secretRef"]["name"]), []).append("AWS_ACCESS_KEY_ID")
    there = {(one["kind"], one["metadata"]["name"]) for one in rendered}
    return [made(kind, name, dict.fromkeys(keys[kind, name], "x")) for kind, name in keys if (kind, name) not in there]


def made(kind, name, data):
    known = {"Secret": secret, "ConfigMap": config_map}
    return known[kind](name, data) if kind in known else {"kind": kind, "metadata": {"name": name}}
