"""The chart, run: what helm renders is translated as a kubelet would and started by runc, against real servers.

The loader's Deployment with its probes, every CronJob and Job with the login of its role alone, the pods of `helm
test`; and what the rendered podFailurePolicy makes of each exit code, which a rendered Job provoked.

Invariant: a rendered field that this check does not translate makes it fail; each count is the database's or the queue's.
"""

import json
import sys
import time

import run_identity
import run_policy
from image import REJECTED, ROWS, await_that, background
from kit import REPOSITORY, Failed, needs_root
from place import SAMPLE
from run_codes import Codes
from run_jobs import KILLED, Installed, Loader
from run_kubelet import Kubelet
from run_render import render
from run_site import IMAGE, Site
from units import KEYS, RETIRING

CHART = "deploy/helm/loginetl"
TIMES = 5  # the sample, while the loader is stopped
GOOD = SAMPLE.read_text(encoding="utf-8").splitlines()[0]
BAD = json.dumps({"user_id": "kit"})  # no login event

def run(kit):
    run_policy.check_rules()
    needs_root("running pods by runc")
    root, config = image(kit)
    with Site(kit) as site:
        kubelet = Kubelet(kit, root, site.network)
        try:
            kubelet.probe()
            chart(kit, site, kubelet, (f"{IMAGE['repository']}@{IMAGE['digest']}", config))
        finally:
            kubelet.end()


def image(kit):
    """The files of the image, and its configuration as deploy/Dockerfile has it: that the archive has the same one, and
    the same files, is what the check `image` compares."""
    root, text = kit.scratch / "root", (REPOSITORY / "deploy/Dockerfile").read_text(encoding="utf-8")
    kit.run(sys.executable, REPOSITORY / "deploy/image.py", "--binary", kit.binary, "--root", root)
    last = dict(line.split(None, 1) for line in text.rpartition("\nFROM ")[2].splitlines() if line[:1].isupper())
    return root, {"Env": [last["ENV"]], "User": last["USER"], "Entrypoint": json.loads(last["ENTRYPOINT"])}


def chart(kit, site, kubelet, image):
    def installed(name, identity, **values):
        rendered = render(kit, site.values(identity, **values))
        return Installed(kit, site, kubelet, image, rendered, kit.scratch / name, identity == "podIdentity")

    main = installed("deployment", "irsa")
    init(kit, site, main)
    loader(kit, site, main)
    rotation(kit, site, main)
    verification(kit, site, main)
    helm_test(kit, site, main)
    separated(site, main)
    scaled, by_clock = drains(site, installed)
    codes = Codes(kit, site)
    codes.provoke(main, scaled)
    codes.decide([main, scaled, by_clock])


def init(kit, site, main):
    job = main.job("Job", "")
    main.expect(job, "Complete", [0])
    site.logins()
    before = site.psql(KEYS), site.psql("select count(*) from audit.log")
    main.expect(job, "Complete", [0])
    if (site.psql(KEYS), site.psql("select count(*) from audit.log")) != before:
        raise Failed(f"{job.name} makes keys or records again where it has been")


def loader(kit, site, main):
    """The Deployment: started, ready, the sample; without its database; stopped while messages flow."""
    command, options = site.sending(1)
    kit.run(*command, **options)
    with Loader(main).running() as (running, probes, pod):
        began = time.monotonic()
        probes.await_answer("startupProbe", True, probes.seconds("startupProbe"))
        probes.await_answer("readinessProbe", True, probes.seconds("startupProbe"))
        kit.say(f"the loader is ready after {time.monotonic() - began:.2f} s")
        await_that(lambda: site.counts() == (ROWS, REJECTED) and not site.waiting(), 20,
                   f"rows and quarantined, of the sample, do not come to {ROWS} and {REJECTED}")
        database_away(site, running, probes)
        stopped(kit, site, running, pod, main)


def database_away(site, running, probes):
    """Without its database the loader is alive and not ready; with it, ready again, in the same process."""
    site.postgres.cut()
    site.send(BAD)  # what it notices it by
    said, _ = probes.await_answer("readinessProbe", False, 15)
    if "waiting for the database" not in said:
        raise Failed(f"without a database the readinessProbe is told {said!r}")
    for kind in ("livenessProbe", "startupProbe"):
        if not probes.ask(kind)[0]:
            raise Failed(f"without a database the {kind} fails, and Kubernetes would restart the loader: "
                         f"{probes.ask(kind)[1]}")
    site.postgres.restore()
    probes.await_answer("readinessProbe", True, 15)
    await_that(lambda: site.counts() == (ROWS, REJECTED + 1) and not site.waiting(), 20,
               "what was sent while the database was away is not loaded")


