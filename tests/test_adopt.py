"""Authorities that exist, in every form in which they come, taken over and put to work."""

from __future__ import annotations

import os
import shutil
import subprocess
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12

from opensslgen.cli.main import cli
from opensslgen.x509.certificate import load, load_all

from .conftest import agreeing, files_below
from .openssls import BINARIES
from .servers import issue
from .shells import SHELLS

PASSPHRASE, PASSWORD = "correct horse", "battery staple"
DER, PEM = serialization.Encoding.DER, serialization.Encoding.PEM
PKCS8, TRADITIONAL = serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL
LOCKED = serialization.BestAvailableEncryption(PASSPHRASE.encode())
OPEN = serialization.NoEncryption()


@pytest.fixture(scope="module")
def root():
    return issue("Old root", ca=True)


@pytest.fixture(scope="module")
def site(root):
    return issue("Old site", ca=True, issuer=root, days=(-1, 200))


@pytest.fixture
def given(root, site, tmp_path):
    """Write a file of the root, or of the site below it, and return its path."""

    def write(name, *parts):
        (tmp_path / name).write_bytes(b"".join(part.encode() if isinstance(part, str) else part for part in parts))
        return name

    return write


def run(*arguments, **env):
    return CliRunner().invoke(cli, agreeing(arguments), env=env)


def key_of(authority, encoding=PEM, form=PKCS8, protection=OPEN):
    return authority.key.private_bytes(encoding, form, protection)


def in_pkcs12(authority, *others, encryption=None):
    protection = encryption or serialization.BestAvailableEncryption(PASSWORD.encode())
    above = [other.certificate for other in others]
    return pkcs12.serialize_key_and_certificates(b"old", authority.key, authority.certificate, above, protection)


OLD_PKCS12 = (
    serialization.PrivateFormat.PKCS12.encryption_builder()
    .kdf_rounds(2048)
    .key_cert_algorithm(pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC)
    .hmac_hash(hashes.SHA1())
    .build(PASSWORD.encode())
)

# What is written, as (name, content) pairs, whose first is FILE and whose others follow their options.
FORMS = {
    "pem": lambda a: [("a.pem", a.pem), ("--key", "a.key", key_of(a))],
    "pem-traditional": lambda a: [("a.pem", a.pem), ("--key", "a.key", a.key_pem)],
    "pem-with-text": lambda a: [("a.pem", "Certificate:\n  Data:\n", a.pem), ("--key", "a.key", "Bag\n", key_of(a))],
    "one-file": lambda a: [("a.pem", key_of(a), a.pem)],
    "der": lambda a: [("a.cer", a.der), ("--key", "a.key", key_of(a, DER))],
    "der-traditional": lambda a: [("a.cer", a.der), ("--key", "a.key", key_of(a, DER, TRADITIONAL))],
    "der-passphrase": lambda a: [("a.cer", a.der), ("--key", "a.key", key_of(a, DER, protection=LOCKED))],
    "pem-passphrase": lambda a: [("a.pem", a.pem), ("--key", "a.key", key_of(a, protection=LOCKED))],
    "headers-passphrase": lambda a: [("a.pem", a.pem), ("--key", "a.key", key_of(a, PEM, TRADITIONAL, LOCKED))],
    "p12": lambda a: [("a.p12", in_pkcs12(a))],
    "p12-old": lambda a: [("a.pfx", in_pkcs12(a, encryption=OLD_PKCS12))],
    "p12-beside": lambda a: [("a.pem", a.pem), ("--key", "a.p12", in_pkcs12(a))],
}


def arguments_of(name, authority, given):
    found = []
    for option, *parts in FORMS[name](authority):
        found += [option, given(*parts)] if option.startswith("--") else [given(option, *parts)]
    return found


def secrets_of(name):
    secrets = {"OPENSSLGEN_CA_PASSPHRASE": PASSPHRASE} if "passphrase" in name else {}
    return secrets | ({"OPENSSLGEN_P12_PASSWORD": PASSWORD} if "p12" in name else {})


