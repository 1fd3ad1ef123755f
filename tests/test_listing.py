"""`list` for other programs: spreadsheets, Prometheus, calendars, and terminals of any width."""

from __future__ import annotations

import csv
import io
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace

import icalendar
import pytest
from cryptography import x509

from opensslgen.pki.survey import Row
from opensslgen.report import browse, listing

from .conftest import opensslgen

NOW = datetime(2026, 11, 30, 12, tzinfo=timezone.utc)
HOSTILE = '=HYPERLINK("x"), a;b\\c\nBEGIN:VEVENT\r\n{serial="1"} \u202e ' + "ä" * 60


def row(name="pbx.example.com", *, days=100, serial="0A", state="valid"):
    """Return what the formats look at in a row of `list`."""
    entry = SimpleNamespace(title=name, revoked_at=None, reason=None, serial_hex=serial)
    expires = NOW + timedelta(days=days)
    copy = SimpleNamespace(certificate=None, fault=None)
    return Row(entry, copy, "server", state, expires, days)


@pytest.mark.parametrize("name", ["pbx.example.com", HOSTILE, "-1", "@x"])
def test_a_name_cannot_become_a_row_or_a_formula(name):
    text = "".join(listing.table_csv([row(name)]))
    head, line = csv.reader(io.StringIO(text, newline=""))
    assert dict(zip(head, line, strict=True))["expires"] == "2027-03-10T12:00:00Z"
    assert line[0][0] not in "=+-@"


@pytest.mark.parametrize("name", ["pbx.example.com", HOSTILE])
def test_the_calendar_is_read_by_a_library(name):
    text = "".join(listing.calendar([row(name), row("b", serial="0B")], at=NOW, soon=timedelta(days=30)))
    assert all(len(line.encode()) <= 75 for line in text.split("\r\n"))
    events = icalendar.Calendar.from_ical(text).walk("VEVENT")
    assert [event.decoded("DTSTART") for event in events] == [NOW + timedelta(days=100)] * 2
    assert events[0]["SUMMARY"] == f"Certificate expires: {browse.visible(name)}"
    assert [alarm.decoded("TRIGGER") for alarm in events[0].walk("VALARM")] == [timedelta(days=-30)]
    assert len({event["UID"] for event in events}) == 2


@pytest.mark.parametrize("name", ["pbx.example.com", HOSTILE])
def test_prometheus_gets_one_line_for_each_certificate(name):
    metrics = "".join(listing.prometheus([row(name)], crl_expires=NOW)).splitlines()
    values = [line for line in metrics if not line.startswith("#")]
    assert [line.rpartition(" ")[2] for line in values] == ["1804680000", "1796040000"]
    assert len(values) == 2


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_the_table_is_never_wider_than_the_terminal(width):
    rows = [row("a" * 300), row(HOSTILE, serial="F" * 40), row(days=-3, state="expired")]
    rows[0].copy.fault = "its copy cannot be read: " + "x" * 100
    text = "".join(browse.table(rows, serial_width=40, width=width, colour=False))
    assert max(map(len, text.splitlines())) <= width
    assert text.startswith("NAMES")
    assert "its copy cannot be read" in " ".join(text.split())


def test_in_a_pipe_nothing_is_cut():
    text = "".join(browse.table([row("a" * 300, serial="F" * 40)], serial_width=40, width=None, colour=False))
    assert "a" * 300 in text
    assert "F" * 40 in text


@pytest.mark.parametrize("form", ["table", "text", "json", "csv", "nagios", "prometheus", "ics"])
def test_each_format_is_offered(form, tmp_path):
    opensslgen("root", "--cn", "Office CA", "--key-type", "p-256", cwd=tmp_path)
    done = opensslgen("list", "--format", form, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    root = x509.load_pem_x509_certificate((tmp_path / "pki" / "ca.crt").read_bytes())
    assert f"{root.serial_number:X}" in done.stdout or form == "nagios"
