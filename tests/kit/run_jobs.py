"""Installs the chart on a site, and runs what it rendered: the loader's Deployment, Jobs, the pods of `helm test`.

Invariant: a Job ends here as its rendered policy says, with the exit codes that its pods really had; every field of
its objects was read, or the check fails.
"""

import contextlib

import bundle
from kit import Failed
from run_cluster import Cluster
from run_kubelet import Probes
from run_pod import Translator
from run_workloads import JOBS, deployed, job_of, pod_of

LONGEST = 60  # seconds of one pod
KILLED = 137
MOST_IGNORED = 5  # pods whose failures do not count, before this check gives up


class Installed:
    """What one rendering of the chart gives on a site. Its pods run one after the other, on one node."""

    def __init__(self, site, kubelet, image, rendered, folder, user=bundle.USER, associated=False):
        self.site, self.kubelet, self.image = site, kubelet, image
        self.rendered, self.folder, self.user, self.associated = rendered, folder, user, associated
        self.folder.mkdir()
        self.numbers, self.seen, self.codes = iter(range(10**6)), set(), set()  # of the codes: what Jobs ended with
        self.given()

    def given(self, **urls):
        """The objects that were made by hand, with other database URLs for some roles."""
        # Where no role stands on an account, an association of Pod Identity names it.
        accounts = (one["metadata"] for one in self.rendered if one["kind"] == "ServiceAccount")
        bare = {meta["name"] for meta in accounts if not meta.get("annotations")}
        self.cluster = Cluster(self.rendered, self.site.made(**urls), self.folder, bare if self.associated else ())

    def translate(self, template):
        folder = self.folder / f"pod-{next(self.numbers)}"
        folder.mkdir()
        fields, pod = pod_of(Translator(self.cluster, self.image, folder, self.site.resolver), template)
        return fields, pod, pod.only

    def begin(self, template):
        """A pod of a template that was read whole: (running, container, pod). The first time the kernel is asked how it
        is confined, while it waits for its database."""
        fields, pod, container = self.translate(template)
        if container.probes:
            raise Failed(f"{fields.where} has probes, and comes to its end by itself")
        fields.done()
        if template["metadata"]["name"] in self.seen:
            return self.kubelet.begin(container), container, pod
        with self.site.postgres.held():
            running = self.kubelet.begin(container)
            self.confined(running, container)
        self.seen.add(template["metadata"]["name"])
        return running, container, pod

    def confined(self, running, container):
        self.kubelet.confined(running, container, self.user, self.user)

    def run_pod(self, template):
        """Runs a pod to its end: (exit code, stdout, stderr)."""
        running, container, _ = self.begin(template)
        said = running.wait(expect=None, timeout=LONGEST)
        return running.process.returncode, *said

    def jobs(self):
        """Every Job that was rendered, by itself or within another object."""
        return [job_of(one) for one in self.rendered if one["kind"] in JOBS]

    def job(self, kind, ending):
        return job_of(self.cluster.one(kind, ending))

    def run_job(self, job, between=None):
        """Begins pods as the Job controller does: (Complete or Failed, [exit codes], stdout and stderr of the last).
        `between` is called after each pod that is to be followed by another."""
        codes, ended = [], []
        while True:
            code, out, err = self.run_pod(job.template)
            codes.append(code)
            self.codes.add(code)
            ended.append(({job.container: code}, ()))
            outcome, _ = job.policy.after(ended)
            if outcome != "waiting":
                return outcome, codes, out, err
            if len(codes) > job.policy.backoff + MOST_IGNORED:
                raise Failed(f"{job.name} begins pods without end: exit codes {codes}")
            if between:
                between(len(codes))

    def expect(self, job, outcome, codes, between=None):
        """Runs a Job that must end so; (stdout, stderr) of its last pod."""
        found = self.run_job(job, between)
        if found[:2] != (outcome, codes):
            raise Failed(f"{job.name} is {found[0]} after exit codes {found[1]}, and should be {outcome} after "
                         f"{codes}:\n{found[2]}{found[3]}")
        return found[2:]


class Loader:
    """The pod of the Deployment, running."""

    def __init__(self, installed):
        self.installed, self.template = installed, deployed(installed.cluster.one("Deployment"))

    @contextlib.contextmanager
    def running(self):
        fields, pod, container = self.installed.translate(self.template)
        running = self.installed.kubelet.begin(container)
        probes = Probes(self.installed.kubelet, running, container)
        fields.done()
        self.installed.confined(running, container)
        yield running, probes, pod
        if running.process.poll() is None:
            running.signal("KILL")
            running.wait(expect=None)
