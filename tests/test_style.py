"""The code's form is tested like its behaviour: ruff, mypy strict, and the walls of the house."""

from __future__ import annotations

import ast
import re
import subprocess
import sys

import pytest

from .conftest import CHECKOUT

PACKAGE = CHECKOUT / "opensslgen"

# From the top of the house to its foundation; imports point only down this list. A package is one room.
HOUSE = [
    "__main__",
    "cli",
    "web",
    "ansible",
    "collection",
    "fleet",
    "library",
    "report",
    "material",
    "audit",
    "doctor",
    "hook",
    "trust",
    "batch",
    "inventory",
    "authority",
    "gencerts_script",
    "gencerts",
    "gencerts_reader",
    "shellscript",
    "schedule",
    "replace",
    "jobs",
    "lookup",
    "folder",
    "profiles",
    "rules",
    "recipes",
    "csr",
    "orders",
    "destination",
    "store",
    "decision",
    "locks",
    "workflow",
    "readback",
    "database",
    "openssl",
    "process",
    "printed",
    "index",
    "crl",
    "section",
    "certificate",
    "pem",
    "extensions",
    "extension_checks",
    "algorithms",
    "distinguished",
    "der",
    "plan",
    "template",
    "subject",
    "constraints",
    "names",
    "keys",
    "kinds",
    "workers",
    "disk",
    "errors",
]


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


def imported(path):
    """Return the rooms that a file imports from, by their names below the package."""
    place = path.relative_to(PACKAGE).with_suffix("").parts
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.ImportFrom):
            continue
        module = node.module.split(".") if node.module else []
        if node.level:
            module = [*place[: len(place) - node.level], *module]
        elif module[0] == "opensslgen":
            module = module[1:]
        else:
            continue
        yield from module[:1] or [alias.name for alias in node.names]


def test_imports_point_only_down():
    wrong = []
    for path in sorted(PACKAGE.rglob("*.py")):
        room = path.relative_to(PACKAGE).with_suffix("").parts[0]
        if room == "__init__":
            continue  # it hands out what it is asked for
        assert room in HOUSE, f"{room} has no place in the house"
        wrong += [
            f"{room} imports {other}"
            for other in imported(path)
            if other in HOUSE and other != room and HOUSE.index(other) <= HOUSE.index(room)
        ]
    assert wrong == []


def test_nothing_stands_at_the_top_but_what_belongs_there():
    tracked = subprocess.run(["git", "ls-files"], cwd=CHECKOUT, capture_output=True, text=True).stdout.splitlines()
    top = {path.split("/")[0] for path in tracked if not path.startswith(".")}
    assert top <= {"LICENSE", "README.md", "opensslgen", "pyproject.toml", "templates", "tests"}


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
