"""Certificates that are audited, beside openssl and pkilint."""

from __future__ import annotations

import shutil
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from .measure import OURS, Entry, contest, cores

if TYPE_CHECKING:
    from pathlib import Path

SAMPLE = 200
"""Certificates that are given one by one to a program; the time for one is told."""


def certificates(folder: Path, number: int, runs: int) -> None:
    """Show certificates per second and peak memory for a folder and a bundle, by us and by what is used today."""
    make_certificates(folder / "certificates", number)
    paths = sorted((folder / "certificates").iterdir())
    for name, some in (("bundle.pem", paths), ("tenth.pem", paths[: number // 10])):
        (folder / name).write_bytes(b"".join(path.read_bytes() for path in some))
    audit = (*OURS, "audit", "--quiet")
    sample = [str(path) for path in paths[:SAMPLE]]
    x509_text = ("sh", "-c", 'for f; do openssl x509 -noout -text -in "$f"; done', "sh", *sample)
    pkilint = ("sh", "-c", 'for f; do lint_pkix_cert lint "$f"; done; :', "sh", *sample[:5])
    contest(
        f"{number} certificates audited, P-256, {cores()} cores",
        [
            Entry("opensslgen audit FOLDER", (*audit, "certificates")),
            Entry("opensslgen audit --each BUNDLE", (*audit, "--each", "bundle.pem")),
            Entry(
                "opensslgen audit --each BUNDLE, a tenth of it", (*audit, "--each", "tenth.pem"), number=number // 10
            ),
            Entry(
                "opensslgen audit --each BUNDLE, signatures verified",
                (*audit, "--root", "root.pem", "--each", "bundle.pem"),
            ),
            Entry("openssl x509 -text, one by one", x509_text, number=len(sample)),
            Entry("openssl storeutl -text BUNDLE", ("openssl", "storeutl", "-text", "-noout", "bundle.pem")),
            Entry("pkilint, one by one", pkilint if shutil.which("lint_pkix_cert") else None, number=5),
        ],
        number=number,
        runs=runs,
        folder=folder,
    )


def make_certificates(folder: Path, number: int) -> None:
    """Fill a folder with good certificates of different names and keys by one root, whose own is beside it."""
    folder.mkdir()
    root = ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Benchmark root")])
    begin = datetime.now(timezone.utc) - timedelta(days=1)
    usage = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign",
         "encipher_only", "decipher_only"), False,
    )  # fmt: skip
    own = (
        x509.CertificateBuilder()
        .subject_name(issuer)
        .issuer_name(issuer)
        .public_key(root.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=3650))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(root.public_key()), critical=False)
        .sign(root, hashes.SHA256())
    )
    folder.with_name("root.pem").write_bytes(own.public_bytes(Encoding.PEM))
    for index in range(number):
        name = f"pbx{index}.example.com"
        key = ec.generate_private_key(ec.SECP256R1()).public_key()
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(issuer)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin)
            .not_valid_after(begin + timedelta(days=820))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.KeyUsage(digital_signature=True, **usage), critical=True)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
                critical=False,
            )
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root.public_key()), critical=False)
            .sign(root, hashes.SHA256())
        )
        (folder / f"{index:06}.crt").write_bytes(certificate.public_bytes(Encoding.PEM))
