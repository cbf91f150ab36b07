"""What both jobs share on the driver: flags, the session, calls of loginetl, and what it knows of an archive.

Invariant: loginetl is called with the exit codes that a step may end with, and with no others; what a job refuses it
names, with what to do about it.
"""

import argparse
import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile

import loginetl_filter
from loginetl_table import TABLES, give_up
from pyspark import SparkFiles, cloudpickle
from pyspark.sql import SparkSession

# What Glue passes on to a script beside the script's own parameters: names of its page "Using job parameters in AWS
# Glue jobs", and of getResolvedOptions in its library.
GLUE = {f"--{name}" for name in """
    TempDir RedshiftTempDir SECURITY_CONFIGURATION job-bookmark-option job-bookmark-from job-bookmark-to
    continuation-option job-language class scriptLocation extra-py-files extra-jars extra-files user-jars-first
    use-postgres-driver additional-python-modules python-modules-installer-option datalake-formats conf executor-cores
    encryption-type customer-driver-env-vars customer-executor-env-vars disable-proxy-v2 auto-scale-within-microbatch
    enable-auto-scaling enable-continuous-cloudwatch-log enable-continuous-log-filter enable-glue-datacatalog
    enable-job-insights enable-lakeformation-fine-grained-access enable-metrics enable-observability-metrics
    enable-rename-algorithm-v2 enable-s3-parquet-optimized-committer enable-spark-ui spark-event-logs-path
    continuous-log-conversionPattern continuous-log-logGroup continuous-log-logStreamPrefix debug mode endpoint
    """.split()}
HADOOP = "org.apache.spark.sql.execution.datasources.SQLHadoopMapReduceCommitProtocol"


def flags(doc):
    """The flags that both jobs have."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--archive", required=True, help="the name under which `loginetl archive list` shows it")
    parser.add_argument("--root", required=True, help="the folder of the archive")
    parser.add_argument("--run", required=True, type=name_of_run,
                        help="the name of this run, the same when it is started again")
    parser.add_argument("--table", choices=sorted(TABLES), default="pointer")
    parser.add_argument("--program", default="loginetl", help="on PATH of all machines, or a URI that Spark fetches")
    parser.add_argument("--valid-for", default="24h", help="how long tasks may work by the plan")
    parser.add_argument("--beside-other-keys", action="store_true",
                        help="publish although other runs of the archive are under other keys")
    parser.add_argument("--database-url-file", metavar="FILE", help="a file of the driver that holds the database URL")
    parser.add_argument("--region", help="the region of KMS for the driver, where its environment names none")
    return parser


def name_of_run(text):
    """A folder and marks of a table are named by it, on every file system."""
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,100}", text):
        raise argparse.ArgumentTypeError("a run has 1 to 100 letters, digits and . _ -")
    return text


def without_glue(words):
    """The arguments without what Glue adds. Elsewhere nothing is taken away, and what is unknown is an error."""
    words, kept = list(words), []
    if not any(word.startswith("--JOB_") for word in words):
        return words
    while words:
        word = words.pop(0)
        name = word.partition("=")[0]
        if name not in GLUE and not name.startswith("--JOB_"):
            kept.append(word)
        elif word == name and words and (name.endswith("-installer-option") or not words[0].startswith("--")):
            words.pop(0)
    return kept


def session(name):
    if importlib.util.find_spec("pandas") is None:  # said before a run is planned
        raise SystemExit("Spark starts no filter (mapInArrow) where the driver has no pandas: install it there")
    spark = SparkSession.builder.appName(name).getOrCreate()
    spark.conf.set("spark.sql.session.timeZone", "UTC")
    cloudpickle.register_pickle_by_value(loginetl_filter)  # some platforms hand modules to the driver alone
    set_protocol(spark.conf)
    return spark


def set_protocol(settings):
    """Databricks' own protocol leaves files that Spark alone knows to be none. Others, as S3A's and EMR's, stay."""
    protocol = "spark.sql.sources.commitProtocolClass"
    if (settings.get(protocol, None) or "").startswith("com.databricks."):
        settings.set(protocol, HADOOP)


