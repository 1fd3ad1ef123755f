"""What the tests share: the real openssl, a root made once, the command line as users start it."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from opensslgen.jobs.issue import leaf_job, root_job
from opensslgen.jobs.perform import Authority
from opensslgen.openssl import command
from opensslgen.openssl.process import Process, Stopped, start_with_sh
from opensslgen.orders.order import leaf_order, root_order
from opensslgen.pki.store import Store
from opensslgen.x509 import key_types

from . import needs
from .needs import REQUIRE_ALL
from .preloaded import Preloaded, quick_ca_keys

CHECKOUT = Path(__file__).parent.parent

# jsonschema builds 38 parsers when it is imported, four seconds in each worker, for formats that no test checks.
sys.modules["rfc3987_syntax"] = None

# The cases are nowhere to be had in CI, where a test may not be skipped.
collect_ignore = ["test_cases.py"] if REQUIRE_ALL and not os.environ.get("OPENSSLGEN_TEST_CASES") else []

if REQUIRE_ALL and not os.environ.get("OPENSSLGEN_TEST_OPENSSLS"):
    # Elsewhere whoever wants them names them; where all is required, no test goes without those that Debian offers.
    _unpack = [sys.executable, "-m", "tests.debian_openssls"]
    _unpacked = subprocess.run(_unpack, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True, check=True)
    os.environ["OPENSSLGEN_TEST_OPENSSLS"] = _unpacked.stdout.strip()
EC = key_types.key_type("p-256")


def pytest_configure():
    sys.addaudithook(needs.see)
    quick_ca_keys()
    command.find.__kwdefaults__["start"] = start_with_subprocess
    # A shell starts what it runs in the background with SIGINT ignored, and no shell below could trap it.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    needs.need(*(name for mark in item.iter_markers("needs") for name in mark.args))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(call):
    """Note in the report what was missing; a property comes back from the workers, as an exception does not."""
    outcome = yield
    if missing := call.excinfo and getattr(call.excinfo.value, "missing", None):
        outcome.get_result().user_properties.append(("missing", missing))


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_sessionfinish(session):
    """Say at the very end what to install."""
    if preloaded.cache_info().currsize:
        preloaded().close()
    yield
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    reports = reporter.stats.get("skipped", []) if reporter else []
    if skipped := [names for each in reports for what, names in each.user_properties if what == "missing"]:
        reporter.write_line(needs.summary(skipped))


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch, tmp_path):
    """The tests' own environment says nothing to opensslgen; the work happens in an empty folder."""
    for name in list(os.environ):
        if name.startswith("OPENSSLGEN_") and not name.startswith("OPENSSLGEN_TEST_"):
            monkeypatch.delenv(name)
    # Whether Python keeps its output back is the program's business, as it is for users.
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def openssl():
    return command.find()


def no_secret(name):
    raise AssertionError(f"asked for {name}")


@pytest.fixture
def authority(openssl, tmp_path):
    """An authority with an empty pki folder."""
    return Authority(Store(tmp_path / "pki"), openssl, no_secret)


def make_root(authority, **options):
    options.setdefault("key_type", EC)
    order = root_order(**options)
    return authority.make(lambda: root_job(order, store=authority.store))


def make_server(authority, name="pbx.example.com", *, allow=(), **options):
    """Make a server's certificate with an EC key, and a root first if there is none."""
    options.setdefault("key_type", EC)
    order = leaf_order(name, **options)
    root = root_order(key_type=EC)
    return authority.make(
        lambda: leaf_job(order, store=authority.store, root=root, fixed_days="days" in options, allow=allow)
    )


@pytest.fixture(scope="session")
def served(openssl, tmp_path_factory):
    """One finished server certificate for localhost, for all tests that only look at it or serve it."""
    authority = Authority(Store(tmp_path_factory.mktemp("served") / "pki"), openssl, no_secret)
    return make_server(authority, "pbx.example.com", san=["localhost", "127.0.0.1", "::1"])


@pytest.fixture(scope="session")
def path_with_opensslgen(tmp_path_factory):
    """A PATH on which the checkout is installed as `opensslgen`."""
    script = tmp_path_factory.mktemp("bin") / "opensslgen"
    script.write_text(f'#!/bin/sh\nPYTHONPATH={CHECKOUT} exec {sys.executable} -m opensslgen "$@"\n')
    script.chmod(0o755)
    return f"{script.parent}{os.pathsep}{os.environ['PATH']}"


CREATING = ("server", "client", "batch")
"""The commands that create a CA, if the pki folder has none and somebody says so."""


def agreeing(arguments):
    """Return a command line that creates a CA without a question: what most tests are not about."""
    words = [os.fspath(word) if isinstance(word, os.PathLike) else str(word) for word in arguments]
    if words and words[0] in CREATING and "--csr-only" not in words:
        words.insert(1, "--new-ca")
    return words


def opensslgen(*arguments, env=None, **options):
    """Run the command line as a process of its own and return what it left; it may create a CA."""
    words = agreeing(arguments)
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT), **(env or {})}
    if options.keys() <= {"cwd", "input", "timeout"} and preloaded().is_like(environment):
        return _forked(words, environment, **options)
    options.setdefault("capture_output", True)
    options.setdefault("text", True)
    options.setdefault("stdin", subprocess.DEVNULL)
    options.setdefault("timeout", 120)
    return subprocess.run([sys.executable, "-m", "opensslgen", *words], env=environment, **options)


@functools.cache
def preloaded():
    """The program that forks for each command, as starting Python and importing takes most of a command's time."""
    return Preloaded(os.environ)


def _forked(words, environment, *, cwd=None, input="", timeout=120):  # noqa: A002 - as subprocess.run calls it
    done = preloaded().run(
        tuple(words), folder=cwd or Path.cwd(), environment=environment, stdin=input.encode(), timeout=timeout
    )
    out, err = (data.decode().replace("\r\n", "\n") for data in (done.stdout, done.stderr))
    return subprocess.CompletedProcess(["opensslgen", *words], done.returncode, out, err)


def start_with_subprocess(argv, *, env, cwd, stdin, timeout, limit=None):
    """Start a process as `start_with_sh` does, in a third of its time: `sh` forks, which lasts where much is loaded.

    It also lets pytest-subprocess replace the process. What prints more than the limit is not ended before its time.
    """
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen(argv, env=env, cwd=cwd, umask=0o077, start_new_session=True, **pipes) as process:
        try:
            out, err = process.communicate(stdin, timeout)
        except subprocess.TimeoutExpired as error:
            os.killpg(process.pid, signal.SIGKILL)
            raise Stopped(Process(-signal.SIGKILL, *process.communicate())) from error
    if limit is not None and max(len(out), len(err)) > limit:
        raise Stopped(Process(-signal.SIGKILL, out[:limit], err[:limit]))
    return Process(process.returncode, out, err)


@pytest.fixture
def through_sh(monkeypatch):
    """The process itself is what is tested: it starts as the command line starts it."""
    monkeypatch.setitem(command.find.__kwdefaults__, "start", start_with_sh)


@pytest.fixture
def keys_as_shipped(monkeypatch):
    """A CA that is created beside a certificate gets the key that it has for users (see `quick_ca_keys`)."""
    monkeypatch.setitem(root_order.__kwdefaults__, "key_type", key_types.DEFAULT)


def files_below(folder):
    """Return every file below a folder with its mode, but for the lock."""
    return {
        str(path.relative_to(folder)): oct(path.stat().st_mode & 0o777)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


def wait(condition, *, seconds=30):
    """Return what the condition gives once that is true."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
    return found


def is_running(process):
    """Tell whether there is a process of this number."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
