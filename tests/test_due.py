"""What is due for renewal: a table of certificates in a folder, and of what is due among them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from opensslgen.jobs.due import Due, due
from opensslgen.pki.folder import Folder
from opensslgen.pki.survey import survey_of

NOW = datetime(2026, 3, 1, tzinfo=timezone.utc)
KEY = ec.generate_private_key(ec.SECP256R1())
ROOT = ("Root", 0, -100, 3000)


def write(path, name, serial, begins, ends):
    common = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder(
        issuer_name=x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Root")]),
        subject_name=common,
        public_key=KEY.public_key(),
        serial_number=serial + 1,
        not_valid_before=NOW + timedelta(days=begins),
        not_valid_after=NOW + timedelta(days=ends),
    ).add_extension(x509.BasicConstraints(name == "Root", None), critical=True)
    if name != "Root":
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    path.write_bytes(builder.sign(KEY, hashes.SHA256()).public_bytes(Encoding.PEM))


def folder_of(path, *certificates, root=ROOT):
    """Write a folder with certificates: name, place, first and last day from now, and state in the index."""
    for name in ("issued", "certs_by_serial"):
        (path / name).mkdir()
    write(path / "ca.crt", *root)
    lines = []
    for serial, (name, place, begins, ends, state) in enumerate(certificates, 1):
        write(path / "certs_by_serial" / f"{serial + 1:02X}.pem", name, serial, begins, ends)
        if place:
            write(path / "issued" / place, name, serial, begins, ends)
        end, revoked = NOW + timedelta(days=ends), "260101000000Z" if state == "R" else ""
        lines.append(f"{state}\t{end:%y%m%d%H%M%SZ}\t{revoked}\t{serial + 1:02X}\tunknown\t/CN={name}\n")
    (path / "index.txt").write_text("".join(lines))
    return Folder(path)


A, B = "a.example.com", "b.example.com"
CASES = {
    "long valid": ([(A, f"{A}.crt", -1, 300, "V")], []),
    "expires within the days": ([(A, f"{A}.crt", -70, 20, "V")], [Due(A, A)]),
    "on the very day": ([(A, f"{A}.crt", -270, 30, "V")], [Due(A, A)]),
    "a day later": ([(A, f"{A}.crt", -270, 31, "V")], []),
    "not in the last third of a short validity": ([(A, f"{A}.crt", -1, 20, "V")], []),
    "in it": ([(A, f"{A}.crt", -15, 5, "V")], [Due(A, A)]),
    "expired": ([(A, f"{A}.crt", -90, -3, "V")], [Due(A, A)]),
    "expired, as the index says itself": ([(A, f"{A}.crt", -90, -3, "E")], [Due(A, A)]),
    "revoked": ([(A, f"{A}.crt", -80, 10, "R")], []),
    "expired, and then revoked": ([(A, f"{A}.crt", -90, -3, "R")], []),
    "replaced by a newer one": ([(A, None, -80, 10, "V"), (A, f"{A}.crt", -1, 90, "V")], []),
    "the newer one is revoked": ([(A, None, -80, 10, "V"), (A, None, -1, 90, "R")], [Due("02", None)]),
    "without a file": ([(A, None, -80, 10, "V")], [Due("02", None)]),
    "its file made room for another name": ([(A, None, -80, 10, "V"), (B, f"{A}.crt", -1, 90, "V")], []),
    "by expiry": (
        [(A, f"{A}.crt", -80, 10, "V"), (B, f"{B}.crt", -80, 5, "V")],
        [Due(B, B), Due(A, A)],
    ),
    "under another file name": ([(A, "pbx.crt", -80, 10, "V")], [Due("pbx", "pbx")]),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_due_within_30_days(case, tmp_path):
    certificates, expected = CASES[case]
    survey = survey_of(folder_of(tmp_path, *certificates), at=NOW)
    assert list(due(survey, days=30, now=NOW)) == expected


@pytest.mark.parametrize(("ends", "expected"), [(20, [Due("ca", "ca"), Due(A, A)]), (3000, [Due(A, A)])])
def test_a_root_comes_first(ends, expected, tmp_path):
    folder = folder_of(tmp_path, (A, f"{A}.crt", -90, -3, "V"), root=("Root", 0, -3000, ends))
    assert list(due(survey_of(folder, at=NOW), days=30, now=NOW)) == expected


def test_an_empty_folder_has_nothing_that_is_due(tmp_path):
    assert list(due(survey_of(folder_of(tmp_path), at=NOW), days=36500, now=NOW)) == []
