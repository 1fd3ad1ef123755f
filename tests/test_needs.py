"""What is missing on a machine skips the tests that need it, and the last line says what to install."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from . import needs, programs
from .conftest import CHECKOUT

SOME = """
import subprocess
import pytest
from tests.needs import need, needs

@needs("mksh", "axe-core")
def test_that_says_so():
    raise AssertionError("run all the same")

def test_that_starts_one():
    subprocess.run(["busybox", "true"])

@pytest.fixture(scope="module")
def server():
    need("gnutls-cli")

@pytest.mark.parametrize("number", [1, 2])
def test_whose_fixture_needs_one(server, number):
    pass

def test_that_needs_nothing():
    subprocess.run(["/bin/sh", "-c", "true"], check=True)
"""


def run(tmp_path, *options, **environment):
    (tmp_path / "bin").mkdir()
    (tmp_path / "test_some.py").write_text(SOME)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPENSSLGEN_", "PYTEST_"))}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider", "-ra", *options],
        cwd=tmp_path,
        env={**kept, "PATH": str(tmp_path / "bin"), "COLUMNS": "200", "PYTHONPATH": str(CHECKOUT), **environment},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("options", [(), pytest.param(("-n", "2"), marks=pytest.mark.slow)], ids=["alone", "workers"])
def test_what_is_missing_is_skipped_and_named(options, tmp_path):
    done = run(tmp_path, *options)
    assert done.returncode == 0, done.stdout
    assert "1 passed, 4 skipped" in done.stdout
    assert re.search(r"^SKIPPED \[1\] \S+ needs busybox \(Debian: busybox\)$", done.stdout, re.MULTILINE)
    assert "needs mksh (Debian: mksh), axe-core (npm install axe-core, and OPENSSLGEN_TEST_AXE=" in done.stdout
    last = done.stdout.splitlines()[-1]
    assert last.startswith(
        "skipped 4 tests for want of programs or rights: apt-get install busybox gnutls-bin mksh; npm"
    )


@pytest.mark.slow
def test_where_nothing_may_be_missing_it_is_a_failure(tmp_path):
    done = run(tmp_path, OPENSSLGEN_TEST_REQUIRE_ALL="1", OPENSSLGEN_TEST_OPENSSLS="openssl")
    assert done.returncode == 1
    assert re.search(r"FAILED \S*test_that_starts_one - Failed: needs busybox \(Debian: busybox\)", done.stdout)
    assert re.search(r"1 failed, 1 passed, 3 errors in ", done.stdout.splitlines()[-1])


def test_a_name_that_no_table_has_is_a_mistake():
    with pytest.raises(KeyError, match="mskh"):
        needs.need("mskh")


def test_the_packages_of_what_is_missing_are_printed_by_any_python(tmp_path):
    """Before anything is installed: so by a Python that has no pytest."""
    environment = {"PATH": str(tmp_path), "PYTHONPATH": str(CHECKOUT)}
    code = (
        "import sys; sys.modules['pytest'] = None; import runpy; runpy.run_module('tests.programs', None, '__main__')"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert {"gnutls-bin", "mksh", "zbar-tools"} <= set(done.stdout.split())
    assert programs.packages(["kamailio", "certtool", "gnutls-cli"]) == [
        "gnutls-bin",
        "kamailio",
        "kamailio-tls-modules",
    ]


def test_ci_installs_every_program_and_skips_nothing():
    ci = (CHECKOUT / ".ci" / "run").read_text()
    assert "python3 -m tests.programs" in ci
    assert "export OPENSSLGEN_TEST_REQUIRE_ALL=1\n" in ci
