"""The code's form is tested like its behaviour: ruff, mypy strict, and the walls of the house."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

from .conftest import CHECKOUT

# From the top of the house to its foundation; imports point only down this list.
HOUSE = (
    "__main__", "cli", "doctor", "library", "report", "authority", "profiles", "rules", "recipes", "orders", "store",
    "workflow", "openssl", "printed", "certificate", "der", "plan", "template", "subject", "names", "keys", "errors",
)  # fmt: skip


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
    wrong = []
    for path in sorted((CHECKOUT / "opensslgen").glob("*.py")):
        module = path.stem
        if module not in HOUSE:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.level == 1:
                for name in [node.module.split(".")[0]] if node.module else [alias.name for alias in node.names]:
                    if name in HOUSE and HOUSE.index(name) <= HOUSE.index(module):
                        wrong.append(f"{module} imports {name}")
    assert wrong == []


def test_nothing_stands_at_the_top_but_what_belongs_there():
    tracked = subprocess.run(["git", "ls-files"], cwd=CHECKOUT, capture_output=True, text=True).stdout.splitlines()
    top = {path.split("/")[0] for path in tracked if not path.startswith(".")}
    assert top <= {"LICENSE", "README.md", "opensslgen", "pyproject.toml", "templates", "tests"}
