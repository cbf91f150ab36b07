"""The chart, run: what helm renders is translated as a kubelet would and started by runc, against real servers.

The loader's Deployment with its probes, every CronJob and Job with the login of its role alone, the pods of `helm
test`; and what the rendered podFailurePolicy makes of each exit code, which a rendered Job provoked.

Invariant: a rendered field that this check does not translate makes it fail; each count is the database's or
the queue's.
"""

import concurrent.futures
import json
import os
import sys
import time
from pathlib import Path

import bundle
import run_cases
import run_identity
import run_policy
import run_proofs
from image import PUBLIC_KEY, REJECTED, ROWS, await_that
from kit import REPOSITORY, Failed, needs_root
from place import SAMPLE
from run_codes import Codes
from run_jobs import KILLED, Installed, Loader
from run_kubelet import Kubelet
from run_render import Renderer
from run_site import IMAGE, Site
from run_workloads import templates
from units import KEYS, RETIRING

START = 60  # seconds, on a busy machine
IN_HAND, LATE = 20, 3  # messages that a loader has when it is stopped, and those that come then
GOOD = SAMPLE.read_text(encoding="utf-8").splitlines()[0]
BAD = json.dumps({"user_id": "kit"})  # no login event


def run(kit):
    run_policy.check_rules()
    needs_root("running pods by runc")
    render = Renderer(kit)
    with concurrent.futures.ThreadPoolExecutor(2) as beside:
        made = beside.submit(image, kit)
        with Site(kit) as site:
            root, config = made.result()
            cases = beside.submit(run_cases.check, kit, render, config)
            installation(kit, site, root, config, render)
            kit.say(f"{cases.result()} pods of the chart's own value files are translated")
    run_proofs.say(kit)


def installation(kit, site, root, config, render):
    kubelet = Kubelet(kit, root, site.network)
    try:
        kubelet.probe()
        chart(kit, site, kubelet, render, (f"{IMAGE['repository']}@{IMAGE['digest']}", config))
    finally:
        kubelet.end()


def image(kit):
    """The files of the image, and its configuration as deploy/Dockerfile has it: that the archive has the same one, and
    the same files, is what the check `image` compares."""
    root, text = kit.scratch / "root", (REPOSITORY / "deploy/Dockerfile").read_text(encoding="utf-8")
    kit.run(sys.executable, REPOSITORY / "deploy/image.py", "--binary", kit.binary, "--root", root)
    last = dict(line.split(None, 1) for line in text.rpartition("\nFROM ")[2].splitlines() if line[:1].isupper())
    return root, {"Env": [last["ENV"]], "User": last["USER"], "Entrypoint": json.loads(last["ENTRYPOINT"])}


def chart(kit, site, kubelet, render, image):
    def installed(name, identity, **values):
        rendered = render(site.values(identity, **values))
        user = values.get("runAs", {}).get("user", bundle.USER)
        return Installed(site, kubelet, image, rendered, kit.scratch / name, user, identity == "podIdentity")

    main = installed("deployment", "irsa")
    every = "::" if Path("/proc/net/if_inet6").exists() else "0.0.0.0"  # :: is IPv4 as well, where there is IPv6
    scaled = installed("scaledjob", "secret", loader={"mode": "scaledjob", "listen": {"address": every}})
    by_clock = installed("cronjob", "podIdentity", loader={"mode": "cronjob", "poisonBudget": 0},
                         runAs={"user": 20001, "group": 20001})
    codes = Codes(site)
    init(site, main)
    whole = loader(kit, site, main)
    # What drains waits for the queue most of the time, and asks nothing of the others.
    with concurrent.futures.ThreadPoolExecutor(1) as beside:
        drained = beside.submit(drains, site, scaled, by_clock, whole)
        rotation(site, main)
        head = verification(main)
        without_aws(kit, site, installed, head)
        helm_test(main)
        separated(site, main)
        codes.refused(main, main.jobs())
        drained.result()
    codes.refused(by_clock, [by_clock.job("CronJob", "-drain")])
    codes.away(main, by_clock)
    codes.evicted(main)
    codes.decide([main, scaled, by_clock])
    helm_test_fails(site, main)


def init(site, main):
    job = main.job("Job", "")
    main.expect(job, "Complete", [0])
    site.logins()
    before = site.psql(KEYS), site.psql("select count(*) from audit.log")
    main.expect(job, "Complete", [0])
    if (site.psql(KEYS), site.psql("select count(*) from audit.log")) != before:
        raise Failed(f"{job.name} makes keys or records again where it has been")