def key_in(pki, passphrase=None):
    password = None if passphrase is None else passphrase.encode()
    return serialization.load_pem_private_key((pki / "private" / "ca.key").read_bytes(), password)


def in_shell(shell, script, **env):
    return subprocess.run(
        [*SHELLS[shell], "/dev/stdin"], input=script, env={**os.environ, **env}, capture_output=True, text=True
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMS)
def test_every_form_is_adopted_and_by_its_script_too(name, root, given, tmp_path):
    arguments, secrets = arguments_of(name, root, given), secrets_of(name)
    done = run("adopt", *arguments, **secrets)
    assert done.exit_code == 0, done.output
    assert "Adopted CN=Old root:" in done.stdout
    assert "what a phone requires of a root" in done.stdout
    printed = run("adopt", *arguments, "--pki", "printed", "--script", **secrets)
    assert not {PASSPHRASE, PASSWORD} & set(printed.stdout.replace("'", "\n").split("\n"))
    shell = list(SHELLS)[list(FORMS).index(name) % len(SHELLS)]
    by_script = in_shell(shell, printed.stdout, **secrets)
    assert by_script.returncode == 0, by_script.stderr
    assert files_below(tmp_path / "printed") == files_below(tmp_path / "pki")
    assert files_below(tmp_path / "pki")["private/ca.key"] == "0o600"
    for pki in (tmp_path / "pki", tmp_path / "printed"):
        assert load(pki / "ca.crt").der == root.der
        own = key_in(pki, PASSPHRASE if "passphrase" in name else None)
        assert own.public_key() == root.key.public_key()
    assert run("server", "pbx.example.com", "--key-type", "p-256", **secrets).exit_code == 0
    leaf = x509.load_pem_x509_certificate((tmp_path / "pki" / "issued" / "pbx.example.com.crt").read_bytes())
    leaf.verify_directly_issued_by(root.certificate)


@pytest.mark.parametrize("binary", BINARIES)
@pytest.mark.parametrize("name", ["one-file", "der-traditional", "der-passphrase", "headers-passphrase", "p12-old"])
def test_every_openssl_adopts(name, binary, root, given, tmp_path):
    arguments, secrets = arguments_of(name, root, given), secrets_of(name) | {"OPENSSLGEN_OPENSSL": binary}
    done = run("adopt", *arguments, **secrets)
    assert done.exit_code == 0, done.output
    by_script = in_shell(
        "busybox", run("adopt", *arguments, "--pki", "printed", "--script", **secrets).stdout, **secrets
    )
    assert by_script.returncode == 0, by_script.stderr
    for pki in (tmp_path / "pki", tmp_path / "printed"):
        assert key_in(pki, PASSPHRASE if "passphrase" in name else None).public_key() == root.key.public_key()
    assert run("server", "pbx.example.com", "--key-type", "p-256", **secrets).exit_code == 0


@pytest.mark.parametrize("binary", ["openssl", *BINARIES])
def test_a_pkcs12_file_encrypted_by_rc2_is_read(binary, root, given, tmp_path):
    given("a.pem", key_of(root), root.pem)
    legacy = subprocess.run(["openssl", "pkcs12", "-help"], capture_output=True, text=True).stderr
    subprocess.run(
        ["openssl", "pkcs12", "-export", "-in", "a.pem", "-out", "old.p12", "-passout", f"pass:{PASSWORD}"]
        + ["-certpbe", "PBE-SHA1-RC2-40", "-keypbe", "PBE-SHA1-RC2-40", "-macalg", "sha1"]
        + (["-legacy"] if "-legacy" in legacy else []),
        check=True,
    )
    secrets = {"OPENSSLGEN_P12_PASSWORD": PASSWORD, "OPENSSLGEN_OPENSSL": binary}
    done = run("adopt", "old.p12", "-v", **secrets)
    assert done.exit_code == 0, done.output
    by_script = in_shell("dash", run("adopt", "old.p12", "--pki", "printed", "--script", **secrets).stdout, **secrets)
    assert by_script.returncode == 0, by_script.stderr
    assert key_in(tmp_path / "printed").public_key() == key_in(tmp_path / "pki").public_key() == root.key.public_key()


