"""Scripts in many shapes: each is run, `cryptography` judges its certificate, and the audit must not call bad good."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import cache
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from opensslgen.audit.result import Settings
from opensslgen.audit.script_edits import edit_script
from opensslgen.audit.scripts import judge_script, looks_like_script
from opensslgen.errors import UnreadableError
from opensslgen.openssl.command import find
from opensslgen.rules.profiles import rules_of
from opensslgen.rules.rule import ERROR

pytestmark = pytest.mark.slow

AT = datetime(2026, 2, 1, tzinfo=timezone.utc)
TABLE = Path(__file__).parent / "scripts" / "shapes.txt"
# RSA keys, which take a hundred times as long, are made by the scripts that spell out these lines.
NEW_KEY = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
SHORT = {
    "@ca": f"openssl req -x509 {NEW_KEY} -keyout ca.key -out ca.crt -days 3650 -subj '/CN=Example CA'",
    "@csr": f"openssl req -new {NEW_KEY} -keyout server.key -out server.csr -subj /CN=pbx.example.com",
    "@sign": "openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out server.crt",
}


@dataclass(frozen=True)
class Script:
    number: int
    shape: str
    truth: str
    arguments: tuple[str, ...]
    text: str

    def __str__(self):
        return f"{self.shape}-{self.number}-{self.truth}"


def scripts():
    pieces = re.split(r"^### (\S+) (good|bad|root)(.*)\n", TABLE.read_text(), flags=re.MULTILINE)[1:]
    found = []
    for number, at in enumerate(range(0, len(pieces), 4)):
        shape, truth, arguments, text = pieces[at : at + 4]
        text = re.sub(r"@(ca|csr|sign)(?= |$)", lambda match: SHORT[match[0]], text, flags=re.MULTILINE)
        found.append(Script(number, shape, truth, tuple(arguments.split()), text))
    return found


SCRIPTS = scripts()


def run(text, folder, arguments=()):
    """Run a script in a folder, and return its server's certificate, if there is one."""
    path = folder / "make.sh"
    path.write_text(text)
    (folder / "settings.sh").write_text("SETTING_DAYS=300\n")
    first = re.match(r"#!(\S+)", text)
    # Where it says nothing, sh runs it, as a shell would.
    subprocess.run([first[1] if first else "sh", "./make.sh", *arguments], cwd=folder, capture_output=True, check=False)
    server, root = folder / "server.crt", next(folder.glob("*[cC][aA].???"), None)
    if not server.exists():
        assert root is not None, "it makes no certificate"
        return None
    return x509.load_pem_x509_certificate(server.read_bytes())


def complies(certificate):
    """Return whether an iPhone accepts a certificate, as `cryptography` reads it."""
    if certificate.version is not x509.Version.v3:
        return False
    found = {extension.oid: extension.value for extension in certificate.extensions}
    usage = found.get(x509.ExtendedKeyUsage.oid)
    names = found.get(x509.SubjectAlternativeName.oid)
    constraints = found.get(x509.BasicConstraints.oid)
    key = certificate.public_key()
    return (
        usage is not None
        and ExtendedKeyUsageOID.SERVER_AUTH in usage
        and names is not None
        and bool(names.get_values_for_type(x509.DNSName) or names.get_values_for_type(x509.IPAddress))
        and not (constraints and constraints.ca)
        and certificate.not_valid_after_utc - certificate.not_valid_before_utc <= timedelta(days=825)
        and certificate.signature_hash_algorithm is not None
        and certificate.signature_hash_algorithm.name in ("sha224", "sha256", "sha384", "sha512")
        and (
            (isinstance(key, rsa.RSAPublicKey) and key.key_size >= 2048)
            or (
                isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in ("secp256r1", "secp384r1", "secp521r1")
            )
        )
    )


@cache
def answer(script):
    """Return what the audit says: good, bad, or "" where it cannot be told; a root is good."""
    assert looks_like_script(script.text.encode())
    return answer_of(script.text.encode())


SETTINGS = Settings(rules=rules_of(["apple"]), at=AT, openssl=find)


def answer_of(data):
    [result] = judge_script(data, target="/nowhere/make.sh", settings=SETTINGS)
    if result.unreadable is not None:
        return ""
    return "bad" if any(finding.rule.severity == ERROR for finding in result.findings) else "good"


@pytest.mark.parametrize("script", SCRIPTS, ids=str)
def test_the_table_says_what_running_it_shows(script, tmp_path):
    certificate = run(script.text, tmp_path, script.arguments)
    truth = "root" if certificate is None else "good" if complies(certificate) else "bad"
    assert truth == script.truth


@pytest.mark.parametrize("script", SCRIPTS, ids=str)
def test_nothing_is_called_what_it_is_not(script):
    assert answer(script) in ("", "good" if script.truth == "root" else script.truth)


def test_four_fifths_are_known():
    counts = Counter("right" if answer(script) else "cannot be told" for script in SCRIPTS)
    assert len(SCRIPTS) >= 80
    assert len({script.shape for script in SCRIPTS}) >= 25
    assert counts["right"] >= 0.8 * len(SCRIPTS), counts


@cache
def patched(script):
    """Return the script after its edits, or None if it is refused."""
    try:
        return edit_script(script.text.encode(), name="/nowhere/make.sh", settings=SETTINGS)
    except UnreadableError as error:
        REFUSED[script] = error.message
        return None


REFUSED = {}


BAD = [script for script in SCRIPTS if script.truth == "bad"]


@pytest.mark.parametrize("script", BAD, ids=str)
def test_what_is_edited_makes_a_certificate_that_complies(script, tmp_path):
    patch = patched(script)
    if patch is None:
        assert re.search("line [0-9]+", REFUSED[script])
        return
    assert patch.edits
    text = patch.data.decode()
    assert complies(run(text, tmp_path, script.arguments))
    # Only the lines that are told are different.
    new = {edit.new for edit in patch.edits}
    assert set(text.split("\n")) - set(script.text.split("\n")) <= new


def test_two_fifths_of_the_bad_scripts_can_be_edited():
    assert sum(patched(script) is not None for script in BAD) >= 0.4 * len(BAD)


@pytest.mark.parametrize("script", [script for script in SCRIPTS if script.truth != "bad"], ids=str)
def test_what_complies_is_not_edited(script):
    patch = patched(script)
    assert patch is None or (patch.edits, patch.data) == ((), script.text.encode())
    assert (patch is None) == (answer(script) == "")
