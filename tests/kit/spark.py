"""What deploy/spark/ ships, without Spark: `make scale` runs the jobs, on a cluster of its own.

Invariant: a name that the filter's Python counts on (columns of cells, flags) is what the program says today.
"""

import ast
import json
import os
import subprocess
import urllib.parse
from pathlib import Path

from kit import REPOSITORY, Failed

FILES = ["loginetl_archive.py", "loginetl_filter.py", "loginetl_job.py", "loginetl_table.py", "mask_job.py",
         "rewrite_job.py"]
EVENT = b'{"user_id": "u", "app_version": "1.2", "ip": "192.0.2.1", "device_id": "d"}\n'
OLDEST = (3, 9)


def run(kit):
    for name in FILES:
        text = (REPOSITORY / "deploy/spark" / name).read_text(encoding="utf-8")
        ast.parse(text, name, feature_version=OLDEST)
        kit.proved(f"deploy/spark/{name}", "parsed as Python 3.9")
        kit.cannot(f"deploy/spark/{name}", "EMR, Glue and Databricks; `make scale` runs it on a Spark of its own")
    columns(kit)


def own_database(kit):
    url = urllib.parse.urlsplit(os.environ["LOGINETL_DATABASE_URL"])
    psql = Path(os.environ["LOGINETL_TEST_PG_BIN"]) / "psql"
    kit.run(psql, "-Xq", url.geturl(), "-c", "create database kit_spark")
    return {**os.environ, "LOGINETL_DATABASE_URL": url._replace(path="/kit_spark").geturl()}


def columns(kit):
    """The cells of a masked line are as many, and stand in the order, that loginetl_filter.py says."""
    text = (REPOSITORY / "deploy/spark/loginetl_filter.py").read_text(encoding="utf-8")
    wanted = ("masked_columns", "masked_fields")
    parts = [part for part in ast.parse(text).body if isinstance(part, ast.FunctionDef) and part.name in wanted]
    known = {"json": json}
    exec(compile(ast.Module(parts, []), "loginetl_filter.py", "exec"), known)
    environment = own_database(kit)
    kit.run(kit.binary, "init", env=environment)
    plan = kit.run(kit.binary, "mask", "plan", "--job", "kit", "--location", "nowhere", env=environment)
    file = kit.scratch / "plan.json"
    file.write_text(plan, encoding="utf-8")
    cells, members = (subprocess.run([kit.binary, "mask", "--plan", file, "--output", output], input=EVENT, check=True,
                                     stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=os.environ).stdout
                      for output in ("tsv", "jsonl"))
    found = dict(zip(known["masked_columns"](plan), cells.decode().rstrip("\n").split("\t"), strict=False))
    expected = {**json.loads(members), "rejected": None, "field": None, "length": None}
    expected = {name: "\\N" if value is None else str(value) for name, value in expected.items()}
    if found != expected or len(found) != len(cells.split(b"\t")):
        raise Failed(f"deploy/spark/loginetl_filter.py names the columns of a masked line {list(found)}; they are "
                     f"{list(expected)}")
    kit.proved("deploy/spark/loginetl_filter.py", "its columns are those of `mask --output tsv`")
