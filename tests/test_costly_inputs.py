"""No file costs more than its budget, and nothing that reads or judges files takes steps that grow faster than them."""

from __future__ import annotations

import functools
import json
import sys
from datetime import datetime, timezone
from pathlib import Path

import pytest

from opensslgen import budget
from opensslgen.audit.chosen import chosen_rules
from opensslgen.audit.result import Settings
from opensslgen.audit.targets import audit, audit_content
from opensslgen.openssl.command import find
from opensslgen.pki.folder import Folder
from opensslgen.pki.index import Entry

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


# Folders


class Clock:
    """Seconds of CPU that only pass when somebody looks: steps are counted, not time."""

    def __init__(self):
        self.now = 0.0

    def thread_time(self):
        self.now += 0.01
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(budget, "time", clock)
    return clock


def cost_of_folder(folder, clock, settings):
    begun = clock.now
    results = list(audit([str(folder)], settings))
    return clock.now - begun, {Path(result.target).name: result.unreadable for result in results}


def test_costly_files_cost_a_folder_less_than_they_do_alone_and_the_honest_ones_are_judged(tmp_path, clock, settings):
    """A costly file needs seven of the ten seconds, so alone it is judged."""
    for number in range(20):
        (tmp_path / f"costly-{number:02}.pem").write_bytes(KINDS["leaves"].write(120))
    (tmp_path / "honest.pem").write_bytes(KINDS["leaves"].write(1))
    spent, found = cost_of_folder(tmp_path / "costly-00.pem", clock, settings)
    assert (found, 3 < spent < 10) == ({"costly-00.pem": None}, True), spent
    spent, found = cost_of_folder(tmp_path, clock, settings)
    assert spent < 10 + 21 * 0.5 + 5, spent
    assert found["costly-00.pem"] is None
    assert found["honest.pem"] is None
    assert "share; audit it alone" in found["costly-19.pem"]


def test_many_honest_files_are_judged_in_whatever_time_they_take_together(tmp_path, clock, settings):
    for number in range(100):
        (tmp_path / f"{number:02}.pem").write_bytes(KINDS["leaves"].write(3))
    spent, found = cost_of_folder(tmp_path, clock, settings)
    assert spent > 10
    assert set(found.values()) == {None}


def pki_folder(path, *, copies, of):
    (path / "certs_by_serial").mkdir(parents=True)
    (path / "ca.crt").write_bytes(KINDS["leaves"].write(1))
    (path / "index.txt").write_text("")
    for number in range(copies):
        (path / f"certs_by_serial/{number:02X}.pem").write_bytes(of)
    return path


def test_a_pki_folder_is_compared_within_the_same_bounds(tmp_path, clock, settings):
    text = b"-----BEGIN X-----\nAAAA\n-----END X-----\n" * 400
    folder = pki_folder(tmp_path / "pki", copies=60, of=text + KINDS["leaves"].write(1))
    spent, found = cost_of_folder(folder, clock, settings)
    assert spent < 2 * (10 + 62 * 0.5) + 5, spent
    assert "and nothing is left of the 10 s" in found["pki"]
    # The same files read for a list or the form.
    reader, begun = Folder(folder), clock.now
    entries = [Entry("V", AT, None, None, f"{number:02X}", "unknown", "/CN=x", 1) for number in range(60)]
    copies = [reader.copy(entry) for entry in entries]
    assert clock.now - begun < 10 + 60 * 0.5 + 5
    assert "and nothing is left of the 10 s" in copies[-1].fault


def test_a_certificate_of_megabytes_is_not_read_for_a_list_or_the_form(tmp_path):
    folder = pki_folder(tmp_path / "pki", copies=2, of=KINDS["leaves"].write(1) + b"\n" * (2 << 20))
    copy = Folder(folder).copy(Entry("V", AT, None, None, "01", "unknown", "/CN=x", 1))
    assert "larger than 2 MiB" in copy.fault


def test_a_pki_folder_with_too_many_findings_cannot_be_told(tmp_path, monkeypatch, settings):
    monkeypatch.setattr("opensslgen.audit.folder.MOST_FINDINGS", 3)
    folder = pki_folder(tmp_path / "pki", copies=5, of=KINDS["leaves"].write(1))
    [whole] = (result for result in audit([str(folder)], settings) if result.kind == "folder")
    assert (len(whole.findings), whole.unreadable) == (3, "more than 3 findings")


@pytest.mark.parametrize("index", [b"x" * (1 << 21) + b"\n", b"V\t" * (1 << 20)])
def test_an_index_without_ends_of_lines_is_not_read_into_memory(tmp_path, index, settings):
    folder = pki_folder(tmp_path / "pki", copies=0, of=b"")
    (folder / "index.txt").write_bytes(index)
    found = {result.kind: result.unreadable for result in audit([str(folder)], settings)}
    assert "line 1: longer than 1048576 characters" in found["index"]
    assert "it was not checked as a whole" in found["folder"]
