"""Whole tasks, as scripts that anyone can read: each file in `tasks/` runs from its first line to its last."""

from __future__ import annotations

import os
import subprocess

import pytest

from . import needs
from .conftest import CHECKOUT

TASKS = sorted((CHECKOUT / "tests" / "tasks").glob("*.sh"))


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.stem)
def test_a_task_runs_whole(task, path_with_opensslgen, tmp_path):
    if "faketime" in task.read_text():
        needs.need("faketime")
    environment = {**os.environ, "PATH": path_with_opensslgen}
    done = subprocess.run(
        ["sh", "-x", task], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
