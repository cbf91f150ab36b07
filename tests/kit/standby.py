"""A primary dies under load, its standby is promoted, and the loader goes on there.

Twice: once as the pages ask for it, with `synchronous_standby_names`, where each message sent once has to count once; and
once without, with a standby that lags, where rows have to be missing. So the first trial can fail, and the pages say what
the parameter is for.

Invariant: the messages sent are known one by one, each of a user of its own; nothing is taken from the loader's word.
"""

import json
import os
import signal
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from clusters import clusters, servers, tail
from kit import Failed

FILE = "deploy/restore-check.sh"
MESSAGES = 4000
BEFORE = 400  # so many rows are there when the primary dies
LIMIT = 60


def run(kit):
    with clusters(kit) as all_of_them:
        sure = Trial(kit, all_of_them, "sure", standby_names="standby")
        sure.run()
        sure.expect_each_once()
        lagging = Trial(kit, all_of_them, "lagging", standby_names="")
        lagging.run()
        lagging.expect_loss()
    kit.proved(FILE, "`--state` on a standby; a standby promoted under load with `synchronous_standby_names`: each message "
                     "counts once, the log is whole; without, and with a standby that lags, rows are missing")


class Trial:
    """One primary, one standby, one queue, one loader."""

    def __init__(self, kit, all_of_them, name, standby_names):
        self.kit, self.all, self.name, self.standby_names = kit, all_of_them, name, standby_names
        self.environment = {**os.environ, "LOGINETL_BIN": str(kit.binary), "PATH": f"{all_of_them.programs}:{os.environ['PATH']}"}
        self.endpoint = self.environment["AWS_ENDPOINT_URL"]
        self.queue = servers.sqs(self.endpoint, "CreateQueue", QueueName=f"kit-standby-{name}-{os.getpid()}")["QueueUrl"]
        self.environment["LOGINETL_QUEUE_URL"] = self.queue

    def run(self):
        self.start_servers()
        sender = threading.Thread(target=self.send_all)
        sender.start()
        loader = self.start_loader()
        try:
            self.lose_the_primary()
            sender.join()
            loader = self.await_the_end(loader)
        finally:
            sender.join()
            loader.kill()
            loader.wait()
            servers.sqs(self.endpoint, "DeleteQueue", QueueUrl=self.queue)

    # --- servers -----------------------------------------------------------------------------------------------------

    def start_servers(self):
        self.primary = self.all.new(f"{self.name}-primary")
        self.loginetl(self.primary, "init")
        self.primary.sql("create role kit_loader login in role loginetl_loader")
        self.primary.back_up(f"{self.name}-standby", "--wal-method=stream")
        self.standby = self.all.existing(f"{self.name}-standby")
        self.standby.configure(
            primary_conninfo=f"host=127.0.0.1 port={self.primary.port} user=postgres application_name=standby")
        self.standby.signal_file("standby.signal")
        self.standby.start()
        self.primary.wait(lambda: self.primary.sql("select count(*) from pg_stat_replication where state = 'streaming'") == "1",
                          "stream to its standby")
        if self.standby_names:
            self.primary.sql(f"alter system set synchronous_standby_names = '{self.standby_names}'")
            self.primary.sql("select pg_reload_conf()")
            self.primary.wait(lambda: self.primary.sql("select sync_state from pg_stat_replication") == "sync", "be synchronous")

    def lose_the_primary(self):
        """In flight: some rows are committed, others are not. With a standby that lags, those that come last are only here."""
        self.primary.wait(lambda: self.rows(self.primary) >= BEFORE, "take rows")
        if not self.standby_names:
            self.let_the_standby_lag()
        self.primary.kill()
        had = self.rows(self.standby)
        if not 0 < had < MESSAGES:
            raise Failed(f"the standby has {had} of {MESSAGES} rows: the primary did not die in between")
        self.kit.run("deploy/restore-check.sh", "--state", env=self.env(self.standby.url()))
        self.standby.sql("select pg_promote()")
        self.standby.wait(self.standby.promoted, "be promoted")

    def let_the_standby_lag(self):
        """Its connection goes. The primary waits for nobody, so the loader deletes messages whose rows are only here."""
        self.standby.sql("alter system set primary_conninfo = ''")
        self.standby.sql("select pg_reload_conf()")
        self.primary.wait(lambda: self.primary.sql("select count(*) from pg_stat_replication") == "0", "lose its standby")
        enough = self.rows(self.primary) + BEFORE
        self.primary.wait(lambda: self.rows(self.primary) >= enough, "take rows that its standby has not")
        self.only_here = self.rows(self.primary) - self.rows(self.standby)
        if self.only_here < BEFORE // 2:
            raise Failed(f"the standby lags by {self.only_here} rows only")

    # --- messages ----------------------------------------------------------------------------------------------------

    def send_all(self):
        def ten(first):
            entries = [{"Id": str(n), "MessageBody": json.dumps({
                "user_id": f"user {n}", "app_version": "2.3", "device_type": "ios", "ip": f"198.18.{n // 256}.{n % 256}",
                "locale": None, "device_id": f"device-{n}"})} for n in range(first, first + 10)]
            if servers.sqs(self.endpoint, "SendMessageBatch", QueueUrl=self.queue, Entries=entries).get("Failed"):
                raise Failed("a message was not sent")
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(ten, range(0, MESSAGES, 10)))

    def start_loader(self):
        """As the pages say: both hosts, and the one that takes changes. Small batches, so that many are in flight."""
        url = (f"postgres://kit_loader@127.0.0.1:{self.primary.port},127.0.0.1:{self.standby.port}/logins"
               "?sslmode=disable&target_session_attrs=primary&connect_timeout=5")
        self.log = self.kit.scratch / f"{self.name}-loader.log"
        with open(self.log, "ab") as log:
            return subprocess.Popen([self.kit.binary, "load", "--batch-rows", "50", "--receivers", "4"], stdout=log, stderr=log,
                                    stdin=subprocess.DEVNULL, env=self.env(url))

    def await_the_end(self, loader):
        """Until nothing is in the queue any more. What supervises a loader starts it again after exit 4, and after no other."""
        deadline = time.monotonic() + LIMIT
        while self.depth():
            if loader.poll() == 4:
                loader = self.start_loader()
            elif loader.poll() is not None or time.monotonic() > deadline:
                raise Failed(f"the loader ended with {loader.poll()}, or did not come to an end:\n{tail(self.log)}")
            time.sleep(0.1)
        loader.send_signal(signal.SIGTERM)
        if loader.wait(timeout=LIMIT) != 0:
            raise Failed(f"the loader did not stop in order:\n{tail(self.log)}")
        return loader

    def depth(self):
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        told = servers.sqs(self.endpoint, "GetQueueAttributes", QueueUrl=self.queue, AttributeNames=names)["Attributes"]
        return sum(int(told[name]) for name in names)

    # --- what has to come of it --------------------------------------------------------------------------------------

    def expect_each_once(self):
        counts = self.standby.sql("select count(*), count(distinct user_id), count(distinct ip_hash) from user_logins")
        if counts != f"{MESSAGES}|{MESSAGES}|{MESSAGES}":
            raise Failed(f"rows, users and addresses are {counts}, and {MESSAGES} messages were sent")
        self.loginetl(self.standby, "audit", "verify")

    def expect_loss(self):
        """A batch whose commit was answered no more comes again, so not all that stood on the dead server alone is lost."""
        there = self.rows(self.standby)
        if MESSAGES - there < self.only_here // 2:
            raise Failed(f"{there} of {MESSAGES} rows are there, though {self.only_here} were on the dead server only")
        self.loginetl(self.standby, "audit", "verify")

    # --- means -------------------------------------------------------------------------------------------------------

    def rows(self, cluster):
        return int(cluster.sql("select count(*) from user_logins"))

    def env(self, url):
        return {**self.environment, "LOGINETL_DATABASE_URL": url}

    def loginetl(self, cluster, *arguments):
        return self.kit.run(self.kit.binary, *arguments, env=self.env(cluster.url()))
