"""No file costs more than its budget, and nothing that reads or judges files takes steps that grow faster than them."""

from __future__ import annotations

import functools
import json
import sys
from datetime import datetime, timezone

import pytest

from opensslgen import budget
from opensslgen.audit.chosen import chosen_rules
from opensslgen.audit.result import Settings
from opensslgen.audit.targets import audit_content
from opensslgen.openssl.command import find

from .conftest import opensslgen
from .costly_inputs import KINDS
from .daily import daily

AT = datetime(2026, 2, 1, tzinfo=timezone.utc)
FORMATS = ("text", "json", "sarif", "nagios")


@pytest.fixture(scope="module")
def settings():
    chosen = chosen_rules(())
    return Settings(rules=chosen.rules, rules_by_kind=chosen.by_kind, at=AT, openssl=functools.cache(find))


def steps(data, settings):
    """Count the calls of functions, Python's own included, that an audit of the data makes."""
    count = 0

    def counter(*_):
        nonlocal count
        count += 1

    sys.setprofile(counter)
    try:
        results = audit_content(data, "pasted", settings)
    finally:
        sys.setprofile(None)
    assert results
    return count


MANY_STEPS = {"calls_with_long_values", "issuers_of_one_name", "loops", "names_of_many_sections"}


@pytest.mark.parametrize("name", daily(KINDS, *(KINDS.keys() - MANY_STEPS)))
def test_twice_the_size_takes_about_twice_the_steps(name, settings):
    kind = KINDS[name]
    steps(kind.write(4 * kind.small), settings)  # what is imported or cached for all is not counted
    one, two, four = (steps(kind.write(size * kind.small), settings) for size in (1, 2, 4))
    assert four - two <= 2.5 * max(two - one, 0) + 0.1 * two + 500, (one, two, four)


@pytest.fixture(scope="module")
def costly(tmp_path_factory):
    """A folder with a costly file and a good one; to sign that many leaves takes a second."""
    folder = tmp_path_factory.mktemp("costly")
    (folder / "costly.pem").write_bytes(KINDS["leaves"].write(9000))
    (folder / "good.pem").write_bytes(KINDS["leaves"].write(1))
    return folder


@pytest.mark.parametrize("form", daily(FORMATS, "text", "json"))
def test_a_file_that_takes_too_long_cannot_be_read_and_the_others_are_judged(costly, form):
    words = ("costly.pem", "good.pem", "--time-limit", "0.2", "--format", form, "--at", "2026-02-01")
    done = opensslgen("audit", *words, cwd=costly)
    assert done.returncode == (3 if form == "nagios" else 2), done.stdout + done.stderr
    assert "more than 0.2 s of CPU" in done.stdout
    if form == "json":
        costly, good = json.loads(done.stdout)["results"]
        assert (costly["verdict"], good["verdict"]) == ("unreadable", "complies")
    if form == "text":
        assert "costly.pem: cannot be read\n  more than 0.2 s of CPU" in done.stdout


def test_openssl_is_ended_when_the_time_of_its_target_is_used_up(tmp_path):
    slow = tmp_path / "openssl"
    slow.write_text(f'#!/bin/sh\n[ "$1" = version ] || while :; do :; done\nexec {find().path} "$@"\n')
    slow.chmod(0o755)
    (tmp_path / "good.pem").write_bytes(KINDS["same_certificates"].write(1))
    done = opensslgen("audit", "good.pem", "--time-limit", "0.5", "--openssl", slow, "--at", "2026-02-01")
    assert (done.returncode, "\n  more than 0.5 s of CPU\n" in done.stdout) == (2, True), done.stdout


@pytest.mark.parametrize(
    ("kind", "size", "why"),
    [
        pytest.param("same_certificates", 10_001, "more than 10000 certificates", marks=pytest.mark.slow),
        ("malformed_names", 2000, "more than 1000 findings"),
        ("policies_of_one_section", 5000, "more than 10000 values"),
    ],
)
def test_more_than_a_limit_cannot_be_read(kind, size, why, settings):
    assert why in [result.unreadable for result in audit_content(KINDS[kind].write(size), "pasted", settings)]


def test_a_verdict_that_is_too_long_to_print_cannot_be_read(tmp_path, monkeypatch):
    (tmp_path / "long.pem").write_bytes(KINDS["addresses"].write(70_000))
    done = opensslgen("audit", "long.pem", "--json", "--at", "2026-02-01")
    assert len(done.stdout) < budget.MOST_PRINTED


def test_more_memory_than_allowed_cannot_be_read(monkeypatch, settings):
    used = iter(range(0, 1 << 20, 100))
    monkeypatch.setattr(budget, "_memory_used", lambda: next(used))
    monkeypatch.setattr(budget, "_MEMORY_EVERY", 1)
    [result] = audit_content(KINDS["leaves"].write(50), "pasted", settings)
    assert result.unreadable == "more than 256 MiB of memory"


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_a_file_near_the_limits_is_judged_in_time(name, settings):
    kind = KINDS[name]
    meter = budget.Budget(1000)
    with meter.running():
        assert audit_content(kind.write(kind.large), "pasted", settings)
    assert meter.left > 1000 - budget.MOST_SECONDS


def test_visitors_of_the_form_wait_for_their_turn(monkeypatch, tmp_path):
    """Two check at once; another one is told to come back."""
    pytest.importorskip("flask")
    from opensslgen.web import auditing

    monkeypatch.setattr(auditing, "_LONGEST_WAIT", 0.01)
    taken = [auditing._turns.acquire(blocking=False) for _ in range(2)]
    try:
        from opensslgen.web.app import create_app
        from opensslgen.web.config import Config

        app = create_app(Config(pki=tmp_path, openssl=find, hosts=frozenset({"localhost"}), token="t"))
        client = app.test_client()
        assert client.get("/enter?token=t").status_code == 200
        page = client.get("/audit").get_data(as_text=True)
        csrf = page.partition('name="csrf" value="')[2].partition('"')[0]
        done = client.post("/audit", data={"csrf": csrf, "text": "x"})
        assert (done.status_code, "others are checking files" in done.get_data(as_text=True)) == (503, True)
    finally:
        for _ in filter(None, taken):
            auditing._turns.release()
    assert client.post("/audit", data={"csrf": csrf, "text": "x"}).status_code == 200
