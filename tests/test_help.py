"""The manual on a machine without a browser: `opensslgen help`, and man pages."""

from __future__ import annotations

import re
import subprocess

import pytest

from opensslgen.cli.main import COMMANDS
from opensslgen.cli.pages import as_man_page, as_terminal_text, topics

from .conftest import opensslgen
from .manual import PAGES, blocks


def test_the_pages_are_listed():
    listed = opensslgen("help").stdout
    for page in PAGES:
        assert f"  {page.stem} " in listed


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_is_plain_text(page):
    code = "".join(text for language in ("sh", "text", "yaml", "python") for text in blocks(page, language))
    for line in as_terminal_text(page.read_text(), width=80).splitlines():
        assert len(line) <= 80 or line.startswith("    ") or " " not in line, line
        if line.strip() not in code:
            assert not any(mark in line for mark in ("**", "](", "```", "|--")), line


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_nothing_that_is_written_on_a_page_is_lost(page):
    shown = as_terminal_text(page.read_text(), width=80).casefold()
    without_headings = re.sub(r"^\|.*(?=\n\|-)", "", page.read_text(), flags=re.MULTILINE)
    for word in without_headings.replace("|", " ").split():
        plain = word.strip("`*()[]!,.;:#|-")
        assert not plain.isalnum() or word.startswith("```") or plain.casefold() in shown, plain


def test_help_of_a_command_is_the_commands_own():
    assert opensslgen("help", "server").stdout == opensslgen("server", "--help").stdout


@pytest.mark.parametrize(("typed", "hint"), [("phone", "phones"), ("serve", "server"), ("xyzzy", "help lists")])
def test_a_slip_is_answered_with_what_was_meant(typed, hint):
    done = opensslgen("help", typed)
    assert done.returncode == 2
    assert hint in done.stderr


def test_there_is_a_man_page_for_each_command_and_topic(tmp_path):
    assert opensslgen("help", "--man", tmp_path).returncode == 0
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {
        "opensslgen.1",
        *(f"opensslgen-{name}.1" for name in COMMANDS),
        *(f"opensslgen-{name}.7" for name in topics()),
    }


def test_man_pages_have_no_fault(tmp_path):
    opensslgen("help", "--man", tmp_path)
    for path in tmp_path.iterdir():
        done = subprocess.run(
            ["groff", "-man", "-ww", "-Tutf8", "-K", "utf8", "-z", path], capture_output=True, text=True, check=True
        )
        assert done.stderr == "", path.name


def test_a_line_that_begins_with_a_dot_stays_text():
    assert "\n\\&.include" in as_man_page("# T\n\n```\n.include x\n```\n", name="t", section=7, version="0")