def loader(kit, site, main):
    """The Deployment: started, ready, the sample; without its database; stopped while messages flow."""
    site.send_sample()
    with Loader(main).running() as (running, probes, pod):
        began = time.monotonic()
        probes.await_answer("startupProbe", True, min(START, probes.seconds("startupProbe")))
        probes.await_answer("readinessProbe", True, START)
        kit.say(f"the loader is ready after {time.monotonic() - began:.2f} s")
        await_that(lambda: site.counts() == (ROWS, REJECTED) and not any(site.waiting()), 20,
                   f"rows and quarantined, of the sample, do not come to {ROWS} and {REJECTED}")
        database_away(site, main, running, probes, pod)
        return stopped(kit, site, running, probes, pod)


def database_away(site, main, running, probes, pod):
    """Without its database the loader is alive and not ready. With it, ready again, in the same process: under another
    login, for meanwhile somebody has changed the Secret and taken the old one its right to connect."""
    site.postgres.cut()
    site.send(BAD)  # what it notices it by
    said, _ = probes.await_answer("readinessProbe", False, 15)
    if "waiting for the database" not in said:
        raise Failed(f"without a database the readinessProbe is told {said!r}")
    for kind in ("livenessProbe", "startupProbe"):
        if not probes.ask(kind)[0]:
            raise Failed(f"without a database the {kind} fails, and Kubernetes would restart the loader: "
                         f"{probes.ask(kind)[1]}")
    site.psql("alter role app_loader nologin; create role new_loader login in role loginetl_loader")
    main.given(loader=site.url("new_loader"))
    pod.volumes.refill(main.cluster)
    site.postgres.restore()
    probes.await_answer("readinessProbe", True, 15)
    await_that(lambda: site.counts() == (ROWS, REJECTED + 1) and not any(site.waiting()), 20,
               "what was sent while the database was away is not loaded")
    connected = site.psql("select string_agg(distinct usename, ' ') from pg_stat_activity where usename ~ 'loader'")
    if connected != "new_loader":
        raise Failed(f"the Secret was changed, and connected is {connected}")
    site.psql("alter role app_loader login")
    main.given()


def stopped(kit, site, running, probes, pod):
    """SIGTERM while messages are in hand, which the database takes a moment later: exit 0 within the grace period,
    nothing is lost or counted twice. What rows and quarantined must come to when somebody has loaded the rest."""
    before, sent = site.counts(), IN_HAND + LATE
    # Not long: it would take a server that does not answer for one that is gone.
    with site.postgres.held():
        for _ in range(IN_HAND):
            site.send(GOOD)
        await_that(lambda: site.waiting()[1], 10, "the loader receives nothing of what is sent")
        if site.counts() != before:
            raise Failed("the messages are no longer in hand: the database was not held back")
        began = time.monotonic()
        running.signal("TERM")
        said, _ = probes.await_answer("readinessProbe", False, 5)
        if "stopping" not in said:
            raise Failed(f"after SIGTERM the readinessProbe is told {said!r}")
        for _ in range(LATE):
            site.send(GOOD)
    running.wait(0, timeout=pod.grace)
    took, done, left = time.monotonic() - began, sum(site.counts()) - sum(before), sum(site.waiting())
    kit.say(f"SIGTERM: exit 0 after {took:.1f} s of {pod.grace}; {done} of {sent} messages loaded, {left} left")
    if done + left != sent or not done:
        raise Failed(f"{sent} messages were sent, {done} came into the database, and {left} are in the queue")
    return before[0] + sent, before[1]


def keys(site):
    """(active, retired) keys."""
    return tuple(map(int, site.psql(KEYS).split("|")))


def rotation(site, main):
    """A new mask key; the nightly end of one that was killed; and where there is none to end, nothing."""
    rotate, resume = main.job("CronJob", "-rotate"), main.job("CronJob", "-resume")
    active, retired = keys(site)
    main.expect(rotate, "Complete", [0])
    main.expect(resume, "Complete", [0])
    if keys(site) != (active, retired + 1):
        raise Failed(f"keys active and retired were {(active, retired)}, and are {keys(site)} after one rotation")
    with site.row_held():
        running, _, _ = main.begin(rotate.template)
        await_that(lambda: site.psql(RETIRING) == "1", 15, "no rotation begins")
        running.signal("KILL")
        running.wait(KILLED)
    if (site.psql(RETIRING), keys(site)) != ("1", (active, retired + 1)):
        raise Failed(f"keys active and retired are {keys(site)} after a rotation was killed")
    main.expect(resume, "Complete", [0])
    if (site.psql(RETIRING), keys(site)) != ("0", (active, retired + 2)):
        raise Failed(f"{resume.name} leaves keys active and retired at {keys(site)}")


