"""A kill at any point, and a disk that fails or fills: all or nothing, and the next command works."""

from __future__ import annotations

import os
import shutil
from datetime import date

import pytest

from .faults import COMMANDS, KILL, Case, sampled

SEED = int(os.environ.get("OPENSSLGEN_TEST_SEED") or date.today().toordinal())
"""Of the sample: others each day. A failure names it, so that it can be repeated."""

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="only Linux has strace: apt install strace")


@pytest.fixture
def case(request, tmp_path):
    case = Case(COMMANDS[request.param], tmp_path / "case")
    yield case
    case.close()


def faults(case, jobs):
    """Return what is wrong, by what was done."""
    found = {f"{fault} at {point}": case.wrong(point, fault) for point, fault in jobs}
    return {what: wrong for what, wrong in found.items() if wrong}


@pytest.mark.parametrize("case", COMMANDS, indirect=True)
def test_a_kill_leaves_all_or_nothing_and_the_next_command_works(case):
    """At a sample of all points; `python -m tests.faults` tries every one."""
    jobs = [job for job in case.jobs() if job[1] == KILL]
    assert (faults(case, sampled(jobs, 4, seed=SEED)), SEED) == ({}, SEED)


@pytest.mark.parametrize("case", COMMANDS, indirect=True)
def test_an_error_of_the_disk_is_told_in_one_line_and_leaves_all_or_nothing(case):
    jobs = [job for job in case.jobs() if job[1] != KILL]
    assert (faults(case, sampled(jobs, 4, seed=SEED)), SEED) == ({}, SEED)
