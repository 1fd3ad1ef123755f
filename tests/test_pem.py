from __future__ import annotations

import base64
import os
import subprocess
import tracemalloc
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from opensslgen.errors import UnreadableError
from opensslgen.x509.certificate import CERTIFICATE_LABELS, decode_block, load
from opensslgen.x509.der import DecodeError
from opensslgen.x509.pem import PemBlock, pem_blocks

from .der_writer import certificate, context, name, octets, oid, seq, utf8

DER = certificate()
OTHER = certificate(subject=name(("2.5.4.3", utf8("other"))))


def pem(body: bytes, label: str = "CERTIFICATE", newline: bytes = b"\n") -> bytes:
    text = base64.b64encode(body)
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return b"".join(
        line + newline for line in (f"-----BEGIN {label}-----".encode(), *lines, f"-----END {label}-----".encode())
    )


def test_blocks_are_found_with_their_labels_and_lines() -> None:
    data = b"Certificate:\n    Data: x\n" + pem(DER) + b"\nsubject=x\n" + pem(b"abc", "X509 CRL")
    assert list(pem_blocks(data)) == [
        PemBlock("CERTIFICATE", DER, 3),
        PemBlock("X509 CRL", b"abc", data[: data.index(b"-----BEGIN X509")].count(b"\n") + 1),
    ]


@pytest.mark.parametrize(
    "data",
    [
        pem(DER, newline=b"\r\n"),
        pem(DER, newline=b"\r"),
        pem(DER, newline=b"\r\r\n"),
        pem(DER)[:-1],
        b"\xef\xbb\xbf" + pem(DER),
        b"text\rmore text\r" + pem(DER),
        pem(DER).replace(b"\n", b" \t\n"),
        b"".join(b"    " + line + b"\n" for line in pem(DER).splitlines()),
        pem(DER).replace(b"-----\nMI", b"-----\n\n\nMI"),
        b"-----BEGIN CERTIFICATE-----\n" + base64.b64encode(DER) + b"\n-----END CERTIFICATE-----",
        b"\xff\xfe not UTF-8 \x00\n" + pem(DER),
    ],
)
def test_line_ends_indentation_byte_order_marks_and_text_around_do_no_harm(data: bytes) -> None:
    assert [block.body for block in pem_blocks(data)] == [DER]


def test_a_file_without_a_block_has_none() -> None:
    assert list(pem_blocks(b"")) == []
    assert list(pem_blocks(b"grep -q '-----BEGIN CERTIFICATE-----' file\n---- BEGIN X ----\n")) == []


BODY = base64.b64encode(b"abcdef")
BEGIN, END = b"-----BEGIN CERTIFICATE-----\n", b"-----END CERTIFICATE-----\n"

DAMAGED = [
    (BEGIN, "line 1: BEGIN without the END that belongs to it"),
    (b"\n\n" + BEGIN + BODY, "line 3: BEGIN without the END"),
    (BEGIN + BODY + b"\n----END CERTIFICATE-----\n", "line 1: BEGIN without the END"),
    (b"text\n" + END, "line 2: END without the BEGIN that belongs to it"),
    (BEGIN + BODY + b"\n" + END + END, "line 4: END without the BEGIN"),
    (BEGIN + BODY + b"\n-----END X509 CRL-----\n", "line 3: END without the BEGIN"),
    (BEGIN + BODY + b"\n" + BEGIN + BODY + b"\n" + END, "line 3: BEGIN before the END that belongs to line 1"),
    (BEGIN + BODY + b"\n" + END.strip() + BEGIN + BODY + b"\n" + END, "line 3: END is not followed by a label"),
    (b"-----BEGIN CERTIFICATE----\n", "line 1: BEGIN is not followed by a label and five hyphens"),
    (b"-----BEGIN CERTIFICATE\n", "line 1: BEGIN is not followed by a label"),
    (b"-----BEGIN -----\n", "line 1: BEGIN is not followed by a label"),
    (b"-----BEGIN CERTIFICATE----- junk\n", "line 1: BEGIN is not followed by a label"),
    (b"-----BEGIN CERT\xc3\xa9-----\n", "line 1: BEGIN is not followed by a label"),
    (BEGIN + END, "line 1: what follows BEGIN is not base64"),
    (BEGIN + b"YWJ\n" + END, "is not base64"),
    (BEGIN + b"YWJj=\n" + END, "is not base64"),
    (BEGIN + b"YQ=\n" + END, "is not base64"),
    (BEGIN + b"YQ==YQ==\n" + END, "is not base64"),
    (BEGIN + b"Y===\n" + END, "is not base64"),
    (BEGIN + b"====\n" + END, "is not base64"),
    (BEGIN + b"=YWJ\n" + END, "is not base64"),
    (BEGIN + b"YR==\n" + END, "is not base64"),
    (BEGIN + b"YWK=\n" + END, "is not base64"),
    (BEGIN + b"YW-j\n" + END, "is not base64"),
    (BEGIN + b"YW\x00Jj\n" + END, "is not base64"),
    (BEGIN + b"YW\x0bJj\n" + END, "is not base64"),
    (BEGIN + b"Comment: x\n\nYWJj\n" + END, "is not base64"),
    (BEGIN + b"YWJj\n-----\n" + END, "is not base64"),
]