def verification(main):
    """The head is kept in the volume and compared by the next pod; one that the log does not hold is exit 5."""
    job = main.job("CronJob", "-verify")
    for _ in range(2):
        main.expect(job, "Complete", [0])
    head = kept_head(main)
    held, mode = head.read_text(encoding="utf-8"), head.stat().st_mode & 0o777
    if mode & 0o077:
        raise Failed(f"others may read the kept head: {mode:o}")
    sequence, _, digest = held.strip().partition(":")
    newer = f"{int(sequence) + 1}:{digest}\n"
    head.write_text(newer, encoding="utf-8")
    main.expect(job, "Failed", [5])
    if head.read_text(encoding="utf-8") != newer:
        raise Failed("a head that the log does not hold was replaced")
    head.write_text(held, encoding="utf-8")
    return held.strip()


def without_aws(kit, site, installed, head):
    """The log, verified by the public half of the key in a ConfigMap against a head that somebody keeps: no AWS."""
    site.public_key = kit.run(os.environ["LOGINETL_TEST_PYTHON"], "-c", PUBLIC_KEY)
    verifier = {"head": {"kind": "value", "value": head}, "publicKey": {"configMap": "audit-key"}, "awsSecret": ""}
    others = {name: {"enabled": False} for name in ("loader", "rotator", "init")}
    offline = installed("offline", "secret", verifier=verifier, **others)
    job = offline.job("CronJob", "-verify")
    _, _, container = offline.translate(job.template)
    if any(name.startswith("AWS_") for name in container.env):
        raise Failed(f"{job.name} needs no AWS, and is told {sorted(container.env)}")
    offline.expect(job, "Complete", [0])


def kept_head(main):
    found = [path for path in main.folder.glob("claim-*/*") if path.is_file()]
    if len(found) != 1:
        raise Failed(f"the verifier keeps {found} in its volume, and should keep one head")
    return found[0]


def helm_test(main):
    """The pods of `helm test`, one for each role's login: 0 on this installation."""
    pods = main.cluster.of("Pod")
    if not pods:
        raise Failed("the chart has no pod for helm test")
    for name, pod in pods.items():
        code, out, err = main.run_pod(pod)
        if code != 0:
            raise Failed(f"helm test fails on a good installation: {name} ends with {code}:\n{out}{err}")


def helm_test_fails(site, main):
    """And not 0 for a login that is in no group, nor without the queue. This is the last step: the queue is gone."""
    def passes(pod, broken):
        code, out, err = main.run_pod(pod)
        if code == 0:
            raise Failed(f"helm test passes although {broken}: {pod['metadata']['name']}:\n{out}{err}")

    pods = {pod["metadata"]["labels"]["loginetl-role"]: pod for pod in main.cluster.of("Pod").values()}
    for role, pod in pods.items():
        site.psql(f"revoke loginetl_{role} from app_{role}")
        passes(pod, f"app_{role} is in no group")
        site.psql(f"grant loginetl_{role} to app_{role}")
    site.delete_queue()
    passes(pods["loader"], "there is no queue")


def separated(site, main):
    """Each pod runs under the account of its own role, with the Secret of its own login and no other."""
    for template in templates(main.rendered):
        role = template["metadata"]["labels"]["loginetl-role"]
        _, pod, container = main.translate(template)
        account = pod.account["metadata"]
        role_arn = account["annotations"]["eks.amazonaws.com/role-arn"].rpartition("/")[2]
        found = (account["name"], role_arn, container.secrets)
        if found != (f"loginetl-{role}", f"loginetl-{role}", {f"loginetl-{role}-database"}):
            raise Failed(f"{pod.name} is for the role {role}, and has {found}")
    logins = site.psql("select string_agg(distinct db_user, ' ' order by db_user) from audit.log "
                       "where kind like 'rotate%'")
    if logins != "app_rotator":
        raise Failed(f"the log says that {logins} rotated")


def drains(site, scaled, by_clock, whole):
    """The loader as a ScaledJob's pod, with AWS credentials of a Secret, and by the clock, with Pod Identity: both
    empty the queue, the first of what a stopped loader has left. Exit 1 for one rejection more than allowed."""
    job = scaled.job("ScaledJob", "-drain")
    scaled.expect(job, "Complete", [0])
    loaded(site, whole)
    job = by_clock.job("CronJob", "-drain")
    site.send(GOOD)
    by_clock.expect(job, "Complete", [0])
    loaded(site, (whole[0] + 1, whole[1]))
    site.send(BAD)
    by_clock.expect(job, "Failed", [1])
    loaded(site, (whole[0] + 1, whole[1] + 1))
    run_identity.asked_by(site.asked, "loginetl-loader")


def loaded(site, wanted):
    found = site.counts(), site.waiting()
    if found != (wanted, (0, 0)):
        raise Failed(f"rows and quarantined are {found[0]}, not {wanted}; messages visible and in flight: {found[1]}")