class Program:
    """The program: `name` as tasks call it, `own` as the driver does. A URI is handed to all executors."""

    def __init__(self, spark, args):
        self.name = self.own = args.program
        self.environment = environment(args)
        if "://" in args.program:
            spark.sparkContext.addFile(args.program)  # Spark makes it executable
            self.name = args.program.rpartition("/")[2]
            self.own = SparkFiles.get(self.name)

    def run(self, *words, done=(0,)):
        """Runs a command of the driver; its output. Ends the job with its exit code if that is none of `done`."""
        ended = subprocess.run([self.own, *map(str, words)], stdout=subprocess.PIPE, text=True, check=False,
                               env=self.environment)
        if ended.returncode not in done:
            print(f"loginetl {' '.join(words[:2])} ended with {ended.returncode}: nothing is published",
                  file=sys.stderr)
            raise SystemExit(ended.returncode)
        return ended.stdout

    def commit(self, args, run, plan, rows, rejected, *more, done=(0,)):
        """Registers what was made. A run that is refused for good says how it is planned anew."""
        try:
            self.registered(plan, rows, rejected, *more, done=done)
        except SystemExit as end:
            if end.code == 3:
                print("start it again when what refused it is put right. If it was this run that was refused, have it "
                      f"planned anew: delete {args.root}/{run.folder}, give the run up "
                      f"({give_up(args.archive, json.loads(plan)['run'])}), and start again", file=sys.stderr)
            raise

    def registered(self, plan, rows, rejected, *more, done):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:  # 0600, and gone at the end
            file.write(plan)
            file.flush()
            self.run("mask", "commit", "--plan", file.name, "--rows", rows, "--rejected", rejected, *more, done=done)

    def runs(self, archive):
        """The runs of an archive that are open or committed, as the registry has them."""
        views = map(json.loads, self.run("archive", "list", "--format", "json").splitlines())
        return next((view["runs"] for view in views if view["archive"] == archive), [])


def environment(args):
    """That of the driver's own calls. Tasks do not get it: they need no database."""
    made = dict(os.environ)
    if args.region:
        made.update({name: args.region for name in ("AWS_REGION", "AWS_DEFAULT_REGION")})
    if args.database_url_file:
        if not os.path.isfile(args.database_url_file):
            raise SystemExit(f"--database-url-file: the driver has no file {args.database_url_file}")
        made.pop("LOGINETL_DATABASE_URL", None)  # loginetl refuses both
        made["LOGINETL_DATABASE_URL_FILE"] = os.path.abspath(args.database_url_file)
    return made


def plan_of(args, run, program, *more):
    """The plan of this run, made now or by an earlier start. Refuses one that is of no use any more."""
    plan = run.plan(lambda: program.run("mask", "plan", "--job", args.archive, "--location", args.root,
                                        "--valid-for", args.valid_for, *more), args.archive)
    known = json.loads(plan)
    if known["archive"] != args.archive or known["rewrites"] != ("--rewrites" in more):
        kind = "rewrite" if known["rewrites"] else "mask"
        raise SystemExit(f"the plan in {run.folder} is of a {kind} run of archive {known['archive']}: take another "
                         "--run")
    listed = [other for other in program.runs(args.archive) if other["run"] == known["run"]]
    if not listed:
        raise SystemExit(f"run {args.run} was given up or dropped (loginetl archive drop), and cannot be committed: "
                         f"delete {args.root}/{run.folder} and start again, and it is planned anew")
    run.committed = bool(listed[0]["committed_at"])  # by an earlier start, which has not published it
    return plan


def keys_of(plan):
    """{field: [number of its mask key, of its hash key]}"""
    return {field["field"]: [field["mask"], field["hash"]] for field in json.loads(plan)["fields"]}


def refuse_other_keys(args, run, plan, beside):
    """Where runs stand beside each other under several keys, a value has several tokens. `beside` is {name: keys}."""
    mine, other, younger = keys_of(plan), [], False
    for name, keys in sorted(beside.items()):
        if keys is None or any(pair != keys.get(field, pair) for field, pair in mine.items()):
            other.append(name)
            younger = younger or any(pair < keys.get(field, pair) for field, pair in mine.items() if keys)
    if not other or args.beside_other_keys:
        return
    first = "rewrite them first (rewrite_job.py), or start again"
    if younger:  # a rewrite of the others would not help
        first = (f"this run was planned before the rotation, so have it planned anew: delete {args.root}/{run.folder}, "
                 f"give the run up ({give_up(args.archive, json.loads(plan)['run'])}), and start again; or start this "
                 "one again")
    if run.committed:  # no rewrite would begin before it is published
        first = "an earlier start has committed this run, so publish it: start it again"
    raise SystemExit(f"runs {', '.join(other)} of archive {args.archive} are under other keys: {first} with "
                     "--beside-other-keys: until the next rewrite a value has several tokens, hashes join as long as "
                     "the hash key is one. Nothing is published")


def ended_before(args, table, run):
    """What is left of a run that is published already; how many of its rows were not opened."""
    run.clean(table.runs().get(args.run))
    return table.unopened(args.run)


def tell(**result):
    print(json.dumps(result), flush=True)
