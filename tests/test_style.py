"""The code's form is tested like its behaviour: ruff, mypy strict, and imports that point down."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tokenize
from pathlib import Path

import pytest

from .conftest import CHECKOUT

PACKAGE = CHECKOUT / "opensslgen"


@pytest.mark.slow
@pytest.mark.parametrize("command", [("ruff", "check"), ("ruff", "format", "--check"), ("mypy",)])
def test_linters_have_nothing_to_say(command):
    done = subprocess.run(
        [sys.executable, "-m", *command, *((".",) if "ruff" in command else ())],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_imports_point_only_down():
    """The contract is in pyproject.toml, section tool.importlinter."""
    done = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"],
        cwd=CHECKOUT,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("package", sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py")))
def test_each_package_says_what_it_is_for_and_holds_no_code_of_its_own(package):
    tree = ast.parse((PACKAGE / package / "__init__.py").read_text())
    assert "Imports" in (ast.get_docstring(tree) or "")
    assert len(tree.body) == 1


def test_nothing_stands_at_the_top_but_what_belongs_there():
    tracked = subprocess.run(["git", "ls-files"], cwd=CHECKOUT, capture_output=True, text=True).stdout.splitlines()
    top = {path.split("/")[0] for path in tracked if not path.startswith(".")}
    assert top <= {"LICENSE", "README.md", "opensslgen", "pyproject.toml", "templates", "tests"}


def test_options_reach_the_commands_as_typed_values():
    """`Any` would blind mypy; a value from click is an `object` until a class of options has it."""
    found = [
        f"{path.name}:{node.lineno}"
        for path in sorted((PACKAGE / "cli").glob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if (isinstance(node, ast.Name) and node.id == "Any")
        or (isinstance(node, ast.Attribute) and node.attr == "Any")
        or (isinstance(node, ast.alias) and node.name == "Any")
    ]
    assert found == []


def test_no_test_module_imports_from_another():
    """What two of them want stands in a module that is named after it."""
    wrong = []
    for path in sorted((CHECKOUT / "tests").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                names = [*(node.module or "").split("."), *(alias.name for alias in node.names)]
            elif isinstance(node, ast.Import):
                names = [name for alias in node.names for name in alias.name.split(".")]
            else:
                continue
            wrong += [
                f"{path.name} imports {name}"
                for name in names
                if re.match("test_[a-z_]+$", name) and (CHECKOUT / "tests" / f"{name}.py").exists()
            ]
    assert wrong == []


BANNED = re.compile(
    r"those of others|whose own|\banew\b|, too\b(?=[.;:)\"']| \(|$)|makes it all the same|taking back"
    r"|(?<!be )\btold\b|\bof old\b"
    r"|such as it is|\bfor good\b|\bwho (?:checks|looks)\b|\bis none (?:of|in)\b"
    r"|\bis no (?:URL|URI|IP|network|number)\b",
    re.MULTILINE,
)
"""Phrases that opensslgen/report/README.md rules out, as far as a pattern can find them without doubt."""


def words_of(path):
    """Return the strings, docstrings and comments of a module, or the whole of a shell script, with their lines."""
    if path.suffix != ".py":
        return list(enumerate(path.read_text().splitlines(), 1))
    with path.open("rb") as file:
        tokens = [token for token in tokenize.tokenize(file.readline) if token.type in WORDY]
    return [(token.start[0], token.string) for token in tokens]


WORDY = {tokenize.STRING, tokenize.COMMENT, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}


@pytest.mark.parametrize(
    "place",
    [*sorted({path.name for path in PACKAGE.iterdir() if path.suffix in ("", ".py")}), "templates"],
)
def test_words_are_plain_english(place):
    folder = CHECKOUT / "templates" if place == "templates" else PACKAGE / place
    kinds = (".py", ".sh", ".html", *([".md"] if place == "manual" else []))
    inside = [path for path in sorted(folder.rglob("*")) if path.suffix in kinds and path.name != "changelog.md"]
    paths = [folder] if folder.is_file() else inside
    found = [
        f"{path.name}:{line}: {match[0]}"
        for path in paths
        for line, text in words_of(path)
        for match in BANNED.finditer(text)
    ]
    assert found == []
