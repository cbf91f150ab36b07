"""Each exit code of ours, provoked by a Job that the chart rendered, and what the Job's rendered podFailurePolicy then
does: tried again where docs/errors.md says that it is safe, else ended at once, for a person.

Invariant: what a code means stands in docs/errors.md alone; each of 0 to 5 was the real end of a rendered pod.
"""

import re

import run_policy
from image import await_that
from kit import REPOSITORY, Failed
from run_jobs import KILLED
from units import RETIRING

AGAIN = "safe to run again"  # of the codes that say so
# What a pod ends with besides our own codes: a panic, no such program, abort, SIGKILL (no memory), a fault in memory,
# SIGTERM.
OTHERS = [101, 128, 134, KILLED, 139, 143]


class Codes:
    def __init__(self, site):
        self.site, self.meanings = site, documented()

    def refused(self, place, jobs):
        """2 and 3: a database URL that is none, and the login of another role. The Job fails at once."""
        for job in jobs:
            role = job.template["metadata"]["labels"]["loginetl-role"]
            place.given(**{role: "postgres/no-url"})
            place.expect(job, "Failed", [2])
            place.given(**{role: self.site.url("app_loader" if role == "auditor" else "app_auditor")})
            place.expect(job, "Failed", [3])
            place.given()

    def away(self, main, by_clock):
        """4: the database is not reached. It comes back and the next pod ends well, or there were enough tries."""
        for job in main.jobs():
            self.site.postgres.cut()
            main.expect(job, "Complete", [4, 0], between=lambda _: self.site.postgres.restore())
            self.site.postgres.restore()
        job = by_clock.job("CronJob", "-drain")
        self.site.postgres.cut()
        by_clock.expect(job, "Failed", [4] * (job.policy.backoff + 1))
        self.site.postgres.restore()

    def evicted(self, main):
        """A node is drained in the middle of a rotation: SIGTERM, exit 4, and that is not counted."""
        job = main.job("CronJob", "-rotate")
        with self.site.row_held():
            running, _, pod = main.begin(job.template)
            await_that(lambda: self.site.psql(RETIRING) == "1", 15, "no rotation begins")
            running.signal("TERM")
        running.wait(4, timeout=pod.grace)
        ended = {job.container: 4}
        if job.policy.outcome(ended, run_policy.EVICTED) != run_policy.IGNORE:
            raise Failed(f"{job.name}: a pod that was drained away counts as a failure")
        main.expect(job, "Complete", [0])
        if self.site.psql(RETIRING) != "0":
            raise Failed(f"{job.name} leaves the rotation unfinished that a drained node interrupted")

    def decide(self, places):
        """Each code under each rendered policy, alone and of a pod that was evicted."""
        seen = set().union(*(place.codes for place in places))
        if not set(self.meanings) <= seen:
            raise Failed(f"no rendered Job ended with {sorted(set(self.meanings) - seen)}; seen were {sorted(seen)}")
        for place in places:
            for job in place.jobs():
                for code, again in [*self.meanings.items(), *((other, True) for other in OTHERS)]:
                    self._decide(job, code, again)

    @staticmethod
    def _decide(job, code, again):
        ended = {job.container: code}
        alone, evicted = job.policy.outcome(ended), job.policy.outcome(ended, run_policy.EVICTED)
        if code == 0:
            wanted = (run_policy.COMPLETE, run_policy.COMPLETE)
        elif again:  # and not for ever: what is never counted is never given up
            wanted = (run_policy.COUNT, run_policy.IGNORE)
        else:
            wanted = (run_policy.FAIL, run_policy.FAIL)
        if (alone, evicted) != wanted:
            raise Failed(f"{job.policy.where}: exit code {code} is {alone}, of an evicted pod {evicted}; "
                         f"they should be {wanted[0]} and {wanted[1]}")
        failures = [(ended, ())] * (job.policy.backoff + 2)
        if alone == run_policy.COUNT and job.policy.after(failures) != ("Failed", job.policy.backoff + 1):
            raise Failed(f"{job.policy.where} gives up after another number of failures than backoffLimit says")
        if job.policy.backoff < 1 or job.policy.backoff > 10:
            raise Failed(f"{job.name}: backoffLimit {job.policy.backoff} tries a temporary fault never, or for hours")


def documented():
    """{exit code: whether it is to be tried again}, of the table in docs/errors.md."""
    text = (REPOSITORY / "docs/errors.md").read_text(encoding="utf-8")
    table = text.partition("## Exit codes")[2].partition("\n## ")[0]
    found = {int(code): AGAIN in meaning for code, meaning in re.findall(r"^\| (\d+) \| (.*) \|$", table, re.MULTILINE)}
    if sorted(found) != list(range(6)) or [code for code, again in found.items() if again] != [4]:
        raise Failed(f"docs/errors.md: its table of exit codes was read as {found}")
    return found