@pytest.mark.parametrize("form", ["pem", "p12"])
def test_a_key_without_a_passphrase_gets_one_if_that_is_wished(form, root, given, tmp_path):
    secrets = {"OPENSSLGEN_CA_PASSPHRASE": PASSPHRASE, "OPENSSLGEN_P12_PASSWORD": PASSWORD}
    done = run("adopt", *arguments_of(form, root, given), **secrets)
    assert done.exit_code == 0, done.output
    assert key_in(tmp_path / "pki", PASSPHRASE).public_key() == root.key.public_key()
    assert "ENCRYPTED" in (tmp_path / "pki" / "private" / "ca.key").read_text()


def test_an_intermediate_signs_below_its_root(root, site, given, tmp_path):
    given("site.pem", site.pem, root.pem, key_of(site))
    done = run("adopt", "site.pem")
    assert done.exit_code == 0, done.output
    assert "let the phones trust CN=Old root (opensslgen trust)" in done.stdout
    assert [each.der for each in load_all(tmp_path / "pki" / "ca-chain.pem")] == [root.der]
    made = run("server", "pbx.example.com", "--key-type", "p-256", "--days", "90")
    assert made.exit_code == 0, made.output
    (tmp_path / "root.pem").write_text(root.pem)
    subprocess.run(
        ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", "root.pem"]
        + ["-untrusted", "pki/issued/pbx.example.com-chain.pem", "pki/issued/pbx.example.com.crt"],
        check=True,
        capture_output=True,
    )
    assert "pbx.example.com" in run("show", "pbx.example.com").stdout


def test_our_own_intermediate_goes_into_a_folder_of_its_own(tmp_path):
    assert run("root", "--key-type", "p-256").exit_code == 0
    made = run("intermediate", "site-berlin", "--key-type", "p-256", "--permit", "berlin.example.com")
    command = made.stdout.rpartition("opensslgen ")[2].split()
    assert run(*command).exit_code == 0
    assert run("server", "a.berlin.example.com", "--key-type", "p-256", "--pki", "pki-site-berlin").exit_code == 0
    refused = run("server", "a.example.com", "--key-type", "p-256", "--pki", "pki-site-berlin")
    assert refused.exit_code == 1
    assert "name-constraints" in refused.stderr


def test_without_the_root_an_intermediate_is_asked_for_it(root, site, given, tmp_path):
    given("site.pem", site.pem, key_of(site))
    done = run("adopt", "site.pem")
    assert done.exit_code == 1
    assert "the certificate of CN=Old root, which issued CN=Old site, is missing" in done.stderr
    assert "--chain FILE" in done.stderr
    given("root.der", root.der)
    assert run("adopt", "site.pem", "--chain", "root.der").exit_code == 0


def test_a_root_of_the_same_name_is_no_chain(site, given, tmp_path):
    """It is not told by its name, nor by a key identifier that it claims, but by the signature."""
    other = issue("Old root", ca=True)
    identifier = site.certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    claimed = x509.CertificateBuilder(
        other.certificate.subject, other.certificate.subject, other.key.public_key(), 4711,
        other.certificate.not_valid_before_utc, other.certificate.not_valid_after_utc,
    )  # fmt: skip
    for extension in other.certificate.extensions:
        if not isinstance(extension.value, x509.SubjectKeyIdentifier | x509.AuthorityKeyIdentifier):
            claimed = claimed.add_extension(extension.value, extension.critical)
    claimed = claimed.add_extension(x509.SubjectKeyIdentifier(identifier.key_identifier), critical=False)
    given("site.pem", site.pem, claimed.sign(other.key, hashes.SHA256()).public_bytes(PEM), key_of(site))
    printed = run("adopt", "site.pem", "--script").stdout
    for done in (run("adopt", "site.pem"), in_shell("dash", printed)):
        assert "openssl verify does not accept" in done.stderr
    assert not (tmp_path / "pki").exists()