def stopped(kit, site, running, pod, main):
    """SIGTERM while messages flow: exit 0 within the grace period, and no message lost or counted twice."""
    before, sent = site.counts(), TIMES * (ROWS + REJECTED)
    with background(*site.sending(TIMES)) as sender:
        await_that(lambda: site.counts()[0] > before[0] + ROWS, 30, "the loader loads nothing of what is sent")
        began = time.monotonic()
        running.signal("TERM")
        running.wait(0, timeout=pod.grace)
        took, after = time.monotonic() - began, site.counts()
        if sender.wait(60) != 0:
            raise Failed("the messages could not be sent")
    done, left = sum(after) - sum(before), site.waiting()
    kit.say(f"SIGTERM: exit 0 after {took:.1f} s of {pod.grace}; {done} of {sent} messages loaded, {left} left")
    if done + left != sent or not left:
        raise Failed(f"{sent} messages were sent, {done} came into the database, and {left} are in the queue")
    with Loader(main).running() as (second, _, _):
        whole = (before[0] + TIMES * ROWS, before[1] + TIMES * REJECTED)
        await_that(lambda: site.counts() == whole and not site.waiting(), 30,
                   f"rows and quarantined do not come to {whole}")
        second.signal("TERM")
        second.wait(0, timeout=pod.grace)


def keys(site):
    """(active, retired) keys."""
    return tuple(map(int, site.psql(KEYS).split("|")))


def rotation(kit, site, main):
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


def verification(kit, site, main):
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


def kept_head(main):
    found = [path for path in main.folder.glob("claim-*/*") if path.is_file()]
    if len(found) != 1:
        raise Failed(f"the verifier keeps {found} in its volume, and should keep one head")
    return found[0]


def helm_test(kit, site, main):
    """The pods of `helm test`: 0 on this installation; not 0 for a login without its group, or without a queue."""
    pods = main.cluster.of("Pod")
    roles = {name: name.rpartition("-")[2] for name in pods}
    if not pods:
        raise Failed("the chart has no pod for helm test")
    for name, pod in pods.items():
        code, out, err = main.run_pod(pod)
        if code != 0:
            raise Failed(f"helm test fails on a good installation: {name} ends with {code}:\n{out}{err}")
    for name, pod in pods.items():
        role = roles[name]
        site.psql(f"revoke loginetl_{role} from app_{role}")
        code, out, err = main.run_pod(pod)
        site.psql(f"grant loginetl_{role} to app_{role}")
        if code == 0:
            raise Failed(f"helm test passes although app_{role} is in no group: {name}:\n{out}")


def separated(site, main):
    """Each pod runs under the account of its own role, with the Secret of its own login and no other."""
    for template, role in main.roles():
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


def drains(site, installed):
    """The loader as a ScaledJob's pod, with a Secret of AWS', and by the clock, with Pod Identity: both empty the queue.
    Exit 1 for one rejection more than allowed."""
    scaled = installed("scaledjob", "secret", loader={"mode": "scaledjob"})
    before = site.counts()
    for _ in range(3):
        site.send(GOOD)
    site.send(BAD)
    scaled.expect(scaled.job("ScaledJob", "-drain"), "Complete", [0])
    loaded(site, before, 3, 1)

    by_clock = installed("cronjob", "podIdentity", loader={"mode": "cronjob", "poisonBudget": 0})
    job, before = by_clock.job("CronJob", "-drain"), site.counts()
    site.send(GOOD)
    by_clock.expect(job, "Complete", [0])
    loaded(site, before, 1, 0)
    site.send(BAD)
    by_clock.expect(job, "Failed", [1])
    loaded(site, before, 1, 1)
    run_identity.asked_by(site.asked, "loginetl-loader")
    return scaled, by_clock


def loaded(site, before, rows, rejected):
    wanted = (before[0] + rows, before[1] + rejected)
    if (site.counts(), site.waiting()) != (wanted, 0):
        raise Failed(f"rows and quarantined are {site.counts()}, not {wanted}; {site.waiting()} messages are in the queue")
