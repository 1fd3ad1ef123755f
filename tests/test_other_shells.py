"""Each printed script in shells that are sh on few machines, and with toybox's tools, which lack some options."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from .commands import PRINTED, both_ways, prepare
from .conftest import CHECKOUT, opensslgen
from .needs import need
from .programs import find
from .script_shapes import SHAPES, script_text
from .shells import OTHER_SHELLS

pytestmark = pytest.mark.slow

SAME_FOR_ALL = {
    "gen-certs": (("script", "gen-certs"), ("server", "pbx.example.com", "--key-type", "p-256", "--new-ca")),
    "patch": (("patch", "--script"), ("gen_certs.sh",)),
}
"""Scripts that are the same for everybody: how each is printed, and the arguments that it is run with."""


@pytest.fixture(scope="module")
def office(openssl, tmp_path_factory):
    return prepare(tmp_path_factory.mktemp("office"), openssl)


@pytest.mark.parametrize("shell", OTHER_SHELLS)
@pytest.mark.parametrize("name", PRINTED)
def test_a_script_does_what_the_command_does(name, shell, openssl, office, tmp_path):
    both_ways(PRINTED[name], office, tmp_path, openssl=openssl, shell=OTHER_SHELLS[shell])


@pytest.mark.parametrize("shell", OTHER_SHELLS)
@pytest.mark.parametrize("name", SAME_FOR_ALL)
def test_a_script_that_is_the_same_for_all(name, shell, tmp_path):
    printing, arguments = SAME_FOR_ALL[name]
    (tmp_path / "script.sh").write_text(opensslgen(*printing).stdout)
    answers = []
    for place, command in {"dash": ["dash"], "other": OTHER_SHELLS[shell]}.items():
        folder = tmp_path / place
        folder.mkdir()
        shutil.copy(CHECKOUT / "tests" / "gen_certs" / "edited" / "heredoc.sh", folder / "gen_certs.sh")
        done = subprocess.run(
            [*command, tmp_path / "script.sh", *arguments], cwd=folder, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        answers.append(
            ((folder / "gen_certs.sh").read_bytes(), sorted(path.suffix for path in folder.rglob("*.[ckr][rek]*")))
        )
    assert answers[0] == answers[1]


@pytest.mark.parametrize("shell", OTHER_SHELLS)
def test_the_wrapper_corrects(shell, tmp_path):
    need(OTHER_SHELLS[shell][0])
    (tmp_path / "bin").mkdir()
    wrapper = tmp_path / "bin" / "openssl"
    text = opensslgen("script", "wrapper").stdout.split("\n", 1)[1]
    wrapper.write_text(f"#!/usr/bin/env -S {' '.join(OTHER_SHELLS[shell])}\n{text}")
    wrapper.chmod(0o755)
    (tmp_path / "make.sh").write_text(script_text(next(shape for shape in SHAPES if shape.name == "SHA-1")))
    done = subprocess.run(
        ["dash", "make.sh"],
        env={**os.environ, "PATH": f"{wrapper.parent}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    checked = opensslgen("audit", "server.crt")
    assert checked.returncode == 0, checked.stdout


@pytest.fixture(scope="module")
def tools(tmp_path_factory):
    """A folder with toybox under the name of each of its tools, for the start of a PATH."""
    need("toybox")
    folder = tmp_path_factory.mktemp("toybox")
    toybox = find("toybox")
    for name in subprocess.run([toybox], capture_output=True, text=True).stdout.split():
        (folder / name).symlink_to(toybox)
    return folder


@pytest.mark.parametrize("name", PRINTED)
def test_a_script_works_with_toyboxs_tools(name, tools, openssl, office, tmp_path):
    path = f"{tools}{os.pathsep}{os.environ['PATH']}"
    both_ways(PRINTED[name], office, tmp_path, openssl=openssl, shell=["dash"], env={"PATH": path})