def test_key_and_certificate_must_belong_together(root, site, given, tmp_path):
    given("root.pem", root.pem, key_of(site))
    printed = run("adopt", "root.pem", "--script").stdout
    for done, code in (
        (run("adopt", "root.pem", "--allow", "key-mismatch"), "exit_code"),
        (in_shell("dash", printed), "returncode"),
    ):
        assert getattr(done, code) == 1
        assert "the key and the certificate do not belong together" in done.stderr
    assert not (tmp_path / "pki").exists()


def own_root(*, ca=True, name="Root", days=(-1, 900), cn=True):
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(timezone.utc).replace(microsecond=0)
    kind = x509.NameOID.COMMON_NAME if cn else x509.NameOID.ORGANIZATION_NAME
    subject = x509.Name([x509.NameAttribute(kind, name)])
    builder = x509.CertificateBuilder(
        subject, subject, key.public_key(), 1 << 100, now + timedelta(days=days[0]), now + timedelta(days=days[1])
    )
    if ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca, None), critical=True)
    data = builder.sign(key, hashes.SHA256()).public_bytes(PEM)
    return data + key.private_bytes(PEM, PKCS8, OPEN)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"ca": False}, "CN=Root is not a CA: it has no CA:TRUE"),
        ({"ca": None}, "CN=Root is not a CA: it has no CA:TRUE"),
        ({"days": (-900, -1)}, "CN=Root expired on "),
    ],
)
def test_what_can_sign_nothing_is_refused_whatever_is_allowed(fault, message, given, tmp_path):
    given("a.pem", own_root(**fault))
    done = run("adopt", "a.pem", "--allow", "root-ca", "--allow", "expired")
    assert done.exit_code == 1
    assert message in done.stderr
    assert "--allow" not in done.stderr
    assert not (tmp_path / "pki").exists()


def test_what_phones_would_not_take_is_refused_unless_allowed(given, tmp_path):
    given("a.pem", own_root(cn=False))
    done = run("adopt", "a.pem", "--json")
    assert done.exit_code == 1
    assert "[root-cn]" in done.stderr
    assert "--allow root-cn" in done.stderr
    assert '"rule": "root-cn"' in done.stdout
    assert run("adopt", "a.pem", "--script").exit_code == 1
    assert not (tmp_path / "pki").exists()
    assert run("adopt", "a.pem", "--allow", "root-cn").exit_code == 0


def test_what_phones_think_of_it_is_told_also_beside_a_script(given):
    given("a.pem", own_root())
    for arguments in ((), ("--script", "--pki", "other")):
        done = run("adopt", "a.pem", *arguments)
        assert done.exit_code == 0
        assert "it has no subject key identifier [root-ski]" in done.stderr
        assert done.stderr.count("[root-critical]") == 1


@pytest.mark.parametrize("arguments", [("nokey.p12",), ("root.pem", "--key", "nokey.p12")])
def test_a_pkcs12_file_without_a_key_is_told_for_what_it_is(arguments, root, given):
    protection = serialization.BestAvailableEncryption(PASSWORD.encode())
    given("nokey.p12", pkcs12.serialize_key_and_certificates(b"old", None, root.certificate, None, protection))
    given("root.pem", root.pem)
    done = run("adopt", *arguments, OPENSSLGEN_P12_PASSWORD=PASSWORD)
    assert done.exit_code == 2
    assert "nokey.p12: no private key in it" in done.output


