"""Each command in the README and the manual is run in order, and each link leads somewhere."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from opensslgen.cli.main import COMMANDS, cli

from .conftest import CHECKOUT
from .manual import FIRST, INSTALL, MANUAL, PAGES, README, SESSION, TESTS, blocks, links

VENDOR = "/opt/Avaya/scripts/gen_certs.sh"
STAND_IN = CHECKOUT / "tests" / "gen_certs" / "edited" / "post.sh"


def paste(commands, *, folder, path):
    """Run `commands` as somebody would who pastes them into one terminal in `folder`."""
    text = "\n".join(commands).replace(VENDOR, "gen_certs.sh")
    environment = {**os.environ, "PATH": path, "OPENSSLGEN_P12_PASSWORD": "for the test"}
    for name in ("PYTHONPATH", "VIRTUAL_ENV"):
        environment.pop(name, None)
    done = subprocess.run(
        ["bash", "-e"], input=text, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="session")
def after_the_readme(path_with_opensslgen, tmp_path_factory):
    """A folder in which the README's session has run."""
    folder = tmp_path_factory.mktemp("readme")
    paste([FIRST, *SESSION], folder=folder, path=path_with_opensslgen)
    return folder


WORDS = {page: page.read_text() for page in (README, *PAGES)}


def of_command(name):
    with click.Context(cli) as context:
        command = cli.get_command(context, name)
        if not isinstance(command, click.Group):
            return [name for param in command.params for name in param.opts]
        inner = [command.get_command(context, each) for each in command.list_commands(context)]
        return [name for each in inner for param in each.params for name in param.opts]


def like(text):
    """The lines of an answer, without its numbers and dates."""
    return [re.sub(r"[0-9]+", "N", line.rstrip()) for line in text.splitlines()]


def test_the_sample_in_the_readme_is_what_the_program_prints(path_with_opensslgen, tmp_path):
    (sample,) = (text for text in re.findall(r"(?:^ {4}.*\n)+", WORDS[README], re.MULTILINE) if "Made a" in text)
    printed = like(paste([FIRST], folder=tmp_path, path=path_with_opensslgen))
    shown = like(re.sub("^    ", "", sample, flags=re.MULTILINE))
    assert "\n".join(shown) in "\n".join(printed)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_page_mentions_the_command(command):
    assert any(re.search(rf"opensslgen {command}\b|`{command}\b", text) for text in WORDS.values())


@pytest.mark.parametrize("page", WORDS, ids=lambda page: page.stem)
def test_each_option_that_a_page_names_exists(page):
    every = {"--version", "--help", *(option for name in COMMANDS for option in of_command(name))}
    options = r"(?<![\w-])--[a-z][a-z0-9-]*"
    lines = WORDS[page].replace("\\\n", " ").splitlines()
    for line in lines:
        if re.search(r"\bpip\b|zipapp|`python -m|ansible-|openssl (?:enc|ocsp|verify)", line):
            continue
        assert set(re.findall(options, line)) <= every | FOREIGN, line
        for name, rest in re.findall(r"opensslgen ([a-z][a-z-]*)\b([^`|#&;]*)", line):
            if name in COMMANDS and name != "run":
                assert set(re.findall(options, rest)) <= {*of_command(name), "--help"}, line


FOREIGN = {"--check", "--diff", "--upgrade", "--now"}
"""Options of ansible-playbook, pip and systemctl."""


def test_the_readme_is_short():
    assert len(README.read_text().splitlines()) <= 150


def test_ci_runs_the_readmes_test_command():
    assert TESTS.strip() in (CHECKOUT / ".ci" / "run").read_text()


@pytest.mark.slow
def test_the_readme_works_as_pasted_in_a_fresh_checkout(tmp_path):
    subprocess.run(["git", "clone", "-q", CHECKOUT, "clone"], check=True)
    paste([INSTALL, *SESSION], folder="clone", path=os.environ["PATH"])
    assert Path("clone/pki/issued/pbx.example.com.crt").exists()
    assert Path("clone/trust/iphone.html").exists()


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_works_as_pasted_after_the_readme(page, after_the_readme, path_with_opensslgen, tmp_path):
    commands = [text for text in blocks(page, "sh") if "build.py" not in text]
    if not commands:
        return
    folder = shutil.copytree(after_the_readme, tmp_path / "folder")
    shutil.copy(STAND_IN, folder / "gen_certs.sh")
    paste(commands, folder=folder, path=path_with_opensslgen)


@pytest.mark.slow
def test_the_single_file_is_made_as_pasted(tmp_path):
    (command,) = (text for text in blocks(MANUAL / "install.md", "sh") if "build.py" in text)
    subprocess.run(["git", "clone", "-q", CHECKOUT, "clone"], check=True)
    paste([command], folder="clone", path=os.environ["PATH"])
    done = subprocess.run([sys.executable, "clone/dist/opensslgen.pyz", "--version"], capture_output=True, text=True)
    assert done.stdout.startswith("opensslgen, version ")


@pytest.mark.slow
def test_it_is_installed_from_a_folder_of_wheels_without_a_registry(tmp_path):
    collect, install = (text for text in blocks(MANUAL / "install.md", "text") if " wheels" in text)
    subprocess.run(["git", "clone", "-q", CHECKOUT, "clone"], check=True)
    paste([collect], folder="clone", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    Path("clone/wheels").rename("wheels")
    shutil.rmtree("clone")
    nowhere = {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": "http://127.0.0.1:9/", "HOME": str(tmp_path)}
    paste(
        [*(f"export {name}={value}" for name, value in nowhere.items()), install], folder=".", path=os.environ["PATH"]
    )
    made = [".venv/bin/opensslgen", "server", "pbx.example.com", "--new-ca"]
    done = subprocess.run(made, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    subprocess.run([".venv/bin/python", "-c", "import flask, opensslgen.web"], check=True)


def test_what_cron_and_systemd_are_given_patches_the_script(path_with_opensslgen, tmp_path):
    (crontab,) = blocks(MANUAL / "patch.md", "crontab")
    (unit,) = blocks(MANUAL / "patch.md", "ini")
    for command in (crontab.split("root ", 1)[1], unit.split("ExecStart=", 1)[1]):
        shutil.copy(STAND_IN, tmp_path / "gen_certs.sh")
        paste([command], folder=tmp_path, path=path_with_opensslgen)
        assert b"$((820)) # 820 days" in Path("gen_certs.sh").read_bytes()


@pytest.mark.parametrize("code", blocks(MANUAL / "python.md", "python"))
def test_the_library_works_as_shown(code):
    exec(compile(code, "python.md", "exec"), {})


@pytest.mark.parametrize("page", [README, MANUAL / "changelog.md", *PAGES, *CHECKOUT.glob(".github/*.md")], ids=str)
def test_each_link_leads_somewhere(page):
    for link in links(page):
        if not re.match(r"https?://", link):
            target, _, heading = link.partition("#")
            assert not heading, f"{page.name}: {link}: link to a page, not into it"
            assert (page.parent / target).exists(), f"{page.name}: {link}"


def test_the_readme_leads_to_each_page():
    assert {link for link in links(README) if "manual/" in link} >= {f"opensslgen/manual/{page.name}" for page in PAGES}
