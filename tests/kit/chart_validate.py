"""Reads rendered YAML and validates each object: run by the Python of requirements-chart.txt, once for all of it.

    chart_validate.py < {"renderings": {NAME: YAML}, "plain": {NAME: YAML}, "versions": ["1.29", …]}
    → {"objects": {NAME: [object…]}, "plain": {NAME: value}, "wrong": [sentence…],
       "validated": {"core": N, "models": N}}

`plain` is YAML that is no object of Kubernetes: it is only read.

Objects of Kubernetes go through its strict schemas of each version. Those of KEDA and of the Prometheus operator go
through their models and back: a model ignores what it does not know, so what is missing afterwards was a typing error.

Invariant: an object whose kind is known to neither is wrong; so is a key that stands twice, which YAML parsers swallow.
"""

import functools
import json
import sys

import cloudcoil.models.keda.v1alpha1 as keda
import cloudcoil.models.prometheus_operator.v1 as monitoring
import kubernetes_validate.utils as schemas
import yaml

MODELS = {"keda.sh/v1alpha1": keda, "monitoring.coreos.com/v1": monitoring}


class Strict(yaml.CSafeLoader):
    """YAML whose mappings have no key twice."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = {key for key in keys if keys.count(key) > 1}
        if twice:
            raise yaml.YAMLError(f"{', '.join(map(str, twice))} twice, line {node.start_mark.line + 1}")
        return super().construct_mapping(node, deep)


Strict.add_constructor("tag:yaml.org,2002:map", lambda loader, node: loader.construct_mapping(node, deep=True))


def main():
    asked = json.load(sys.stdin)
    schemas.schema_contents = functools.lru_cache(maxsize=None)(schemas.schema_contents)
    unknown = set(asked["versions"]) - {schemas.major_minor(version) for version in schemas.all_versions()}
    wrong = [f"there are no schemas of Kubernetes {version}" for version in sorted(unknown)]
    objects, seen, counts = {}, {}, {"core": 0, "models": 0}
    for name, text in asked["renderings"].items():
        try:
            objects[name] = [each for each in yaml.load_all(text, Strict) if each]
        except yaml.YAMLError as error:
            wrong.append(f"{name}: this is no YAML: {error}")
            continue
        for each in objects[name]:
            seen.setdefault(json.dumps(each, sort_keys=True), (name, each))
    for name, each in seen.values():
        where = f"{name}: {each.get('kind')} {each.get('metadata', {}).get('name')}"
        group = each.get("apiVersion")
        if group in MODELS:
            counts["models"] += 1
            wrong += [f"{where}: {what}" for what in round_trip(MODELS[group], each)]
        else:
            counts["core"] += len(asked["versions"])
            wrong += [f"{where}: {what}" for version in asked["versions"] for what in by_schema(each, version)]
    plain = {name: yaml.load(text, Strict) for name, text in asked["plain"].items()}
    json.dump({"objects": objects, "plain": plain, "wrong": wrong, "validated": counts}, sys.stdout)


def by_schema(each, version):
    try:
        schemas.validate(each, version, strict=True)
    except schemas.SchemaNotFoundError:
        yield f"Kubernetes {version} has no {each['kind']} in {each['apiVersion']}"
    except schemas.ValidationError as error:
        yield f"Kubernetes {version}: {'.'.join(map(str, error.path))}: {error.message}"


def round_trip(models, each):
    """What is lost or changed on the way through the model of this kind."""
    model = getattr(models, each["kind"], None)
    if model is None:
        return [f"{each['apiVersion']} has no {each['kind']}"]
    try:
        parsed = model.model_validate(each)
    except ValueError as error:
        return [str(error)]
    return list(differences(each, parsed.model_dump(mode="json", by_alias=True, exclude_none=True), ""))


def differences(given, back, path):
    if isinstance(given, dict) and isinstance(back, dict):
        for key in given.keys() | back.keys():
            if key not in back:
                yield f"{path}.{key} is not known"
            elif key in given:
                yield from differences(given[key], back[key], f"{path}.{key}")
    elif isinstance(given, list) and isinstance(back, list) and len(given) == len(back):
        for at, (one, other) in enumerate(zip(given, back)):
            yield from differences(one, other, f"{path}[{at}]")
    elif given != back:
        yield f"{path} is {given!r}, and {back!r} after the model"


if __name__ == "__main__":
    main()