@pytest.mark.slow
@pytest.mark.parametrize("command", [("root",), ("adopt", "root.pem")])
def test_an_authority_whose_certificates_could_not_be_revoked_any_more_stays(command, root, given, tmp_path):
    given("root.pem", root.pem, key_of(root))
    assert run("server", "pbx.example.com", "--key-type", "p-256").exit_code == 0
    before = files_below(tmp_path / "pki")
    done = run(*command, "--force")
    assert done.exit_code == 1
    assert "/CN=pbx.example.com is valid until 20" in done.output
    assert "nobody could revoke it" in done.output
    assert "Hint: make the new CA in a folder of its own: --pki DIR" in done.output
    assert files_below(tmp_path / "pki") == before
    # Once nothing is valid any more it can go; what it has revoked is said to stay in the lists.
    assert run("revoke", "pbx.example.com", "--yes").exit_code == 0
    done = run(*command, "--force")
    assert done.exit_code == 0, done.output
    assert "Note: its CRLs will list the revocations of the previous CA: 1" in done.output


def test_an_authority_in_use_is_adopted_anew_with_the_same_key(tmp_path):
    assert run("server", "pbx.example.com", "--key-type", "p-256").exit_code == 0
    pki = tmp_path / "pki"
    shutil.copy(pki / "ca.crt", tmp_path)
    shutil.copy(pki / "private/ca.key", tmp_path)
    done = run("adopt", "ca.crt", "--key", "ca.key", "--force")
    assert done.exit_code == 0, done.output


def test_an_authority_is_not_replaced_unless_forced_and_then_kept(root, site, given, tmp_path):
    given("site.pem", site.pem, root.pem, key_of(site))
    given("root.pem", root.pem, key_of(root))
    assert run("adopt", "site.pem").exit_code == 0
    before = {path: path.read_bytes() for path in (tmp_path / "pki").rglob("*") if path.is_file()}
    done = run("adopt", "root.pem")
    assert done.exit_code == 1
    assert "pki/private/ca.key, pki/ca.crt exist" in done.stderr
    assert {path: path.read_bytes() for path in (tmp_path / "pki").rglob("*") if path.is_file()} == before
    assert run("adopt", "root.pem", "--force").exit_code == 0
    pki = tmp_path / "pki"
    assert load(pki / "ca.crt").der == root.der
    assert not (pki / "ca-chain.pem").exists()
    (old_certificate,) = pki.glob("ca.crt.old-*")
    (old_chain,) = pki.glob("ca-chain.pem.old-*")
    (old_key,) = (pki / "private").glob("ca.key.old-*")
    assert load(old_certificate).der == site.der
    assert load(old_chain).der == root.der
    assert old_key.stat().st_mode & 0o777 == 0o600
    made = run("server", "pbx.example.com", "--key-type", "p-256")
    assert made.exit_code == 0, made.output


def test_a_folder_of_openssl_ca_has_an_authority_already(root, given, tmp_path):
    given("a.pem", root.pem, key_of(root))
    (tmp_path / "demoCA" / "private").mkdir(parents=True)
    given("demoCA/cacert.pem", issue("Another", ca=True).pem)
    done = run("adopt", "a.pem", "--pki", "demoCA")
    assert done.exit_code == 1
    assert "cacert.pem exists" in done.stderr
    assert not (tmp_path / "demoCA" / "ca.crt").exists()


@pytest.mark.parametrize("name", ["pem-passphrase", "p12"])
def test_a_wrong_secret_is_a_plain_error_and_leaves_nothing(name, root, given, tmp_path):
    wrong = {"OPENSSLGEN_CA_PASSPHRASE": "not this one", "OPENSSLGEN_P12_PASSWORD": "nor this"}
    done = run("adopt", *arguments_of(name, root, given), **wrong)
    assert done.exit_code in (1, 2)
    assert done.stderr.startswith("Error: ")
    assert not (tmp_path / "pki").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "no certificate in it"),
        ("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n", "line 1"),
        ("key", "no certificate in it"),
        ("certificate", "no private key in it"),
    ],
)
def test_what_cannot_be_an_authority_is_told_by_name(content, message, root, given, tmp_path):
    given("a.pem", {"key": key_of(root), "certificate": root.pem}.get(content, content))
    done = run("adopt", "a.pem")
    assert done.exit_code == 2
    assert done.stderr.startswith("Error: a.pem: ")
    assert message in done.stderr
    assert run("adopt", "not-there.pem").exit_code == 2
    assert not (tmp_path / "pki").exists()


