"""Each command in the README is run, and what it says of the library is true."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from .conftest import CHECKOUT

README = (CHECKOUT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
SHELL = [text for language, text in BLOCKS if language == "sh"]
# The two that install: the first is run by test_packaging's way, the second is what runs these tests.
INSTALLING = [text for text in SHELL if "venv" in text]


@pytest.fixture
def path_with_opensslgen(tmp_path):
    script = tmp_path / "bin" / "opensslgen"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nPYTHONPATH={CHECKOUT} exec {sys.executable} -m opensslgen "$@"\n')
    script.chmod(0o755)
    return f"{script.parent}{os.pathsep}{os.environ['PATH']}"


def test_the_readme_has_the_two_commands_that_install():
    assert len(INSTALLING) == 2
    assert "-m venv .venv && .venv/bin/pip install -q . && .venv/bin/opensslgen server pbx.example.com" in INSTALLING[0]


def test_ci_runs_the_readmes_test_command():
    assert INSTALLING[1].strip() in (CHECKOUT / ".ci" / "run").read_text()


def test_the_first_command_works_as_pasted(tmp_path):
    subprocess.run(["git", "clone", "-q", CHECKOUT, "clone"], check=True)
    environment = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    done = subprocess.run(["sh", "-ec", INSTALLING[0]], cwd="clone", env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "clone" / "pki" / "issued" / "pbx.example.com.crt").exists()


def test_the_sessions_work_as_pasted(path_with_opensslgen):
    """All other shell blocks, one after another in one folder, as a reader would paste them."""
    session = [text for text in SHELL if text not in INSTALLING]
    assert session
    for text in session:
        done = subprocess.run(
            ["bash", "-ec", text],
            env={**os.environ, "PATH": path_with_opensslgen, "OPENSSLGEN_P12_PASSWORD": "for the test"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{text}\n{done.stderr}"


@pytest.mark.parametrize("code", [text for language, text in BLOCKS if language == "python"])
def test_the_library_works_as_shown(code):
    exec(compile(code, "README.md", "exec"), {})
