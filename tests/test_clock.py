"""No certificate is made while the clock must be wrong: before this release, or before the newest certificate."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from opensslgen.plan.script import EARLIEST

from .conftest import CHECKOUT, files_below, opensslgen
from .needs import need
from .shells import EACH_SHELL, SHELLS

EC = ("--key-type", "p-256")
SLOW = [("1970-01-02",), ("2000-01-01",), ("2026-08-31",)]
BEFORE = [("2010-01-01",), *(pytest.param(when, marks=pytest.mark.slow) for when in SLOW)]
COMMANDS = {
    "server": ("server", "b.example.com", *EC, "--pki", "new", "--yes"),
    "client": ("client", "b.example.com", *EC, "--pki", "new", "--yes"),
    "self-signed": ("self-signed", "b.example.com", *EC, "--pki", "new"),
    "root": ("root", *EC, "--pki", "new"),
    "batch": ("batch", "sites.csv", *EC, "--pki", "new", "--yes"),
    "run": ("run", "--", "touch", "made"),
}


def at(when, *command):
    need("faketime")
    words = ["faketime", *when, *map(str, command)]
    return subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL)


def program(when, *arguments):
    return at(when, sys.executable, "-m", "opensslgen", *arguments)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    assert opensslgen("server", "a.example.com", *EC, cwd=folder).returncode == 0
    (folder / "sites.csv").write_text("name\nb.example.com\n")
    return folder


@pytest.fixture
def folder(made, tmp_path):
    return shutil.copytree(made, tmp_path, dirs_exist_ok=True)


def test_the_earliest_day_is_shortly_before_the_newest_release():
    changelog = (CHECKOUT / "opensslgen" / "manual" / "changelog.md").read_text()
    released = datetime.fromisoformat(max(re.findall(r"^## \[[0-9.]+\] - (\S+)$", changelog, re.MULTILINE))).date()
    assert released - timedelta(days=100) < EARLIEST <= released


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
@pytest.mark.parametrize("when", BEFORE, ids=" ".join)
def test_before_the_release_nothing_is_made(folder, when, command):
    before = files_below(folder)
    done = program(when, *command)
    assert (done.returncode, "[clock]" in done.stderr) == (1, True), done.stderr
    assert "add --allow clock" in done.stderr
    assert files_below(folder) == before


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_allow_clock_makes_it_anyway(folder, command):
    words = command[: command.index("--")] if "--" in command else command
    done = program(("2010-01-01",), *words, "--allow", "clock", *command[len(words) :])
    assert "[clock]" not in done.stderr
    made = {"run": "made", "root": "new/ca.crt"}.get(command[0], "new/issued/b.example.com.crt")
    assert (folder / made).exists()


NEXT = {
    "server": ("server", "b.example.com", *EC),
    "renew": ("renew", "a.example.com"),
    "batch": ("batch", "sites.csv", *EC),
}


@pytest.mark.parametrize("command", NEXT.values(), ids=NEXT)
def test_before_the_newest_certificate_nothing_is_made(folder, command):
    before = files_below(folder)
    done = program(("-f", "-1d"), *command)
    assert (done.returncode in (1, 2), "clock" in done.stderr) == (True, True), done.stderr
    assert files_below(folder) == before


def test_the_certificate_of_the_last_line_counts_as_well_as_the_root(folder):
    assert program(("-f", "+3d"), "server", "b.example.com", *EC).returncode == 0
    done = opensslgen("server", "c.example.com", *EC)
    assert (done.returncode, "when the newest certificate began" in done.stderr) == (1, True), done.stderr
    assert opensslgen("server", "c.example.com", *EC, "--allow", "clock").returncode == 0


@pytest.mark.parametrize("script", ["server b.example.com --key-type p-256 --script", "script gen-certs"])
@pytest.mark.parametrize("shell", EACH_SHELL)
def test_a_printed_script_looks_at_the_clock(folder, shell, script):
    Path("made.sh").write_text(opensslgen(*script.split()).stdout)
    words = (*SHELLS[shell], "made.sh", *(("server", "b.example.com", *EC) if "gen-certs" in script else ()))
    before = files_below(folder)
    for when in (("1970-01-02",), ("-f", "-1d")):
        done = at(when, *words)
        assert (done.returncode, "Error: the clock is wrong" in done.stderr) == (1, True), (when, done.stderr)
        assert files_below(folder) == before
    done = at(("-f", "+1d"), *words)
    assert (done.returncode, "No such file" in done.stderr) == (0, False), done.stderr


def test_a_script_that_is_printed_with_allow_clock_does_not_look(folder):
    printed = opensslgen("server", "b.example.com", *EC, "--script", "--allow", "clock").stdout
    assert "check_clock" not in printed


@pytest.mark.parametrize("command", ["list", "server b.example.com"])
def test_far_in_the_future_there_is_one_clear_error(folder, command):
    done = program(("9990-01-01",), *command.split())
    assert (done.returncode, done.stderr.count("\n")) == (1, 2), done.stderr
    assert done.stderr.startswith("Error: the clock of this machine says that it is after the year 2200\nHint: ")
