"""The manual on a machine without a browser: `opensslgen help`, and man pages."""

from __future__ import annotations

import re
import subprocess

import click
import pytest

from opensslgen.cli.command import HEADINGS, InGroups
from opensslgen.cli.main import COMMANDS, cli
from opensslgen.cli.pages import as_man_page, as_terminal_text, topics
from opensslgen.plan.secrets import SECRETS
from opensslgen.rules.profiles import RULES
from opensslgen.x509.extensions import EXTENDED_KEY_USAGES, KEY_USAGES

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


def command(name):
    with click.Context(cli) as context:
        return cli.get_command(context, name)


def help_of(name):
    with click.Context(command(name), info_name=f"opensslgen {name}", terminal_width=80) as context:
        return command(name).get_help(context)


def options(name):
    params = command(name).params
    return [param for param in params if isinstance(param, click.Option) and not param.hidden]


LARGE = [name for name in COMMANDS if len(options(name)) > 12 or isinstance(command(name), InGroups)]


@pytest.mark.parametrize("name", LARGE)
def test_the_options_of_a_large_command_stand_below_headings(name):
    assert isinstance(command(name), InGroups)
    shown = help_of(name)
    assert "\nOptions:" not in shown
    for option in options(name):
        heading = command(name).heading(option)
        below = shown.partition(f"\n{heading}:\n")[2].partition("\n\n")[0]
        assert re.search(rf"^  (-\w, )?{option.opts[-1]}\b", below, re.MULTILINE), option.opts


def test_each_option_below_a_heading_exists():
    known = {"--help", *(name for each in LARGE for option in options(each) for name in option.opts)}
    assert {name for names in HEADINGS.values() for name in names} <= known


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "script"])
def test_help_fits_a_terminal_of_80_columns(name):
    examples = command(name).help.partition("\b\n")[2]
    for line in help_of(name).splitlines():
        assert len(line) <= 80 or line.strip() in examples or " --for " in examples, line


def test_help_names_the_values_that_an_option_takes():
    shown = " ".join(help_of("server").split())
    assert {*EXTENDED_KEY_USAGES.values(), *KEY_USAGES} <= set(re.findall(r"\w+", shown))
    rules = shown.partition("--allow RULE")[2].partition("lists all")[0].partition("such as")[2]
    assert {word for word in re.findall(r"[a-z-]+", rules.partition(";")[0].replace("- ", "-")) if word != "or"} <= set(
        RULES
    )


@pytest.mark.parametrize("variable", ["OPENSSLGEN_PKI", "OPENSSLGEN_OPENSSL", "OPENSSLGEN_CRL_URL", *SECRETS])
def test_help_names_each_environment_variable(variable):
    assert any(variable in help_of(name) for name in COMMANDS)


@pytest.mark.parametrize(
    ("typed", "same"),
    [
        ("sign x.req --as client", "sign x.req --kind client"),
        ("trust --share --for 0", "trust --share --duration 0"),
        ("audit x.p12 --password-file nowhere", "audit x.p12 --p12-password-file nowhere"),
        ("server a.example --subject-alt-name DNS:", "server a.example --san DNS:"),
        ("server a.example --common-name=", "server a.example --cn="),
        ("root --organization= --days 0", "root --org= --days 0"),
    ],
)
def test_an_old_or_foreign_name_of_an_option_works_and_is_not_shown(typed, same):
    ours, theirs = opensslgen(*same.split()), opensslgen(*typed.split())
    assert (theirs.returncode, theirs.stdout, theirs.stderr) == (ours.returncode, ours.stdout, ours.stderr)
    name = next(word for word in typed.split() if word.startswith("--") and word not in same.split())
    assert name.partition("=")[0] not in help_of(typed.split()[0]).replace("--p12-password-file", "").split()


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


def test_man_pages_need_a_directory():
    done = opensslgen("help", "--man", "/dev/null")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: cannot write to /dev/null: ")
    assert len(done.stderr.splitlines()) == 1


def test_the_help_names_each_rule_that_an_order_can_break(tmp_path):
    done = opensslgen("server", "--help")
    about = " ".join(done.stdout.split("--allow RULE")[1].split("CA:")[0].split())
    named = about.split("each RULE: ")[1].rstrip(".").split(", ")
    assert {"apple-eku", "apple-key-size", "apple-validity", "clock", "name-constraints", "root-cn"} <= {*named}
    assert {*named} <= {*RULES}


def test_man_pages_have_no_fault(tmp_path):
    opensslgen("help", "--man", tmp_path)
    for path in tmp_path.iterdir():
        done = subprocess.run(
            ["groff", "-man", "-ww", "-Tutf8", "-K", "utf8", "-z", path], capture_output=True, text=True, check=True
        )
        assert done.stderr == "", path.name


def test_a_line_that_begins_with_a_dot_stays_text():
    assert "\n\\&.include" in as_man_page("# T\n\n```\n.include x\n```\n", name="t", section=7, version="0")
