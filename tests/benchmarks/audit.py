"""How fast certificates are audited, beside openssl and pkilint: `python -m tests.benchmarks.audit`."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

SAMPLE = 200
"""Certificates that are given one by one to a program; the time for all is extrapolated."""


def audit_benchmark(number: int = 10_000) -> None:
    """Print certificates per second and peak memory for a folder and a bundle, by us and by what is used today."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_certificates(folder / "certificates", number)
        paths = sorted((folder / "certificates").iterdir())
        bundle, tenth = folder / "bundle.pem", folder / "tenth.pem"
        bundle.write_bytes(b"".join(path.read_bytes() for path in paths))
        tenth.write_bytes(b"".join(path.read_bytes() for path in paths[: number // 10]))
        ours = [sys.executable, "-m", "opensslgen", "audit"]
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        print(f"audit of {number} certificates (P-256), {cores} cores")
        print(f"{'':<50} {'per s':>8} {'per s of CPU':>13} {'peak MiB':>9} {'ratio':>7}")
        folder_rate = _row("opensslgen audit FOLDER", [*ours, str(folder / "certificates")], number)
        _row("opensslgen audit FOLDER --jobs 1", [*ours, "--jobs", "1", str(folder / "certificates")], number)
        _row("opensslgen audit --each BUNDLE", [*ours, "--each", str(bundle)], number)
        _row("opensslgen audit --each BUNDLE --json", [*ours, "--each", "--json", str(bundle)], number)
        _row("opensslgen audit --each BUNDLE, a tenth", [*ours, "--each", str(tenth)], number // 10)
        sample = paths[:SAMPLE]
        _row(
            f"openssl x509 -text, one by one ({len(sample)} of them)",
            ["sh", "-c", 'for f; do openssl x509 -noout -text -in "$f"; done', "sh", *map(str, sample)],
            len(sample),
            beside=folder_rate,
        )
        _row(
            "openssl storeutl -text BUNDLE",
            ["openssl", "storeutl", "-text", "-noout", str(bundle)],
            number,
            beside=folder_rate,
        )
        if shutil.which("lint_pkix_cert"):
            few = sample[:5]
            _row(
                f"pkilint, one by one ({len(few)} of them)",
                ["sh", "-c", 'for f; do lint_pkix_cert lint "$f"; done; :', "sh", *map(str, few)],
                len(few),
                beside=folder_rate,
            )
        else:
            print("pkilint: not installed")
        print("Peak memory is the largest process's; ratio is how many times as fast opensslgen audit FOLDER is.")


def make_certificates(folder: Path, number: int) -> None:
    """Fill a folder with good certificates of different names and keys by one root."""
    folder.mkdir()
    root = ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Benchmark root")])
    begin = datetime.now(timezone.utc) - timedelta(days=1)
    usage = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign",
         "encipher_only", "decipher_only"), False,
    )  # fmt: skip
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


MEASURE = """
import resource, subprocess, sys, time
begun = time.perf_counter()
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
taken = time.perf_counter() - begun
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(code.returncode, taken, used.ru_utime + used.ru_stime, used.ru_maxrss)
sys.stderr.buffer.write(code.stderr[-500:])
"""
"""Runs a command in a process of its own, whose children are that command's alone."""


def _row(title: str, command: list[str], number: int, *, beside: float | None = None) -> float:
    """Print one row and return certificates per second."""
    checkout = str(Path(__file__).parent.parent.parent)
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *command],
        env={**os.environ, "PYTHONPATH": checkout},
        capture_output=True,
        text=True,
        check=True,
    )
    code, taken, used, peak = done.stdout.split()
    if code != "0":
        sys.exit(f"{title}: exit {code}: {done.stderr}")
    rate = number / float(taken)
    # Linux counts kibibytes, macOS bytes.
    mebibytes = float(peak) / (1024 if sys.platform == "linux" else 1 << 20)
    ratio = f"{beside / rate:7.1f}" if beside else ""
    print(f"{title:<50} {rate:8.0f} {number / float(used):13.0f} {mebibytes:9.1f} {ratio}")
    return rate


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.audit", description=__doc__)
    parser.add_argument("--number", type=int, default=10_000, help="certificates (default 10000)")
    audit_benchmark(parser.parse_args().number)