@pytest.mark.parametrize(("data", "fault"), DAMAGED)
def test_a_damaged_block_is_never_skipped(data: bytes, fault: str) -> None:
    with pytest.raises(DecodeError, match=fault):
        list(pem_blocks(data))


def test_the_blocks_before_a_damaged_one_are_found() -> None:
    blocks = pem_blocks(pem(DER) + BEGIN)
    assert next(blocks).body == DER
    with pytest.raises(DecodeError):
        next(blocks)


def test_the_headers_of_an_encrypted_key_are_not_its_body() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    data = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, BestAvailableEncryption(b"secret"))
    assert b"DEK-Info:" in data
    (block,) = pem_blocks(data)
    assert block.label == "EC PRIVATE KEY"
    assert len(block.body) % 16 == 0
    folded = data.replace(b"DEK-Info:", b"X-Note: a\n b\nDEK-Info:").replace(b"\n", b"\r\n")
    assert next(pem_blocks(folded)).body == block.body


@given(st.lists(st.tuples(st.binary(min_size=1, max_size=200), st.sampled_from(["CERTIFICATE", "X509 CRL", "DH-X Y"]))))
def test_what_was_written_is_read(pairs: list[tuple[bytes, str]]) -> None:
    data = b"".join(b"text\n" + pem(body, label) for body, label in pairs)
    assert [(block.body, block.label) for block in pem_blocks(data)] == pairs


@pytest.mark.slow
@settings(max_examples=1000)
@given(st.data())
def test_a_changed_byte_gives_blocks_or_a_decode_error_and_what_cryptography_reads(data: st.DataObject) -> None:
    text = bytearray(pem(DER))
    for _ in range(data.draw(st.integers(1, 2))):
        at = data.draw(st.integers(0, len(text) - 1))
        text[at : at + data.draw(st.integers(0, 1))] = data.draw(st.sampled_from([b"", b"-", b"=", b"\n", b"A", b"\0"]))
    try:
        blocks = list(pem_blocks(bytes(text)))
    except DecodeError:
        return
    for block in blocks:
        if block.label in CERTIFICATE_LABELS:
            again = pem(block.body)
            assert base64.b64encode(block.body) in bytes(text).replace(b"\n", b"")
            try:
                read = decode_block(block)
            except DecodeError:
                continue
            assert x509.load_pem_x509_certificate(again).public_bytes(Encoding.DER) == read.der


def test_a_large_file_is_read_block_by_block() -> None:
    data = (b"text " * 100 + b"\n" + pem(DER)) * 8000
    assert len(data) > 5_000_000
    tracemalloc.start()
    count = sum(1 for _ in pem_blocks(data))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 8000
    assert peak < len(data) / 50


def test_lines_that_only_look_like_boundaries_take_linear_time() -> None:
    data = b"-----BEGIN " * 500_000 + b"\n" + b" \t" * 2_000_000
    with pytest.raises(DecodeError, match="not followed by a label"):
        list(pem_blocks(data))
    assert list(pem_blocks(b"x" + data)) == []


# Files.


def test_the_first_certificate_of_a_pem_file_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "chain.pem"
    path.write_bytes(pem(b"abc", "PRIVATE KEY") + pem(DER) + pem(OTHER))
    assert load(path).der == DER
    assert load(str(path)).der == DER


@pytest.mark.parametrize("label", CERTIFICATE_LABELS)
def test_each_label_of_a_certificate_is_known(tmp_path: Path, label: str) -> None:
    (tmp_path / "a.pem").write_bytes(pem(DER, label))
    assert load(tmp_path / "a.pem").der == DER


def test_a_der_file_is_loaded_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.crt"
    path.write_bytes(DER)
    assert load(path).der == DER
    path.write_bytes(DER + b"\n")
    with pytest.raises(UnreadableError, match=r"a\.crt: a certificate is followed by"):
        load(path)