def test_no_argv_holds_a_secret_and_no_plain_key_touches_the_disk(root, given, tmp_path, monkeypatch):
    real = shutil.which("openssl")
    witness = tmp_path / "openssl"
    witness.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$*" >>{tmp_path}/argv\n{real} "$@"; code=$?\n'
        f'grep -rlE "BEGIN (RSA |EC )?PRIVATE KEY" {tmp_path}/pki >>{tmp_path}/plain 2>/dev/null\nexit $code\n'
    )
    witness.chmod(0o755)
    for number, name in enumerate(("der-passphrase", "headers-passphrase", "p12-beside")):
        secrets = {
            "OPENSSLGEN_CA_PASSPHRASE": PASSPHRASE,
            "OPENSSLGEN_P12_PASSWORD": PASSWORD,
            "OPENSSLGEN_OPENSSL": str(witness),
        }
        arguments = arguments_of(name, root, given)
        done = run("adopt", *arguments, "-v", "--pki", f"pki/{number}", **secrets)
        assert done.exit_code == 0, done.output
        assert PASSPHRASE not in done.output + (tmp_path / "argv").read_text()
        assert PASSWORD not in done.output + (tmp_path / "argv").read_text()
    assert (tmp_path / "plain").read_text() == ""


IP_OFFICE = """
[req]
prompt = no
utf8 = yes
distinguished_name = dn
x509_extensions = root
[dn]
C = US
ST = New Jersey
L = Basking Ridge
O = Avaya Inc
OU = GCS
CN = ipoffice-root-pbx.avaya.com
emailAddress = support@avaya.com
[root]
basicConstraints = critical,CA:TRUE
keyUsage = keyCertSign,cRLSign
extendedKeyUsage = serverAuth,clientAuth
subjectKeyIdentifier = hash
subjectAltName = @names
[names]
URI = ipoffice-root-pbx.avaya.com
"""
"""The root of a Linux server, as the vendor describes it; its URI has no scheme."""


def test_the_root_of_an_ip_office_is_adopted_and_issues(tmp_path):
    Path("ipo.cnf").write_text(IP_OFFICE)
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-sha256", "-nodes", "-config", "ipo.cnf", "-days", "3650"]
        + ["-keyout", "ipo.key", "-out", "ipo.pem"],
        check=True,
        capture_output=True,
    )
    done = run("adopt", "ipo.pem", "--key", "ipo.key")
    assert done.exit_code == 0, done.output
    assert "its key usage is not critical [root-critical]" in done.stderr
    made = run(
        "server",
        "pbx.example.com",
        "--san",
        "10.0.0.5",
        "--key-type",
        "p-256",
        "--p12",
        OPENSSLGEN_P12_PASSWORD=PASSWORD,
    )
    assert made.exit_code == 0, made.output
    subprocess.run(
        ["openssl", "verify", "-purpose", "sslserver", "-CAfile", "ipo.pem", "pki/issued/pbx.example.com.crt"],
        check=True,
        capture_output=True,
    )
    assert "ipoffice-root-pbx.avaya.com" in run("show", "ca").stdout


def test_a_key_of_rsa_in_the_form_before_pkcs8_is_adopted(given, tmp_path):
    key = rsa.generate_private_key(65537, 2048)
    now = datetime.now(timezone.utc).replace(microsecond=0)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "RSA root")])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1 << 90, now, now + timedelta(days=900))
        .add_extension(x509.BasicConstraints(True, None), critical=True)
        .sign(key, hashes.SHA256())
    )
    given("a.der", certificate.public_bytes(DER))
    given("a.key", key.private_bytes(DER, TRADITIONAL, OPEN))
    assert run("adopt", "a.der", "--key", "a.key").exit_code == 0
    assert key_in(tmp_path / "pki").public_key() == key.public_key()
