"""What a command is told about its servers: environment variables, and a folder of commands first on PATH.

Invariant: whoever has these settings talks to these servers and to nothing else; in particular never to a real AWS account
that the caller's own environment names.
"""

import os
import shlex

QUEUE = "login-queue"
# What would lead a client elsewhere than to these servers.
MISLEADING = """
    AWS_PROFILE AWS_DEFAULT_PROFILE AWS_SESSION_TOKEN AWS_IGNORE_CONFIGURED_ENDPOINT_URLS
    AWS_ENDPOINT_URL_SQS AWS_ENDPOINT_URL_KMS AWS_ENDPOINT_URL_STS
    PGHOST PGHOSTADDR PGPORT PGUSER PGDATABASE PGPASSWORD PGSERVICE PGOPTIONS
""".split()


def settings_for(ledger, found, postgres_port, localstack_port):
    python, postgres_bin = found
    database = f"postgres://postgres@127.0.0.1:{postgres_port}/postgres?sslmode=disable"
    endpoint = f"http://127.0.0.1:{localstack_port}"
    return {
        "LOGINETL_DATABASE_URL": database,
        "LOGINETL_QUEUE_URL": f"{endpoint}/000000000000/{QUEUE}",
        "LOGINETL_INGEST_KEY": "alias/loginetl-ingest",
        "LOGINETL_RECOVERY_KEY": "alias/loginetl-recovery",
        "LOGINETL_AUDIT_KEY": "alias/loginetl-audit",
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_EC2_METADATA_DISABLED": "true",
        "LOGINETL_TEST_DATABASE_URL": database,
        "LOGINETL_TEST_PG_LOG": str(ledger.base / "postgres.log"),
        "LOGINETL_TEST_PG_BIN": str(postgres_bin),
        "LOGINETL_TEST_PYTHON": str(python),
    }


def environment_with(settings):
    """The caller's environment with these settings, and with the pinned aws and psql first on PATH."""
    environment = {name: value for name, value in os.environ.items() if name not in MISLEADING}
    environment.update(settings)
    for name in ("NO_PROXY", "no_proxy"):
        environment[name] = ",".join(filter(None, [environment.get(name), "127.0.0.1,localhost"]))
    environment["PATH"] = os.pathsep.join([commands_folder(settings), os.environ.get("PATH", os.defpath)])
    return environment


def link_commands(ledger, found):
    """psql, aws and awslocal in a folder of their own: the machine's may be too old, and its python3 must stay what it is."""
    python, postgres_bin = found
    folder = ledger.base / "bin"
    folder.mkdir()
    (folder / "psql").symlink_to(postgres_bin / "psql")
    # For `aws sqs` this version of the command line looks at the flag only, not at AWS_ENDPOINT_URL.
    aws = shlex.quote(str(python.parent / "aws"))
    (folder / "aws").write_text(f'#!/bin/sh\nexec {aws} --endpoint-url "$AWS_ENDPOINT_URL" "$@"\n')
    (folder / "aws").chmod(0o755)
    (folder / "awslocal").symlink_to("aws")


def commands_folder(settings):
    return os.path.join(os.path.dirname(settings["LOGINETL_TEST_PG_LOG"]), "bin")


def shell_lines(settings):
    lines = [f"unset {' '.join(MISLEADING)}", *(f"export {name}={shlex.quote(value)}" for name, value in settings.items()),
             f'export PATH={shlex.quote(commands_folder(settings))}:"$PATH"',
             'export NO_PROXY="${NO_PROXY:+$NO_PROXY,}127.0.0.1,localhost"; export no_proxy="$NO_PROXY"']
    return "\n".join(lines) + "\n"
