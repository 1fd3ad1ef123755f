"""Whole revocation lists as we decode them, held against cryptography's own reader."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from opensslgen.errors import UnreadableError
from opensslgen.x509 import crl
from opensslgen.x509.der import DecodeError

from .der_writer import number, oid, seq, tlv

NOW = datetime(2026, 11, 24, 3, 38, 49, tzinfo=timezone.utc)
KEY = ec.generate_private_key(ec.SECP256R1())


def signed(*entries, counted=None):
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Zürich root")])
    builder = x509.CertificateRevocationListBuilder().issuer_name(name)
    builder = builder.last_update(NOW).next_update(NOW + timedelta(days=30))
    if counted is not None:
        builder = builder.add_extension(x509.CRLNumber(counted), critical=False)
    for serial, reason in entries:
        revoked = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(NOW)
        if reason is not None:
            revoked = revoked.add_extension(x509.CRLReason(reason), critical=False)
        builder = builder.add_revoked_certificate(revoked.build())
    return builder.sign(KEY, hashes.SHA256()).public_bytes(Encoding.DER)


def test_it_says_what_cryptography_put_in():
    reasons = [None, *(reason for reason in x509.ReasonFlags)]
    entries = [((1 << 159) - number, reason) for number, reason in enumerate(reasons, 1)]
    read = crl.decode(signed(*entries, counted=1 << 100))
    assert read.number == 1 << 100
    assert str(read.issuer) == "CN=Zürich root"
    assert (read.dates.this_update, read.dates.next_update) == (NOW, NOW + timedelta(days=30))
    names = {"cACompromise": "CACompromise", "aACompromise": "AACompromise"}
    assert [(entry.serial_number, entry.at, entry.reason) for entry in read.revocations] == [
        (serial, NOW, None if reason is None else names.get(reason.value, reason.value)) for serial, reason in entries
    ]


def test_one_without_entries_or_number():
    read = crl.decode(signed())
    assert (read.revocations, read.number, read.extensions) == ((), None, ())


def test_no_damage_is_read_as_something_else():
    """Each byte changed and each cut: a fault, or what cryptography reads, too."""
    good = signed((5, x509.ReasonFlags.key_compromise), (7, None), counted=3)
    for at in range(len(good)):
        with pytest.raises(DecodeError):
            crl.decode(good[:at])
        damaged = good[:at] + bytes([good[at] ^ 0x41]) + good[at + 1 :]
        try:
            read = crl.decode(damaged)
        except DecodeError:
            continue
        theirs = x509.load_der_x509_crl(damaged)
        assert [entry.serial_number for entry in read.revocations] == [entry.serial_number for entry in theirs]


ALGORITHM = seq(oid("1.2.840.10045.4.3.2"))
TIME = tlv(0x17, b"261124033849Z")
SIGNATURE = tlv(0x03, b"\0\1")


@pytest.mark.parametrize(
    ("tbs", "fault"),
    [
        ([number(2), ALGORITHM, seq(), TIME], "neither of version 1"),
        ([number(1), seq(oid("1.2.3")), seq(), TIME], "two different signature algorithms"),
        ([ALGORITHM, seq(), TIME, seq(seq(number(5), TIME, seq()))], "version 1 has extensions"),
        ([ALGORITHM, seq(), TIME, tlv(0xA0, seq())], "version 1 has extensions"),
        ([number(1), ALGORITHM, seq(), TIME, seq(seq(number(5), number(5)))], "time of a revocation"),
        ([number(1), ALGORITHM, seq(), TIME, seq(seq(number(5), TIME, number(1)))], "extensions of a revocation"),
        ([number(1), ALGORITHM, seq(), TIME, TIME, TIME], "the extensions"),
    ],
)
def test_what_is_no_list_is_refused(tbs, fault):
    with pytest.raises(DecodeError, match=fault):
        crl.decode(seq(seq(*tbs), ALGORITHM, SIGNATURE))


def test_a_reason_that_does_not_exist_is_none_and_noted():
    good = signed((5, x509.ReasonFlags.key_compromise))
    place = good.index(b"\x0a\x01\x01")
    read = crl.decode(good[:place] + b"\x0a\x01\x07" + good[place + 3 :])
    assert read.revocations[0].reason is None
    assert ["the reason 7, which does not exist" in str(each) for each in read.deviations] == [True]


def test_a_file_is_read_in_both_forms(tmp_path):
    der = signed((5, None))
    (tmp_path / "crl.der").write_bytes(der)
    (tmp_path / "crl.pem").write_bytes(x509.load_der_x509_crl(der).public_bytes(Encoding.PEM))
    assert crl.load(tmp_path / "crl.der") == crl.load(tmp_path / "crl.pem")
    (tmp_path / "crl.pem").write_text("nonsense")
    with pytest.raises(UnreadableError, match="no CRL in it"):
        crl.load(tmp_path / "crl.pem")
