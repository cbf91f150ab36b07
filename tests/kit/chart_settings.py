"""What single value files of ci/ set arrives where it belongs: command lines, pods, labels, accounts, claims.

Invariant: what is asked for here stands in the value file of that case; the paths are those of Kubernetes.
"""

from chart_objects import of_kind, only, same

BEGINNINGS = {"loader": ["load", "--follow"], "drain": ["load", "--drain"], "rotate": ["rotate-keys", "--duty"],
              "resume": ["rotate-keys", "--resume"], "verify": ["audit", "verify"], "init": ["init", "--format"]}
HEAD = "17:21774333a1e76206626aa27eab872fdf7524147649c68c8e8e612d8d7c473f86"
FLAGS = {  # (case, task): what its command line has, as written
    ("everything", "loader"): "--receivers 20 --batch-rows 500 --visibility-timeout 300 --poison-budget 10 "
                              "--envelope sns --app-version major --quarantine-from-start",
    ("rotator", "rotate"): "--duty 20% --format json --log-format json --step-rows 20000",
    ("rotator", "resume"): "rotate-keys --resume --format json --log-format json",
    ("init", "init"): "--mask-user-id",
    ("offline-verifier", "verify"): f"--expect-head {HEAD} --public-key /etc/loginetl/public-key/audit.pem",
}
ENDPOINT = "http://localstack:4566"


def check(case, objects, pods):
    for pod in pods:
        task = pod.labels["app.kubernetes.io/component"]
        if task in BEGINNINGS:
            same(f"{pod}: command", pod.args[:2], BEGINNINGS[task])
        line = " ".join(pod.args)
        if FLAGS.get((case, task), "") not in line:
            same(f"{pod}: command line", line, FLAGS[case, task])
        same(f"{pod}: masks user ids for good", "--mask-user-id" in pod.args, (case, task) == ("init", "init"))
        environment(case, pod)
        mounted(case, pod)
    if case == "everything":
        for pod in pods:
            dressed(pod)
        named(objects)
    if case == "cronjob":
        drain = only([each for each in objects if each["metadata"]["name"] == "loginetl-drain"], "drains")
        job = drain["spec"]["jobTemplate"]["spec"]
        same("cronjob: clock, tries and limit", (drain["spec"]["schedule"], drain["spec"]["startingDeadlineSeconds"],
             job["backoffLimit"], job["activeDeadlineSeconds"]), ("*/10 * * * *", 500, 2, 3600))
    if case == "made-by-others":
        strategy = only(of_kind(objects, "Deployment"), "Deployments")["spec"]["strategy"]
        same("made-by-others: strategy", strategy, {"type": "Recreate"})


def environment(case, pod):
    """Where AWS is, for who calls it."""
    offline = case == "offline-verifier"
    region = None if offline else "us-east-1" if case == "secret" else "eu-central-1"
    same(f"{pod}: region", pod.env.get("AWS_REGION"), region)
    same(f"{pod}: endpoint", pod.env.get("AWS_ENDPOINT_URL"), ENDPOINT if case == "secret" else None)
    same(f"{pod}: region of KMS", pod.env.get("LOGINETL_KMS_REGION"), "eu-west-1" if case == "made-by-others" else None)
    same(f"{pod}: what is logged", pod.env.get("RUST_LOG"), "error,loginetl=debug" if case == "everything" else None)


def mounted(case, pod):
    """Files: the authorities of Postgres, the public key; and a registry's Secret."""
    places = {each["name"]: each["mountPath"] for each in pod.container["volumeMounts"]}
    wanted = {"database-url": "/etc/loginetl/database"}
    if case == "rds":
        wanted["ca"] = "/etc/loginetl/ca"
        bundle = {"name": "rds-bundle", "items": [{"key": "global-bundle.pem", "path": "ca.pem"}]}
        same(f"{pod}: bundle", pod.volume("ca")["configMap"], bundle)
        same(f"{pod}: registry", pod.spec.get("imagePullSecrets"), [{"name": "registry"}])
    if case == "offline-verifier":
        wanted["public-key"] = "/etc/loginetl/public-key"
        key = {"name": "audit-public-key", "items": [{"key": "audit.pem", "path": "audit.pem"}]}
        same(f"{pod}: public key", pod.volume("public-key")["configMap"], key)
    if case == "everything":
        wanted["client"] = "/etc/loginetl/client"
    if "head" in places:
        wanted["head"] = "/var/lib/loginetl"
    same(f"{pod}: mounts", places, wanted)


def dressed(pod):
    """Settings of all pods, and those of the rotator besides."""
    rotator = pod.role == "rotator"
    meta = (pod.owner if pod.owner["kind"] == "Pod" else template(pod))["metadata"]
    same(f"{pod}: annotation", meta.get("annotations", {}).get("example.org/seen"), "yes")
    same(f"{pod}: labels", (meta["labels"].get("cost"), meta["labels"].get("team")), ("etl", "logins"))
    nodes = {"kubernetes.io/arch": "amd64", **({"role": "rotator"} if rotator else {})}
    same(f"{pod}: nodes", pod.spec.get("nodeSelector"), nodes)
    bears = ["etl", "rotator"] if rotator else ["etl"]
    same(f"{pod}: tolerations", [each["key"] for each in pod.spec.get("tolerations", [])], bears)
    same(f"{pod}: affinity", list(pod.spec.get("affinity", {})), ["nodeAffinity"] if rotator else [])
    same(f"{pod}: priority", pod.spec.get("priorityClassName"), "batch")
    same(f"{pod}: variable", pod.env.get("NO_COLOR"), "1")


def template(pod):
    spec = pod.owner["spec"]
    return pod.job["template"] if pod.job else spec["template"]


def named(objects):
    """Labels of all objects, names from fullnameOverride, annotations of an account, the claim."""
    for each in objects:
        where = f"everything: {each['kind']} {each['metadata']['name']}"
        same(f"{where}: label", each["metadata"]["labels"].get("team"), "logins")
        named_so = each["metadata"]["name"].startswith("logins-") or each["kind"] == "ServiceAccount"
        same(f"{where}: its name begins as told", named_so, True)
    loader = only([each for each in of_kind(objects, "ServiceAccount")
                   if each["metadata"]["name"] == "loginetl-loader"], "accounts of the loader")
    same("everything: owner", loader["metadata"].get("annotations", {}).get("example.org/owner"), "logins")
    claim = only(of_kind(objects, "PersistentVolumeClaim"), "claims")["spec"]
    same("everything: claim", (claim.get("storageClassName"), claim["resources"]["requests"]["storage"]), ("gp3", "1Gi"))
