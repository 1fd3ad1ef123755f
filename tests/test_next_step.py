"""`opensslgen` alone, on a terminal, says what this folder needs next."""

from __future__ import annotations

import shlex
from datetime import datetime, timedelta, timezone

import pytest

from opensslgen.cli.guide import guide
from opensslgen.cli.main import COMMANDS
from opensslgen.jobs.next_step import next_step
from opensslgen.pki.folder import Folder
from opensslgen.pki.survey import survey_of

from .conftest import opensslgen

NOW = datetime.now(timezone.utc)
DAY = timedelta(days=1)


def typed(*arguments):
    done = opensslgen(*arguments, "--key-type", "p-256")
    assert done.returncode == 0, done.stderr


@pytest.fixture
def pki(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path / "pki"


def test_from_nothing_to_a_renewal(pki):
    assert next_step(None).arguments[0] == "root"
    typed("root", "--cn", "Office CA")
    step = next_step(survey_of(Folder(pki), at=NOW + DAY))
    assert step.arguments[0] == "server"
    typed("server", "pbx.example.com")
    assert next_step(survey_of(Folder(pki), at=NOW + DAY)).why.startswith("1 certificate is in use")
    assert next_step(survey_of(Folder(pki), at=NOW + 800 * DAY)).arguments == ("renew", "--within", "30")
    assert opensslgen("crl").returncode == 0
    assert next_step(survey_of(Folder(pki), at=NOW + 40 * DAY)).arguments == ("crl",)


def test_the_command_of_the_guide_works_as_pasted(pki):
    words = shlex.split(guide().partition("Next: ")[2].splitlines()[0])
    assert words[0] == "opensslgen"
    assert words[1] in COMMANDS
    typed(*words[1:])
    assert (pki / "ca.crt").exists()


def test_a_damaged_folder_is_named(pki):
    pki.mkdir()
    (pki / "ca.crt").write_text("nonsense")
    (pki / "index.txt").write_text("nonsense\n")
    assert "Next: opensslgen " in guide()


def test_the_guide_names_the_folder_that_it_looked_at(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENSSLGEN_PKI", str(tmp_path / "my pki"))
    words = shlex.split(guide().partition("Next: ")[2].splitlines()[0])
    monkeypatch.delenv("OPENSSLGEN_PKI")
    typed(*words[1:])
    assert (tmp_path / "my pki" / "ca.crt").exists()