def test_text_that_begins_like_der_is_not_taken_for_it(tmp_path: Path) -> None:
    (tmp_path / "a.pem").write_bytes(b"0 s:CN=x\n" + pem(DER))
    assert load(tmp_path / "a.pem").der == DER


def test_openssls_trusted_certificates_are_loaded_without_the_trust(tmp_path: Path) -> None:
    (tmp_path / "a.pem").write_bytes(pem(DER))
    command = [
        "openssl",
        "x509",
        "-in",
        "a.pem",
        "-trustout",
        "-addtrust",
        "serverAuth",
        "-addreject",
        "emailProtection",
    ]
    subprocess.run([*command, "-setalias", "pbx", "-out", "trusted.pem"], cwd=tmp_path, check=True)
    assert b"TRUSTED" in (tmp_path / "trusted.pem").read_bytes()
    assert load(tmp_path / "trusted.pem").der == DER


@pytest.mark.parametrize(
    ("trust", "fault"),
    [
        (b"\x30", "the data ends within a structure"),
        (octets(), "a structure has the tag 04"),
        (seq() + seq(), "a structure is followed by"),
        (seq(octets(), octets()), "a structure is followed by"),
        (seq(seq(utf8("x"))), "a member of a list has the tag 0C"),
        (seq(context(0, utf8("x"))), "a member of a list has the tag 0C"),
        (seq(context(1, b"\xff")), "the data ends within an element"),
        (seq(b"\x0c\x01\xff"), "not allowed in a UTF8String"),
        (b"\x30\x80\0\0", "an indefinite length"),
    ],
)
def test_malformed_trust_after_a_certificate_is_refused(trust: bytes, fault: str) -> None:
    with pytest.raises(DecodeError, match=fault):
        decode_block(PemBlock("TRUSTED CERTIFICATE", DER + trust, 1))
    good = seq(seq(oid("1.2.3")), context(0, oid("1.2.3")), utf8("x"), octets(b"k"), context(1, seq(oid("1.2.3"))))
    assert decode_block(PemBlock("TRUSTED CERTIFICATE", DER + good, 1)).der == DER
    with pytest.raises(DecodeError, match="a certificate is followed by"):
        decode_block(PemBlock("CERTIFICATE", DER + good, 1))


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "no certificate in it"),
        (b"hello\n", "no certificate in it"),
        (pem(b"abc", "PRIVATE KEY"), "no certificate in it"),
        (pem(b"abc"), "line 1: a certificate has the tag 61 and not 30 at byte 0"),
        (b"\n" + BEGIN, "line 2: BEGIN without"),
        (DER[:-1], "a certificate is longer than what contains it"),
    ],
)
def test_a_file_without_a_good_certificate_is_unreadable_by_name(tmp_path: Path, content: bytes, fault: str) -> None:
    path = tmp_path / "a\x1b.pem"
    path.write_bytes(content)
    with pytest.raises(UnreadableError) as caught:
        load(path)
    assert str(caught.value).startswith(f"{tmp_path}/a\\u{{1B}}.pem: {fault}")


def test_only_a_regular_file_that_is_there_is_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    for path, fault in (
        (tmp_path / "none.pem", "none.pem: no such file or directory"),
        (tmp_path, "a folder, not a file"),
        (tmp_path / "pipe", "pipe: not a regular file"),
        (Path("/dev/zero"), "/dev/zero: not a regular file"),
        (tmp_path / "loop", "loop: too many levels of symbolic links"),
        (tmp_path / "a\0b", "null byte"),
    ):
        with pytest.raises(UnreadableError, match=fault):
            load(path)


def test_a_file_of_more_than_16_mib_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large.pem"
    content = pem(DER)
    path.write_bytes(content + b"\n" * (16 * 1024 * 1024 - len(content)))
    assert load(path).der == DER
    with path.open("ab") as file:
        file.write(b"\n")
    with pytest.raises(UnreadableError, match=r"large\.pem: larger than 16 MiB"):
        load(path)


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"\n-----BEGIN X\n", 2),
        (b"-----BEGIN X-----\n\n-----BEGIN X-----\n", 3),
        (b"\n\n-----END X-----\n", 3),
        (b"\n-----BEGIN X-----\nAAAA\n", 2),
        (b"\n-----BEGIN X-----\nA\n-----END X-----\n", 2),
    ],
)
def test_the_line_of_a_fault_is_data_and_counts_from_the_file(data, line):
    for first_line in (1, 100):
        with pytest.raises(DecodeError) as caught:
            list(pem_blocks(data, first_line=first_line))
        assert caught.value.line == line + first_line - 1
        assert str(caught.value).startswith(f"line {caught.value.line}: ")
