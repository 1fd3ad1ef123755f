"""A kill at any point, and a disk that fails or fills: all or nothing, and the next command works."""

from __future__ import annotations

import os
import re
from datetime import date

import pytest

from .faults import COMMANDS, KILL, Case, close, sampled
from .needs import needs

SEED = int(os.environ.get("OPENSSLGEN_TEST_SEED") or date.today().toordinal())
"""Of the sample: others each day. A failure names it, so that it can be repeated."""

pytestmark = [pytest.mark.slow, needs("strace", "tracing")]


@pytest.fixture(scope="module", autouse=True)
def programs():
    yield
    close()


@pytest.fixture(scope="module")
def case(request, programs, tmp_path_factory):
    return Case(COMMANDS[request.param], tmp_path_factory.mktemp("faults") / "case")


def faults(case, jobs):
    """Return what is wrong, by what was done."""
    found = {f"{fault} at {point}": case.wrong(point, fault) for point, fault in jobs}
    return {what: wrong for what, wrong in found.items() if wrong}


@pytest.mark.parametrize("case", COMMANDS, indirect=True)
def test_a_kill_leaves_all_or_nothing_and_the_next_command_works(case):
    """At a sample of all points; `python -m tests.faults` tries every one."""
    jobs = [job for job in case.jobs() if job[1] == KILL]
    assert (faults(case, sampled(jobs, 2, seed=SEED)), SEED) == ({}, SEED)


@pytest.mark.parametrize("case", COMMANDS, indirect=True)
def test_an_error_of_the_disk_is_told_in_one_line_and_leaves_all_or_nothing(case):
    jobs = [job for job in case.jobs() if job[1] != KILL]
    reads, writes = ([job for job in jobs if job[0].reads is reads] for reads in (True, False))
    chosen = sampled(reads, 1, seed=SEED) + sampled(writes, 2, seed=SEED)
    assert (faults(case, chosen), SEED) == ({}, SEED)


@needs("root", "mount")
@pytest.mark.parametrize("case", COMMANDS, indirect=True)
def test_a_read_only_folder_is_named_and_stays_as_it_is(case):
    assert case.read_only() == []


@pytest.mark.parametrize(
    "case",
    # A killed run has synced for the one that finishes its work, and batch has processes that do it.
    [name for name, command in COMMANDS.items() if not (command.script or command.killed or name == "batch")],
    indirect=True,
)
def test_what_gets_its_final_name_is_on_the_disk_before(case):
    """Files before their names, and the index before all that it lists: a power cut is a kill of everything."""
    synced = set()
    for line in case.trace:
        path = r'(?:[^"<>]*/)?pki/([^"<>]+)'
        if match := re.match(rf"fsync\(\d+<{path}>", line):
            synced.add(match[1])
        elif match := re.match(rf'rename\("{path}", "{path}"', line):
            source, target = map(os.path.normpath, match.groups())
            if not target.startswith(".lock"):
                assert source in synced, line
            if target.startswith(("issued/", "certs_by_serial/")):
                assert "index.txt" in synced, line
