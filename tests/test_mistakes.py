"""Each mistake in the table is answered as it says there, and changes nothing."""

from __future__ import annotations

import shlex

import pytest
from click.testing import CliRunner

from opensslgen.cli.main import COMMANDS, cli

from .mistakes import answer, contents, mistakes, prepare

MISTAKES = mistakes()


@pytest.fixture(scope="session")
def prepared(openssl, tmp_path_factory):
    folder = tmp_path_factory.mktemp("mistakes")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        prepare(folder, openssl)
    return folder, contents(folder)


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.typed)
def test_a_mistake_is_answered_and_changes_nothing(mistake, prepared, monkeypatch):
    folder, before = prepared
    monkeypatch.chdir(folder)
    exit_code, first = answer(mistake.typed)
    assert exit_code == mistake.exit_code, first
    beginning, cut, _ = mistake.answer.partition("…")
    assert first.startswith(beginning) if cut else first == mistake.answer
    assert contents(folder) == before


def test_every_command_has_mistakes_of_its_own():
    assert len(MISTAKES) >= 120
    assert {mistake.typed.split()[0] for mistake in MISTAKES} >= COMMANDS.keys()


def test_no_mistake_stands_there_twice():
    assert len({mistake.typed for mistake in MISTAKES}) == len(MISTAKES)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("server new.example.com --allow apple-validty", "did you mean apple-validity?"),
        ("server new.example.com --eku serverAut", "did you mean serverAuth?"),
        ("server new.example.com --eku CLIENTAUT", "did you mean clientAuth?"),
        ("server new.example.com --key-usage digitalSignatur", "did you mean digitalSignature?"),
        ("server new.example.com -days 365", "'--days'"),
        ("server new.example.com --not-after 2027-01-01", "'--days'"),
        ("server new.example.com --ip 10.0.0.7", "'--san'"),
        ("root -subj /CN=x", "'--cn'"),
        ("audit server.crt --CAfile ca.crt", "'--root'"),
        ("renew pbx.example.com --reuse-key", "'--keep-key'"),
        ("audit server.crt --profile aple", "did you mean apple?"),
        ("audit slip.cnf --section v3_rq", "did you mean v3_req?"),
        ("audit mail.example.com:25 --starttls smpt", "did you mean smtp?"),
        ("show pbx.exampl.com", "did you mean pbx.example.com?"),
        ("renew pbx.exampl.com", "did you mean pbx.example.com?"),
        ("revoke pbx.exampl.com --yes", "did you mean pbx.example.com?"),
        ("export pbx.exampl.com --as pem", "did you mean pbx.example.com?"),
        ("export pbx.example.com --for ngnix", "Did you mean nginx?"),
        ("export pbx.example.com --for avaya", "Did you mean ip-office?"),
        ("sign box.req --kind sever", "Did you mean server?"),
        ("completion bahs", "Did you mean bash?"),
        ("script systemd servce", "Did you mean service?"),
    ],
)
def test_the_answer_names_what_was_probably_meant(typed, meant, prepared, monkeypatch):
    monkeypatch.chdir(prepared[0])
    done = CliRunner().invoke(cli, shlex.split(typed), prog_name="opensslgen")
    assert done.exit_code != 0
    assert meant in done.output
