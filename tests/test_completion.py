"""What a user sees who presses Tab: real shells, each with the script that `opensslgen completion` prints."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from .conftest import CHECKOUT, opensslgen
from .needs import needs

CASES = [
    ("ser", {"server"}),
    ("re", {"renew", "revoke", "restore"}),
    ("show p", {"pbx.example.com", "phone.example.com"}),
    ("show c", {"ca"}),
    ("renew phone", {"phone.example.com"}),
    ("audit --allow cn-not", {"cn-not-in-san"}),
    ("audit --profile ap", {"apple", "appliance"}),
    ("audit --profile apple,str", {"apple,strict"}),
    ("audit site.cnf --section v3", {"v3_req", "v3_ca"}),
    ("server --key-type p-", {"p-256", "p-384"}),
    ("server --da", {"--days"}),
    ("export --for ip", {"ip-office"}),
    ("list --format pro", {"prometheus"}),
    ("help pho", {"phones"}),
]
"""What was typed after opensslgen, and what is offered for its last word."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with certificates and a config, and opensslgen on the PATH."""
    folder = tmp_path_factory.mktemp("completion")
    (folder / "bin").mkdir()
    script = folder / "bin" / "opensslgen"
    script.write_text(f'#!/bin/sh\nPYTHONPATH={CHECKOUT} exec {sys.executable} -m opensslgen "$@"\n')
    script.chmod(0o755)
    (folder / "pki" / "issued").mkdir(parents=True)
    for name in ("pki/ca.crt", "pki/issued/pbx.example.com.crt", "pki/issued/phone.example.com.crt"):
        (folder / name).touch()
    (folder / "site.cnf").write_text("[ v3_req ]\n[v3_ca]\n[req]\n")
    return folder


def offered_by_bash(typed):
    script = opensslgen("completion", "bash").stdout
    words = ["opensslgen", *typed.split(" ")]
    quoted = " ".join(f"'{word}'" for word in words)
    ask = f"COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _opensslgen_completion opensslgen\n"
    return ["bash", "-c", f'{script}\n{ask}printf "%s\\n" "${{COMPREPLY[@]}}"']


def offered_by_fish(typed):
    return ["fish", "-c", f"{opensslgen('completion', 'fish').stdout}\ncomplete -C 'opensslgen {typed}'"]


def offered_by_zsh(typed):
    """zsh completes on a terminal only, so its functions are replaced by those that print what they are given."""
    words = " ".join(f"'{word}'" for word in ["opensslgen", *typed.split(" ")])
    script = opensslgen("completion", "zsh").stdout.replace("#compdef opensslgen", "")
    stand_ins = (
        "compdef() { : }\n"
        "_describe() { local -a offered; offered=(${(P)3}); print -l -- ${offered%%:*} }\n"
        "compadd() { print -l -- ${(P)@[-1]} }\n"
    )
    ask = f"words=({words}); CURRENT=$#words; _opensslgen_completion opensslgen\n"
    return ["zsh", "-f", "-c", f"{stand_ins}{script}\n{ask}"]


@pytest.mark.slow
@pytest.mark.parametrize(("typed", "offered"), CASES)
@pytest.mark.parametrize("shell", [offered_by_bash, offered_by_fish, offered_by_zsh], ids=["bash", "fish", "zsh"])
@needs("bash", "fish", "zsh")
def test_a_shell_offers(shell, typed, offered, folder):
    if shell is offered_by_fish and "," in typed:
        return  # click's script for fish splits the answer at commas
    environment = {**os.environ, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "HOME": str(folder)}
    done = subprocess.run(shell(typed), cwd=folder, env=environment, capture_output=True, text=True)
    assert {line.split("\t")[0] for line in done.stdout.split("\n") if line} == offered, done.stderr
