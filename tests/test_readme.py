"""Each command in the README is run, and what it says of the library is true."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import CHECKOUT
from .readme import BLOCKS

SHELL = [text for language, text in BLOCKS if language == "sh"]
# The three that install: the second is what runs these tests.
INSTALLING = [text for text in SHELL if "pip install" in text]
VENDOR = "/opt/Avaya/scripts/gen_certs.sh"


@pytest.fixture
def path_with_opensslgen(tmp_path):
    script = tmp_path / "bin" / "opensslgen"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nPYTHONPATH={CHECKOUT} exec {sys.executable} -m opensslgen "$@"\n')
    script.chmod(0o755)
    return f"{script.parent}{os.pathsep}{os.environ['PATH']}"


def test_the_readme_has_the_commands_that_install():
    assert len(INSTALLING) == 3
    assert "-m venv .venv && .venv/bin/pip install -q . && .venv/bin/opensslgen server pbx.example.com" in INSTALLING[0]


def test_ci_runs_the_readmes_test_command():
    assert INSTALLING[2].strip() in (CHECKOUT / ".ci" / "run").read_text()


@pytest.mark.slow
@pytest.mark.parametrize(("command", "made"), [(0, "pki/issued/pbx.example.com.crt"), (1, "opensslgen.pyz")])
def test_a_command_that_installs_works_as_pasted(command, made, tmp_path):
    subprocess.run(["git", "clone", "-q", CHECKOUT, "clone"], check=True)
    environment = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    done = subprocess.run(
        ["sh", "-ec", INSTALLING[command]], cwd="clone", env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "clone" / made).exists()


@pytest.mark.slow
def test_the_sessions_work_as_pasted(path_with_opensslgen):
    """All other shell blocks, one after another in one folder, as a reader would paste them."""
    session = [text.replace(VENDOR, "gen_certs.sh") for text in SHELL if text not in INSTALLING]
    assert session
    shutil.copy(CHECKOUT / "tests" / "gen_certs" / "edited" / "post.sh", "gen_certs.sh")
    for text in session:
        done = subprocess.run(
            ["bash", "-ec", text],
            env={**os.environ, "PATH": path_with_opensslgen, "OPENSSLGEN_P12_PASSWORD": "for the test"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{text}\n{done.stderr}"


def test_what_cron_and_systemd_are_given_mends_the_script(path_with_opensslgen):
    (crontab,) = (text for language, text in BLOCKS if language == "crontab")
    (unit,) = (text for language, text in BLOCKS if language == "ini")
    for command in (crontab.split("root ", 1)[1], unit.split("ExecStart=", 1)[1]):
        shutil.copy(CHECKOUT / "tests" / "gen_certs" / "edited" / "post.sh", "gen_certs.sh")
        environment = {**os.environ, "PATH": path_with_opensslgen}
        subprocess.run(["sh", "-ec", command.replace(VENDOR, "gen_certs.sh")], env=environment, check=True)
        assert b"$((820)) # 820 days" in Path("gen_certs.sh").read_bytes()


@pytest.mark.parametrize("code", [text for language, text in BLOCKS if language == "python"])
def test_the_library_works_as_shown(code):
    exec(compile(code, "README.md", "exec"), {})
