from __future__ import annotations

import os
import subprocess
from datetime import datetime, timezone

import pytest

from opensslgen.errors import UnreadableError
from opensslgen.pki import index
from opensslgen.x509.crl import dates, decode_dates
from opensslgen.x509.der import DecodeError

from .conftest import make_server

GOOD = "V\t290226033848Z\t\t19A05A92\tunknown\t/CN=srv\n"


def utc(*parts):
    return datetime(*parts, tzinfo=timezone.utc)


@pytest.fixture
def read(tmp_path):
    def read_text(text):
        path = tmp_path / "index.txt"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return list(index.read(path))

    return read_text


def test_the_lines_become_entries(read):
    lines = (
        GOOD
        + "R\t290101000000Z\t240101000000Z,keyCompromise\t01\tunknown\t/O=Acme/CN=a\n"
        + "R\t290101000000Z\t240101000000Z\t02\tunknown\t/CN=b\n"
        + "E\t991231235959Z\t\t-03\tcert.pem\t\n"
        + "V\t20510630120000Z\t\tab\tunknown\t/CN=far away\n"
        + "R\t290101000000Z\t20500101000000Z,holdInstruction,holdInstructionNone\t04\tunknown\t/CN=c\n"
    )
    assert read(lines) == [
        index.Entry("V", utc(2029, 2, 26, 3, 38, 48), None, None, "19A05A92", "unknown", "/CN=srv", 1),
        index.Entry("R", utc(2029, 1, 1), utc(2024, 1, 1), "keyCompromise", "01", "unknown", "/O=Acme/CN=a", 2),
        index.Entry("R", utc(2029, 1, 1), utc(2024, 1, 1), None, "02", "unknown", "/CN=b", 3),
        index.Entry("E", utc(1999, 12, 31, 23, 59, 59), None, None, "-03", "cert.pem", "", 4),
        index.Entry("V", utc(2051, 6, 30, 12), None, None, "ab", "unknown", "/CN=far away", 5),
        index.Entry(
            "R", utc(2029, 1, 1), utc(2050, 1, 1), "holdInstruction,holdInstructionNone", "04", "unknown", "/CN=c", 6
        ),
    ]


def test_the_year_of_a_utctime_turns_at_fifty(read):
    years = [entry.not_after.year for entry in read(GOOD.replace("29", "49", 1) + GOOD.replace("29", "50", 1))]
    assert years == [2049, 1950]


def test_a_line_end_of_windows_is_none_of_the_subject(read):
    assert read(GOOD.replace("\n", "\r\n")) == read(GOOD)
    # One in the middle of a line ends no line.
    assert [entry.subject for entry in read(GOOD.replace("srv", "s\rv"))] == ["/CN=s\rv"]


def test_a_comment_is_skipped_and_counted_as_openssl_does(read):
    assert [entry.line for entry in read(f"# made by hand\n{GOOD}")] == [2]


def test_a_tab_in_a_field_has_a_backslash(read):
    assert [entry.subject for entry in read(GOOD.replace("srv", "a\\\tb"))] == ["/CN=a\tb"]


def test_the_title_is_for_people(read):
    (entry,) = read(GOOD.replace("srv", r"Z\xC3\xBCrich\x1B[31m \xE2\x80\xAE \xFF"))
    assert entry.subject.startswith(r"/CN=Z\xC3\xBCrich")
    assert entry.title == r"/CN=Zürich\x1B[31m \u{202E} \xFF".replace(r"\x1B", r"\u{1B}")
    (entry,) = read(GOOD.encode().replace(b"srv", b"s\xffv\x1b"))
    assert entry.title == r"/CN=s\u{DCFF}v\u{1B}"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("\n", "1 field; expected six tab-separated fields"),
        (GOOD.replace("\tunknown", ""), "5 fields; expected six"),
        (GOOD.replace("/CN", "/C\tN"), "7 fields; expected six"),
        (GOOD.replace("V", "X", 1), "the state is 'X'; expected V (valid), R (revoked) or E (expired)"),
        (GOOD.replace("V", "v", 1), "the state is 'v'"),
        (GOOD.replace("V", "\ufeffV", 1), r"the state is '\u{FEFF}V'"),
        (GOOD.replace("19A05A92", "19A"), "the serial number is '19A'; expected an even number of hex digits"),
        (GOOD.replace("19A05A92", "../../etc"), "the serial number is '../../etc'"),
        (GOOD.replace("19A05A92", ""), "the serial number is ''"),
        (GOOD.replace("19A05A92", "F" * 31 + "\x1b" * 99), "the serial number is 'FFF"),
        (GOOD.replace("2902", "2913"), "the time of the end is '291326033848Z'; expected one such as 290131235959Z"),
        (GOOD.replace("Z", ""), "the time of the end"),
        (GOOD.replace("Z", "+0100"), "the time of the end"),
        (GOOD.replace("290226033848Z", "29022603384٨Z"), "the time of the end"),
        (GOOD.replace("290226033848Z", "0" * 14 + "Z"), "the time of the end"),
        (GOOD.replace("V", "R", 1), "the time of the revocation is ''"),
        (GOOD.replace("\t\t", "\t240101000000Z\t"), "the state is V, and the revocation '240101000000Z'"),
    ],
)
def test_a_line_that_does_not_parse_is_named(line, expected, read, tmp_path):
    with pytest.raises(UnreadableError) as raised:
        read(GOOD + GOOD + line + GOOD)
    assert raised.value.message.startswith(f"{tmp_path}/index.txt, line 3: ")
    assert expected in raised.value.message
    assert raised.value.message.isprintable()
    assert len(raised.value.message) < 250 + len(str(tmp_path))


