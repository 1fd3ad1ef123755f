"""Each mistake in the table is answered as it says there, and changes nothing."""

from __future__ import annotations

import pytest

from opensslgen.cli.main import COMMANDS

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
