"""A restore that is done: base and incremental backup, archived WAL, a table dropped, the time before it restored.

What restore-check.sh says of the copy is compared with what stood in the original at that time, to the last digest. Then
the copy goes on working. And three restores that went wrong are made, each of which it has to find.

Invariant: the copy has the rows, tokens and log of the time that was asked for, or restore-check.sh ends with the exit code
and the line that tell what is wrong; no data key that is made on the copy gets a number that the original has used.
"""

import json
import os
import re
import shutil
import urllib.parse

from clusters import DATABASE, clusters, servers
from kit import REPOSITORY, Failed

CHECK = "deploy/restore-check.sh"
MARGIN = 1000
NAMES = ("ingest", "recovery", "audit")


def run(kit):
    with clusters(kit) as all_of_them:
        drill = Drill(kit, all_of_them)
        drill.prepare()
        drill.live()
        drill.lose_the_table()
        copy = drill.restored("copy", recovery_target_time=drill.moment)
        drill.is_whole(copy)
        drill.would_wait_for_ever(copy)
        drill.goes_on(copy)
        drill.from_a_dump(copy)
        drill.finds_a_wrong_kms_key(copy)
        drill.finds_what_was_changed(copy)
        drill.finds_a_missing_file()
        servers.sqs(drill.endpoint, "DeleteQueue", QueueUrl=drill.queue)
    kit.proved(CHECK, "green on a copy restored from base, incremental backup and WAL to the time before a `drop table`, two "
                      "rotations in between: rows, digest, head, every wrap, one recovery, key numbers; and on one from `pg_dump`")
    kit.proved(CHECK, "red for a missing WAL file, a disabled KMS key, another region, a changed token, a missing row, a "
                      "changed record")
    kit.cannot(CHECK, "how RDS and Aurora restore: snapshots and their point in time are theirs")


