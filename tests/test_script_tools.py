"""A printed script checks its tools before it does anything, compares nothing blindly, and shows no secret to them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from .conftest import files_below, opensslgen
from .shells import EACH_SHELL, SHELLS

CANARY = "battery 'staple\" $canary"
SECRETS = {"OPENSSLGEN_CA_PASSPHRASE": CANARY, "OPENSSLGEN_P12_PASSWORD": CANARY.replace("$", "S")}
FAST = ("--key-type", "p-256")
SCRIPTS = {
    "server": (("server", "b.example.com", *FAST, "--p12", "--script"), ()),
    "revoke": (("revoke", "a.example.com", "--script"), ()),
    "gen-certs": (("script", "gen-certs"), ("server", "b.example.com", "--org", "Zürich", *FAST, "--p12")),
}
WITHOUT_OPTIONS = {
    "cksum": 'exit 1',
    "grep": 'for word; do case $word in -*x*) echo "invalid option" >&2; exit 2 ;; esac; done; exec REAL "$@"',
    "od": 'case $1 in -A) echo "invalid option" >&2; exit 1 ;; esac; exec REAL "$@"',
    "tail": 'case $1 in -n) exit 1 ;; esac; exec REAL "$@"',
    "tr": 'exit 1',
    "wc": 'exit 1',
}  # fmt: skip


@pytest.fixture(scope="module")
def scripts(tmp_path_factory):
    """A folder with a CA whose key has a passphrase, and scripts for it."""
    there = tmp_path_factory.mktemp("scripts")
    assert opensslgen("root", "--pki", there / "pki", *FAST, env=SECRETS).returncode == 0
    assert opensslgen("server", "a.example.com", "--pki", there / "pki", *FAST, env=SECRETS).returncode == 0
    for name, (command, _) in SCRIPTS.items():
        pki = () if "gen-certs" in command else ("--pki", there / "pki")
        printed = opensslgen(*command, *pki, env=SECRETS)
        assert printed.returncode == 0, printed.stderr
        (there / f"{name}.sh").write_text(printed.stdout)
    return there


def tools_of(script):
    return re.search(r"^    need_tools (.*)$", script.read_text(), re.MULTILINE)[1].split()


def bin_folder(tmp_path, tools, *, wrap="", **others):
    """Make a folder for the PATH with these tools alone; `wrap` is run before each of them."""
    folder = tmp_path / "bin"
    folder.mkdir(exist_ok=True)
    for tool in {*tools, "openssl", "env"}:
        real = shutil.which(tool)
        if tool in others or (wrap and tool not in ("openssl", "env")):
            body = others.get(tool, f'{wrap}\nexec REAL "$@"').replace("REAL", real)
            (folder / tool).write_text(f"#!/bin/sh\n{body}\n")
            (folder / tool).chmod(0o755)
        else:
            (folder / tool).symlink_to(real)
    return folder


def run(scripts, tmp_path, name, folder, shell="dash"):
    pki = tmp_path / "pki"
    if not pki.exists():
        shutil.copytree(scripts / "pki", pki)
    words = [*SHELLS[shell], scripts / f"{name}.sh"]
    words = [shutil.which(words[0]), *words[1:]]
    words += [*SCRIPTS[name][1], "--pki", pki] if name == "gen-certs" else [pki]
    environment = {"PATH": str(folder), **SECRETS}
    return subprocess.run(words, capture_output=True, text=True, env=environment)


@pytest.mark.parametrize("name", SCRIPTS)
def test_each_missing_tool_is_named_before_anything_is_done(scripts, tmp_path, name):
    tools = tools_of(scripts / f"{name}.sh")
    assert {"grep", "sed"} <= set(tools)
    assert ("cksum" in tools) == (name == "revoke")
    for tool in set(tools) - {"printf"}:  # which only mksh has not built in
        folder = bin_folder(tmp_path, set(tools) - {tool})
        shutil.copytree(scripts / "pki", tmp_path / "pki")
        before = files_below(tmp_path / "pki")
        done = run(scripts, tmp_path, name, folder)
        assert (done.returncode, f": {tool}" in done.stderr) == (1, True), (tool, done.stderr)
        assert files_below(tmp_path / "pki") == before
        shutil.rmtree(tmp_path / "pki")
        shutil.rmtree(folder)


@pytest.mark.parametrize("name", SCRIPTS)
@pytest.mark.parametrize("tool", WITHOUT_OPTIONS)
def test_a_tool_without_an_option_is_named_before_anything_is_done(scripts, tmp_path, name, tool):
    tools = tools_of(scripts / f"{name}.sh")
    if tool not in tools:
        pytest.skip(f"this script does not use {tool}")
    shutil.copytree(scripts / "pki", tmp_path / "pki")
    before = files_below(tmp_path / "pki")
    done = run(scripts, tmp_path, name, bin_folder(tmp_path, tools, **{tool: WITHOUT_OPTIONS[tool]}))
    assert done.returncode == 1
    assert re.search(rf"Error: this needs tools that are missing here, or lack an option:.* {tool}\b", done.stderr)
    assert files_below(tmp_path / "pki") == before


@pytest.mark.parametrize("name", SCRIPTS)
@pytest.mark.parametrize("shell", EACH_SHELL)
def test_the_named_tools_are_enough_and_see_no_secret(scripts, tmp_path, name, shell):
    seen = tmp_path / "seen"
    folder = bin_folder(tmp_path, tools_of(scripts / f"{name}.sh"), wrap=f"{shutil.which('env')} >>{seen}")
    done = run(scripts, tmp_path, name, folder, shell)
    assert done.returncode == 0, done.stderr
    assert "PATH=" in seen.read_text()
    assert "battery" not in seen.read_text()


@pytest.mark.parametrize("name", SCRIPTS)
@pytest.mark.parametrize("shell", EACH_SHELL)
def test_the_callers_separators_change_nothing(scripts, tmp_path, name, shell):
    text = f"IFS=/.-a\nexport IFS\n{(scripts / f'{name}.sh').read_text()}"
    changed = tmp_path / "changed"
    changed.mkdir()
    (changed / f"{name}.sh").write_text(text)
    shutil.copytree(scripts / "pki", changed / "pki")
    done = run(changed, tmp_path, name, Path(os.environ["PATH"]), shell)
    assert done.returncode == 0, done.stderr


def test_an_empty_sum_does_not_compare_as_equal(tmp_path):
    from opensslgen.plan.template import shipped

    (tmp_path / "a").write_text("a")
    (tmp_path / "b").write_text("b")
    library = tmp_path / "functions.sh"
    library.write_text(shipped("functions.sh"))
    script = f". {library}; cksum() {{ return 1; }}; check_same a b different"
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, "Error: a and b cannot be compared\n")