def test_what_comes_before_a_bad_line_is_there(tmp_path):
    (tmp_path / "index.txt").write_text(GOOD + "nonsense\n")
    entries = index.read(tmp_path / "index.txt")
    assert next(entries).line == 1
    with pytest.raises(UnreadableError):
        next(entries)


@pytest.mark.parametrize("torn", ["V\t2902", GOOD.rstrip("\n"), "#", GOOD.rstrip("\n") + "\r"])
def test_a_torn_last_line_does_not_count_and_is_said(torn, tmp_path):
    path = tmp_path / "index.txt"
    path.write_text(GOOD + torn, newline="")
    said = []
    assert [entry.line for entry in index.read(path, on_torn=said.append)] == [1]
    assert said == [f"{path}, line 2, is cut off, and was ignored"]
    assert len(list(index.read(path))) == 1


def test_no_index_and_no_file_are_named(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name, why in (("nothing", "no such file or directory"), ("pipe", "not a regular file"), (".", "not a regular")):
        with pytest.raises(UnreadableError, match=why):
            list(index.read(tmp_path / name))
    (tmp_path / "index.txt").touch()
    assert list(index.read(tmp_path / "index.txt")) == []


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda text: text, "Valid (V)"),
        (lambda text: f"# comment\n{text}", "Valid (V)"),
        (lambda text: text.replace("\n", "\r\n"), "Valid (V)"),
        (lambda text: text.rstrip("\n"), "not present in db"),
        (lambda text: text + "\n", "Problem with index file"),
        (lambda text: text.replace("\tunknown", ""), "Problem with index file"),
    ],
)
def test_openssl_reads_the_same_lines(change, found, tmp_path):
    """The second witness: what it finds we find, and what it refuses we refuse."""
    path = tmp_path / "index.txt"
    path.write_bytes(change(GOOD).encode())
    (tmp_path / "serial").write_text("01\n")
    (tmp_path / "ca.cnf").write_text(f"[ca]\ndefault_ca=d\n[d]\ndatabase={path}\nserial={tmp_path}/serial\n")
    done = subprocess.run(
        ["openssl", "ca", "-config", tmp_path / "ca.cnf", "-status", "19A05A92"], capture_output=True, text=True
    )
    assert found in done.stdout + done.stderr
    try:
        ours = [entry.serial_hex for entry in index.read(path)]
    except UnreadableError:
        ours = None
    assert ours == {"Valid (V)": ["19A05A92"], "not present in db": []}.get(found)


def test_what_the_store_writes_is_read(authority):
    for name in ("a.example.com", "b.example.com"):
        made = make_server(authority, name)
    entries = list(index.read(authority.store.path / "index.txt"))
    assert [entry.subject for entry in entries] == ["/CN=a.example.com", "/CN=b.example.com"]
    assert entries[-1].serial_number == made.certificate.serial_number
    assert entries[-1].not_after == made.certificate.not_after


def crl(tbs):
    return b"\x30" + bytes([len(tbs) + 2]) + b"\x30" + bytes([len(tbs)]) + tbs


ALGORITHM, ISSUER = bytes.fromhex("300a06082a8648ce3d040302"), b"\x30\x00"
THIS, NEXT = b"\x17\x0d261124033849Z", b"\x18\x0f20510523033849Z"


def test_the_dates_of_a_revocation_list():
    assert decode_dates(crl(b"\x02\x01\x01" + ALGORITHM + ISSUER + THIS + NEXT)).next_update == utc(
        2051, 5, 23, 3, 38, 49
    )
    without = decode_dates(crl(ALGORITHM + ISSUER + THIS))
    assert (without.this_update, without.next_update) == (utc(2026, 11, 24, 3, 38, 49), None)


@pytest.mark.parametrize(
    "der",
    [
        b"",
        b"\x30\x00",
        crl(b""),
        crl(ALGORITHM + ISSUER),
        crl(ALGORITHM + ISSUER + NEXT[:-1]),
        crl(ALGORITHM + ISSUER + b"\x04\x00"),
        crl(ALGORITHM + ISSUER + THIS) + b"\0",
        crl(ALGORITHM + ISSUER + THIS.replace(b"26", b"2Z", 1)),
    ],
)
def test_what_is_no_revocation_list_is_refused(der):
    with pytest.raises(DecodeError):
        decode_dates(der)


def test_a_file_without_a_revocation_list_is_named(tmp_path):
    for content in ("", "-----BEGIN X509 CRL-----\n", "-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n"):
        (tmp_path / "crl.pem").write_text(content)
        with pytest.raises(UnreadableError, match=r"crl\.pem: "):
            dates(tmp_path / "crl.pem")