class Drill:
    def __init__(self, kit, all_of_them):
        self.kit, self.all = kit, all_of_them
        self.environment = {
            **os.environ, "LOGINETL_BIN": str(kit.binary), "PATH": f"{all_of_them.programs}:{os.environ['PATH']}",
            **{f"LOGINETL_{name.upper()}_KEY": f"alias/loginetl-drill-{name}" for name in NAMES}}
        self.endpoint = self.environment["AWS_ENDPOINT_URL"]
        self.queue = servers.sqs(self.endpoint, "CreateQueue", QueueName=f"kit-drill-{os.getpid()}")["QueueUrl"]
        self.environment["LOGINETL_QUEUE_URL"] = self.queue
        self.archive_of_the_queue = kit.scratch / "archive.jsonl"

    # --- the original ------------------------------------------------------------------------------------------------

    def prepare(self):
        """KMS keys of its own, so that one can be disabled; and a server that archives."""
        aliases = [word for name in NAMES for word in (f"--{name}-alias", f"alias/loginetl-drill-{name}")]
        self.kit.run("keys/create-keys.sh", *aliases, env=self.environment)
        self.archive = self.all.folder("archive")
        self.original = self.all.new("original", summarize_wal="on", archive_mode="on",
                                     archive_command=f"test ! -f {self.archive}/%f && cp %p {self.archive}/%f")

    def live(self):
        """Rows, a base backup, rows and a rotation, an incremental backup, a rotation of all keys, rows: then the moment."""
        original = self.original
        self.loginetl(original, "init")
        self.load(original, REPOSITORY / "tests/env/sample.jsonl", 119)
        self.load(original, self.events("before", 2000), 2000)
        full = original.back_up("full", "--wal-method=none")
        self.load(original, self.events("between", 500), 500)
        self.loginetl(original, "rotate-keys", "--duty", "100%")
        self.backups = [full, original.back_up("incremental", "--wal-method=none", f"--incremental={full}/backup_manifest")]
        self.load(original, self.events("after the backups", 1000), 1000)
        # The file that the third failure takes away: whole, behind both backups and before the moment.
        self.file_in_the_middle = original.sql("select pg_walfile_name(pg_current_wal_insert_lsn())")
        self.loginetl(original, "rotate-keys", "--compromised", "--duty", "100%")
        self.load(original, self.events("last", 500), 500)
        self.load_from_queue(original, "sent before", 60)
        self.state = self.state_of(original)
        self.moment = original.sql("select clock_timestamp()")

    def lose_the_table(self):
        """What nobody will have in the copy: rows, a key, its tokens in an export, a head that was kept. Then the accident."""
        original = self.original
        self.load(original, self.events("lost", 300), 300)
        self.load_from_queue(original, "sent after", 40)
        self.loginetl(original, "rotate-keys", "--duty", "100%")
        self.exported = original.sql("select masked_ip from user_logins order by user_id limit 1")
        self.highest = int(self.exported.split(".")[1])
        self.newer_head = original.sql("select seq || ':' || encode(hash, 'hex') from audit.head")
        original.sql("drop table user_logins")
        original.sql("select pg_switch_wal()")
        original.stop()  # the archiver ends last
        if not (self.archive / self.file_in_the_middle).exists():
            raise Failed(f"the archive has no {self.file_in_the_middle}")

    # --- the copy ----------------------------------------------------------------------------------------------------

    def restored(self, name, start=True, **target):
        """The backups combined, recovered from the archive to the target, and promoted there."""
        self.all.program("pg_combinebackup", *self.backups, "--output", self.all.base / name, "--no-sync")
        copy = self.all.existing(name)
        copy.configure(archive_mode="off", restore_command=f"cp {self.archive}/%f %p", recovery_target_action="promote", **target)
        copy.signal_file("recovery.signal")
        if start:
            copy.start()
            copy.wait(copy.promoted, "be promoted")
        return copy

    def is_whole(self, copy):
        told = self.check(copy, *self.state, exit_code=0)
        has(told, "ok    server ", "ok    rows        4179, as expected", f"ok    digest      {self.state[3]}, as expected",
            "it holds the head that was kept", "ok    ingest ", "ok    recovery ", "ok    wraps ", "ok    unmask      one row opens",
            "whole: the service may start on it")
        raised = re.search(r"^ok    key ids     raised from (\d+) to (\d+): the next data key gets (\d+)", told, re.MULTILINE)
        stood, self.now, following = map(int, raised.groups())
        if not (self.now == max(stood, self.highest - 1) + MARGIN and following > self.highest):
            raise Failed(f"numbers up to {self.highest} are used, and {raised[0]}")
        told = self.check(copy, "--expect-head", self.newer_head, "--key-ids-raised", self.now, exit_code=5)
        has(told, "FAIL  audit log   does not hold the head that was kept", "by design, where that head is newer",
            "not raised again")

    def would_wait_for_ever(self, copy):
        """A copy has its original's settings. A standby that is not there is said, and no commit is begun."""
        copy.sql("alter system set synchronous_standby_names = 'nobody'")
        copy.sql("select pg_reload_conf()")
        told = self.check(copy, exit_code=2)
        has(told, "FAIL  standby ", "FAIL  key ids     not raised", "ok    check ")
        copy.sql("alter system reset synchronous_standby_names")
        copy.sql("select pg_reload_conf()")

    def goes_on(self, copy):
        """It loads, unmasks and rotates; its next key has a number of its own, and the lost key's token is not taken for it."""
        self.load(copy, self.events("lost", 300), 300)
        self.replay(copy)
        self.loginetl(copy, "rotate-keys", "--duty", "100%")
        newest = int(copy.sql("select max(key_id) from vault.data_keys"))
        if newest != self.now + 1:
            raise Failed(f"the next key is {newest}, and {self.now + 1} was said")
        told = self.loginetl(copy, "unmask", "--token", self.exported, "--format", "json", "--reason", "from an export",
                             expect=1)
        if json.loads(told.splitlines()[0])["problem"] != "unknown_key":
            raise Failed(f"a token of key {self.highest}, which was lost, came back as {told}")
        has(self.check(copy, "--key-ids-raised", self.now, exit_code=0), "ok    unmask ", "not raised again")

    def replay(self, copy):
        """The queue has nothing left of what was loaded; its archive has all. Only what is missing counts, and only once."""
        for loaded, known in ((40, 60), (0, 100)):
            told = self.loginetl(copy, "load", "--file", self.archive_of_the_queue, "--with-ids")
            has(told, f"loaded {loaded}, duplicates {known}")
        counts = copy.sql("select count(*), count(distinct user_id) from user_logins where user_id like 'sent %'")
        if counts != "100|100":
            raise Failed(f"100 messages were sent, and rows and users are {counts}")

    def from_a_dump(self, copy):
        """The same from pg_dump, without owners and privileges: `init` puts these in order, the rest is as it was."""
        state, file = self.state_of(copy), self.all.base / "dump"
        copy.sql("create database dumped", database="postgres")
        self.all.program("pg_dump", "--format=custom", f"--file={file}", copy.url())
        self.all.program("pg_restore", "--no-owner", "--no-privileges", f"--dbname={copy.url(database='dumped')}", file)
        has(self.check(copy, *state, exit_code=1, database="dumped"), "run: loginetl init", "ok    digest ", "ok    unmask ")
        self.kit.run(self.kit.binary, "init", env=self.env(copy, "dumped"))
        raised = copy.sql("select last_value from vault.key_ids", database="dumped")
        if int(raised) != self.now + 1 + MARGIN:
            raise Failed(f"the numbers of a dump stand at {raised}: the last key is {self.now + 1}")
        told = self.check(copy, *state, "--key-ids-raised", raised, exit_code=0, database="dumped")
        has(told, "whole: the service may start on it")

    # --- what went wrong ---------------------------------------------------------------------------------------------

    def finds_a_wrong_kms_key(self, copy):
        """A key of either holder disabled (one row is recovered without the loaders' key), and keys of another region."""
        for holder, other, row in (("ingest", "recovery", "ok    unmask "), ("recovery", "ingest", "FAIL  unmask ")):
            arn = copy.sql(f"select kms_key_arn from vault.wraps where holder = '{holder}' limit 1")
            self.kms("DisableKey", arn)
            try:
                told = self.check(copy, "--key-ids-raised", self.now, exit_code=3)
            finally:
                self.kms("EnableKey", arn)
            has(told, f"FAIL  {holder:<11} data key", f"(DisabledException): {arn}", f"ok    {other} ", "FAIL  check ", row)
        elsewhere = {"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-1"}
        told = self.check(copy, "--key-ids-raised", self.now, exit_code=2, **elsewhere)
        has(told, f"(NotFoundException): {arn}", "FAIL  ingest ", "FAIL  audit log ")

    def finds_what_was_changed(self, copy):
        """Each on a copy of the copy."""
        state = self.state_of(copy)
        cases = {
            "token": ("update user_logins set (masked_ip, ip_hash) = (select masked_ip, ip_hash from user_logins l where "
                      "l.masked_ip <> user_logins.masked_ip limit 1) where ctid = (select max(ctid) from user_logins)",
                      ["ok    rows ", "FAIL  digest "]),
            "row": ("delete from user_logins where ctid = (select max(ctid) from user_logins)", ["FAIL  rows ", "FAIL  digest "]),
            "record": ("set session_replication_role = replica; "
                       "update audit.log set record = replace(record, 'restore', 'routine') where kind = 'unmask.request'",
                       ["ok    digest ", "FAIL  audit log   tampered", "was changed"]),
        }
        for name, (change, lines) in cases.items():
            copy.sql(f"create database {name} template {DATABASE}", database="postgres")
            copy.sql(change, database=name)
            told = self.check(copy, *state, "--key-ids-raised", self.now, exit_code=5, database=name)
            has(told, *lines)

    def finds_a_missing_file(self):
        """PostgreSQL refuses to stop short of a target. Told to come up all the same, it has less than it should."""
        (self.archive / self.file_in_the_middle).rename(self.all.base / "missing")
        short = self.restored("short", start=False, recovery_target_time=self.moment)
        short.launch()
        if short.child.wait(timeout=60) == 0:
            raise Failed("a recovery without a WAL file came up as if it were whole")
        has(short.log.read_text(encoding="utf-8"), "recovery ended before configured recovery target was reached")
        shutil.rmtree(short.data)
        short = self.restored("short")
        told = self.check(short, *self.state, exit_code=5)
        has(told, "FAIL  rows ", "FAIL  digest ", "FAIL  audit log ", "ok    key ids     raised")

    # --- means -------------------------------------------------------------------------------------------------------

    def env(self, cluster, database=DATABASE):
        return {**self.environment, "LOGINETL_DATABASE_URL": cluster.url(database=database)}

    def loginetl(self, cluster, *arguments, expect=0):
        return self.kit.run(self.kit.binary, *arguments, expect=expect, env=self.env(cluster))

    def load(self, cluster, file, rows):
        has(self.loginetl(cluster, "load", "--file", file), f"loaded {rows}, duplicates 0")

    def state_of(self, cluster):
        return self.kit.run(CHECK, "--state", env=self.env(cluster)).split()

    def load_from_queue(self, cluster, name, count):
        """Sends logins and loads them. Meanwhile the archive takes what the queue delivers: id, time and body."""
        bodies = self.events(name, count).read_text(encoding="utf-8").splitlines()
        for first in range(0, count, 10):
            servers.sqs(self.endpoint, "SendMessageBatch", QueueUrl=self.queue, Entries=[
                {"Id": str(n), "MessageBody": body} for n, body in enumerate(bodies[first:first + 10])])
        with open(self.archive_of_the_queue, "a", encoding="utf-8") as archive:
            for message in self.standing_in_the_queue():
                sent_at = {item["Name"]: item["Value"] for item in message["Attribute"]}["SentTimestamp"]
                archive.write(json.dumps(
                    {"message_id": message["MessageId"], "sent_at": sent_at, "body": message["Body"]}) + "\n")
        has(self.loginetl(cluster, "load", "--max-messages", count), f"loaded {count}, duplicates 0")

    def standing_in_the_queue(self):
        """What LocalStack shows of a queue without receiving it."""
        query = urllib.parse.urlencode({"QueueUrl": self.queue})
        told = servers.request(f"{self.endpoint}/_aws/sqs/messages?{query}", headers={"Accept": "application/json"})
        return told["ReceiveMessageResponse"]["ReceiveMessageResult"]["Message"]

    def check(self, cluster, *arguments, exit_code, database=DATABASE, **settings):
        return self.kit.run(CHECK, *arguments, expect=exit_code, env={**self.env(cluster, database), **settings})

    def events(self, name, count):
        """A file of logins, each of a user and an address of its own."""
        path = self.kit.scratch / f"{name}.jsonl"
        path.write_text("".join(json.dumps({
            "user_id": f"{name} {n}", "app_version": "2.3", "device_type": "ios", "ip": f"198.18.{n // 256}.{n % 256}",
            "locale": None, "device_id": f"{name}-{n}"}) + "\n" for n in range(count)), encoding="utf-8")
        return path

    def kms(self, operation, arn):
        servers.request(self.environment["AWS_ENDPOINT_URL"], json.dumps({"KeyId": arn}).encode(), {
            "Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": f"TrentService.{operation}",
            "Authorization": "AWS4-HMAC-SHA256 Credential=test/20250101/us-east-1/kms/aws4_request, SignedHeaders=host, "
                             "Signature=none"})


def has(text, *parts):
    missing = [part for part in parts if part not in text]
    if missing:
        raise Failed(f"this is missing: {missing}, in\n{text}")
