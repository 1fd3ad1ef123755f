"""A renewed certificate is like the old one but for its end, its key if wanted, and nothing of the old is lost."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.hazmat.primitives.serialization.pkcs12 import load_pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from cryptography.x509.verification import PolicyBuilder
from cryptography.x509.verification import Store as TrustStore

from opensslgen.cli.main import cli
from opensslgen.jobs.issue import intermediate_job, leaf_job, root_job, self_signed_job
from opensslgen.jobs.perform import Authority
from opensslgen.jobs.renew import Renewal, renewal_job, root_renewal_job
from opensslgen.openssl import command
from opensslgen.orders.kinds import KINDS, SELF_SIGNED
from opensslgen.orders.order import intermediate_order, leaf_order, root_order
from opensslgen.pki.store import Store
from opensslgen.plan import secrets
from opensslgen.plan.script import as_script
from opensslgen.x509 import key_types

from .conftest import CHECKOUT, EC, files_below, make_root, make_server, no_secret, opensslgen
from .jobs import SECRETS, summary
from .openssls import BINARIES
from .shells import EACH_SHELL, SHELLS
from .signing_requests import asking, written

CRL_URL = "http://pki.example.com/crl.der"
CN = NameOID.COMMON_NAME


def renew(*arguments):
    """Run the command in this process."""
    return CliRunner().invoke(cli, ["renew", *map(str, arguments)])


def later(days, *arguments, **options):
    """Run the command as if so many days had passed."""
    return subprocess.run(
        ["faketime", "-f", f"+{days}d", sys.executable, "-m", "opensslgen", *arguments],
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        **options,
    )


def read(path):
    return x509.load_pem_x509_certificate(Path(path).read_bytes())


def issued(name):
    return read(f"pki/issued/{name}.crt")


def make(authority, name, kind="server", **options):
    options.setdefault("key_type", EC)
    order = leaf_order(name, kind=KINDS[kind], **options)
    if kind == "self-signed":
        return authority.make(lambda: self_signed_job(order, store=authority.store))
    return authority.make(lambda: leaf_job(order, store=authority.store, root=root_order(key_type=EC), fixed_days=True))


def likeness(certificate):
    """Return all that a renewed certificate has in common with the old one, read by cryptography."""
    key = certificate.public_key()
    identifier = x509.SubjectKeyIdentifier.from_public_key(key)
    return (
        certificate.subject.public_bytes(),
        certificate.issuer.public_bytes(),
        certificate.not_valid_after_utc - certificate.not_valid_before_utc,
        type(key).__name__,
        key.key_size,
        [
            (extension.oid, extension.critical, extension.value)
            for extension in certificate.extensions
            if extension.value not in (identifier, x509.AuthorityKeyIdentifier(identifier.digest, None, None))
        ],
    )


LEAVES = {
    "names": {"name": "pbx.example.com", "san": ["10.0.0.5, sip.example.com", "2001:db8::1", "URI:https://a.example/"]},
    "subject": {"name": "pbx.example.com", "organization": "O'Neil & Söhne $x", "country": "de", "state": "NRW"},
    "p-384": {"name": "pbx.example.com", "key_type": key_types.key_type("p-384")},
    "rsa": {"name": "pbx.example.com", "key_type": key_types.key_type("rsa-2048")},
    "crl": {"name": "pbx.example.com", "crl_url": CRL_URL},
    "days": {"name": "pbx.example.com", "days": 90},
    "usages": {"name": "pbx.example.com", "extended_key_usage": ["serverAuth", "1.3.6.1.5.5.7.3.17"]},
    "key usage": {"name": "pbx.example.com", "key_usage": ["digitalSignature,keyAgreement"]},
    "wildcard": {"name": "*.example.com"},
    "client": {"name": "alice@example.com", "kind": "client", "common_name": "Alice Exämple"},
    "client without names": {"name": "9608-phone", "kind": "client"},
    "self-signed": {"name": "pbx.example.com", "kind": "self-signed", "san": ["10.0.0.5"]},
}


@pytest.mark.slow
@pytest.mark.parametrize("keep", [False, True], ids=["new-key", "keep-key"])
@pytest.mark.parametrize("options", LEAVES.values(), ids=LEAVES)
def test_a_leaf_is_made_anew_and_nothing_of_the_old_is_lost(options, keep, authority):
    made = make(authority, **options)
    stem = made.files["certificate"].stem
    before = {path.name: path.read_bytes() for path in made.files.values() if path.stem.startswith(stem)}
    old = issued(stem)
    done = renew(stem, *(["--keep-key"] if keep else []))
    assert done.exit_code == 0, done.output
    new = issued(stem)
    assert likeness(new) == likeness(old)
    assert (new.public_key() == old.public_key()) is keep
    assert new.serial_number != old.serial_number
    assert new.not_valid_after_utc >= old.not_valid_after_utc
    key = load_pem_private_key(Path(f"pki/private/{stem}.key").read_bytes(), None)
    assert key.public_key() == new.public_key()
    everything = [path.read_bytes() for path in Path("pki").rglob("*") if path.is_file()]
    assert all(content in everything for content in before.values())
    assert not [name for name, mode in files_below(Path("pki")).items() if ".key" in name and mode != "0o600"]
    assert Path("pki/index.txt").read_text().count("V\t") == 2
    assert f"remains valid until it expires on {old.not_valid_after_utc:%Y-%m-%d}" in done.stderr
    if options.get("kind") != "self-signed":
        new.verify_directly_issued_by(read("pki/ca.crt"))
        assert f"opensslgen revoke {old.serial_number:X}" in done.stderr.replace(" 0", " ")


def test_names_find_a_certificate_as_in_show(authority):
    make_server(authority, san=["10.0.0.5"])
    serial = issued("pbx.example.com").serial_number
    assert renew("10.0.0.5").exit_code == 0
    done = renew(f"{serial:X}")
    assert done.exit_code == 2
    assert "it cannot be renewed there" in done.output
    assert renew("other.example.com").exit_code == 2


def test_a_certificate_whose_key_is_elsewhere_is_signed_again_with_it(authority):
    make_root(authority)
    written(asking(x509.DNSName("box.example.com"), subject=((CN, "Box"),)))
    assert opensslgen("sign", "box.req", "--yes", "--name", "box").returncode == 0
    old = issued("box")
    done = renew("box")
    assert done.exit_code == 0, done.output
    assert "its key is not in this folder" in done.stderr
    assert likeness(issued("box")) == likeness(old)
    assert issued("box").public_key() == old.public_key()
    assert not Path("pki/private/box.key").exists()
    Path("pki/reqs/box.req").unlink()
    done = renew("box")
    assert done.exit_code == 1
    assert "which would be signed again, is missing" in done.output


def test_a_request_of_another_key_is_not_signed_instead(authority):
    make_server(authority)
    written(asking(x509.DNSName("pbx.example.com")), path="pki/reqs/pbx.example.com.req")
    done = renew("pbx.example.com", "--keep-key")
    assert done.exit_code == 1
    assert "is of another key" in done.output


@pytest.mark.slow
def test_an_old_pkcs12_file_is_put_aside_or_made_anew(openssl):
    authority = Authority(Store(Path("pki")), openssl, SECRETS.__getitem__)
    make_server(authority, p12="p12")
    old = Path("pki/private/pbx.example.com.p12").read_bytes()
    done = renew("pbx.example.com", "--no-p12")
    assert done.exit_code == 0
    assert "holds the old certificate and was renamed" in done.stderr
    (aside,) = Path("pki/private").glob("*.p12*")
    assert aside.read_bytes() == old
    assert ".old-" in aside.name
    for keep in ((), ("--keep-key",)):
        Path("password").write_text(SECRETS[secrets.P12_PASSWORD])
        done = renew("pbx.example.com", "--p12", "--p12-password-file", "password", *keep)
        assert done.exit_code == 0, done.output
        bundle = load_pkcs12(
            Path("pki/private/pbx.example.com.p12").read_bytes(), SECRETS[secrets.P12_PASSWORD].encode()
        )
        assert bundle.cert.certificate == issued("pbx.example.com")
        assert bundle.key.public_key() == issued("pbx.example.com").public_key()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["server", "client", "self-signed"])
def test_whatever_makes_a_certificate_anew_puts_an_old_pkcs12_file_aside(kind, openssl):
    authority = Authority(Store(Path("pki")), openssl, SECRETS.__getitem__)
    make(authority, "pbx.example.com", kind, p12="p12")
    old = Path("pki/private/pbx.example.com.p12").read_bytes()
    done = opensslgen(kind, "pbx.example.com", "--force", "--key-type", "p-256")
    assert done.returncode == 0, done.stderr
    assert "pbx.example.com.p12 holds the old certificate and was renamed" in done.stdout + done.stderr
    (aside,) = Path("pki/private").glob("*.p12*")
    assert f"to private/{aside.name}" in done.stdout + done.stderr
    assert aside.read_bytes() == old


@pytest.mark.slow
def test_a_batch_leaves_an_old_pkcs12_file_whose_password_it_has_not(openssl):
    make(Authority(Store(Path("pki")), openssl, SECRETS.__getitem__), "pbx.example.com", "server", p12="p12")
    before = {path: path.read_bytes() for path in Path("pki").rglob("pbx.example.com*")}
    Path("sites.csv").write_text("name,org\npbx.example.com,Acme\n")
    done = opensslgen("batch", "sites.csv", "--key-type", "p-256")
    assert done.returncode == 1
    assert "pbx.example.com.p12 holds the old certificate, and to make it again, its password is needed" in done.stderr
    assert {path: path.read_bytes() for path in Path("pki").rglob("pbx.example.com*")} == before


def test_within_renews_what_ends_soon_once_and_goes_on_after_a_failure(authority):
    make_server(authority, "soon.example.com", days=100)
    make_server(authority, "later.example.com", days=400)
    written(asking(x509.DNSName("foreign.example.com")))
    sign = ("sign", "box.req", "--san", "foreign.example.com", "--days", "90", "-q")
    assert opensslgen(*sign).returncode == 0
    Path("pki/reqs/foreign.example.com.req").unlink()
    assert renew("--within", "30").stdout == "no certificate expires within 30 days\n"
    done = later(75, "renew", "--within", "30", "--json")
    assert done.returncode == 1
    failed, renewed = json.loads(done.stdout)
    assert failed["name"] == "foreign.example.com"
    assert "is missing" in failed["error"]
    assert renewed["name"] == "soon.example.com"
    assert "foreign.example.com.req, which would be signed again, is missing" in done.stderr
    assert read("pki/issued/soon.example.com.crt").not_valid_after_utc > datetime.now(timezone.utc) + timedelta(170)
    (again,) = json.loads(later(76, "renew", "--within", "30", "--json").stdout)
    assert again["name"] == "foreign.example.com"


@pytest.mark.slow
def test_within_renews_what_has_ended_meanwhile_but_not_what_was_revoked(authority):
    make_server(authority, "off.example.com", days=100)
    make_server(authority, "gone.example.com", days=90)
    assert opensslgen("revoke", "gone.example.com", "--yes").returncode == 0
    done = renew("gone.example.com")
    assert done.exit_code == 1
    assert "was revoked" in done.output
    done = later(200, "renew", "--within", "30", "--json")
    assert done.returncode == 0, done.stderr
    assert [made["name"] for made in json.loads(done.stdout)] == ["off.example.com"]
    assert later(201, "renew", "--within", "30").stdout == "no certificate expires within 30 days\n"


@pytest.mark.slow
@pytest.mark.parametrize("kept", [True, False], ids=["old files kept", "old files removed"])
def test_within_leaves_alone_what_a_later_one_with_another_subject_or_fewer_names_has_replaced(kept, authority):
    make_server(authority, days=100, san=["sip.example.com"])
    server = ("server", "pbx.example.com", "--key-type", "p-256", "--force", "-q")
    assert opensslgen(*server).returncode == 0  # fewer names
    assert opensslgen(*server, "--org", "Acme").returncode == 0  # another subject
    if not kept:
        for path in Path("pki").rglob("*.old-*"):
            path.unlink()
    done = later(80, "renew", "--within", "30")
    assert (done.returncode, done.stdout, done.stderr) == (0, "no certificate expires within 30 days\n", "")


@pytest.mark.slow
def test_within_leaves_alone_what_was_replaced_by_one_that_was_revoked_and_made_again(authority):
    make_server(authority, days=100, san=["sip.example.com"])
    assert renew("pbx.example.com").exit_code == 0
    assert opensslgen("revoke", "pbx.example.com", "--yes").returncode == 0
    done = later(80, "renew", "--within", "30")
    assert (done.returncode, done.stderr) == (0, "")
    assert opensslgen("server", "pbx.example.com", "--key-type", "p-256", "-q").returncode == 0
    done = later(80, "renew", "--within", "30")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
def test_what_lives_for_less_is_renewed_in_its_last_third(authority):
    make_server(authority, days=9)
    assert "nothing is due" in renew("--within", "30").stdout
    assert "nothing is due" in later(5, "renew", "--within", "30").stdout
    assert "Renewed" in later(7, "renew", "--within", "30").stdout


@pytest.mark.slow
def test_what_is_valid_for_hardly_longer_than_that_is_not_renewed_each_day(authority):
    make_server(authority, days=31)
    for days, said in (
        (2, "nothing is due"),
        (20, "nothing is due"),
        (22, "Renewed"),
        (24, "nothing is due"),
    ):
        assert said in later(days, "renew", "--within", "30").stdout


def test_a_root_is_renewed_in_its_last_third_and_before_what_is_below_it(authority):
    make_root(authority, days=20)
    make_server(authority)
    assert "nothing is due" in renew("--within", "30").stdout
    done = later(15, "renew", "--within", "30", "--json")
    assert done.returncode == 0, done.stderr
    root, leaf = json.loads(done.stdout)
    assert leaf["name"] == "pbx.example.com"
    assert root["name"] != leaf["name"]
    assert "nothing is due" in later(16, "renew", "--within", "30").stdout


@pytest.mark.slow
def test_days_and_p12_are_of_the_leaves_where_all_are_renewed_that_are_due(authority, monkeypatch):
    make_root(authority, days=20)
    make_server(authority)
    monkeypatch.setenv("OPENSSLGEN_P12_PASSWORD", "battery staple")
    done = later(15, "renew", "--within", "30", "--days", "10", "--p12", "--json")
    assert done.returncode == 0, done.stderr
    for name, days in (("ca.crt", 20), ("issued/pbx.example.com.crt", 10)):
        made = read(Path("pki", name))
        assert (made.not_valid_after_utc - made.not_valid_before_utc).days == days
    assert Path("pki/private/pbx.example.com.p12").exists()


@pytest.mark.slow
def test_what_would_end_no_later_is_not_renewed(authority):
    make_root(authority, days=50)
    make_server(authority)
    done = later(30, "renew", "pbx.example.com")
    assert done.returncode == 1
    assert "would expire no later than the old one" in done.stderr
    assert "renew the CA first; a root: opensslgen renew ca" in done.stderr
    assert later(30, "renew", "ca", "--days", "3650").returncode == 0
    assert later(30, "renew", "pbx.example.com", "--days", "60").returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name the certificates to renew, or use --within"),
        (["pbx.example.com", "--within", "3"], "name the certificates to renew, or use --within"),
        (["--within", "30", "--script"], "--script needs exactly one name"),
        (["ca", "--p12"], "a root cannot be written as a PKCS#12 file"),
    ],
)
def test_bad_usage_is_refused(arguments, message, authority):
    make_server(authority)
    done = renew(*arguments)
    assert done.exit_code == 2
    assert message in done.output


def foreign_leaf(
    path="pki/issued/old.crt",
    key=None,
    name="old.example.com",
    usages=(ExtendedKeyUsageOID.SERVER_AUTH,),
    extensions=(),
):
    """Put a certificate of the folder's root there, as another tool may have made it."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(timezone.utc).replace(microsecond=0)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(CN, "old.example.com")]))
        .issuer_name(read("pki/ca.crt").subject)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=2000))
        .serial_number(x509.random_serial_number())
        .public_key(key.public_key())
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    )
    if usages:
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    root_key = load_pem_private_key(Path("pki/private/ca.key").read_bytes(), None)
    Path(path).write_bytes(builder.sign(root_key, hashes.SHA256()).public_bytes(Encoding.PEM))
    Path("pki/private/old.key").write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    )


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        ({"usages": ()}, 1, "[apple-eku]"),
        ({"usages": (ExtendedKeyUsageOID.CODE_SIGNING,)}, 1, "[apple-eku]"),
        ({"key": "small"}, 1, "[apple-key-size]"),
        ({"name": "a.example\nDNS:b.example"}, 2, "U+000A"),
        ({"name": "a.example,b.example"}, 2, "comma"),
        ({"key": "odd"}, 2, "no new key of this kind can be made"),
    ],
)
def test_what_is_not_clean_is_refused_and_stays(options, code, message, authority):
    make_root(authority)
    made = {
        "small": lambda: rsa.generate_private_key(65537, 1024),
        "odd": lambda: ec.generate_private_key(ec.SECP256K1()),
    }
    foreign_leaf(**{**options, **({"key": made[options["key"]]()} if "key" in options else {})})
    before = files_below(Path("pki"))
    done = renew("pki/issued/old.crt")
    assert done.exit_code == code, done.output
    assert message in done.output
    assert files_below(Path("pki")) == before


def test_a_certificate_of_another_tool_that_lives_too_long_gets_820_days(authority):
    make_root(authority)
    foreign_leaf()
    done = renew("pki/issued/old.crt")
    assert done.exit_code == 0, done.output
    new = issued("old")
    assert new.not_valid_after_utc - new.not_valid_before_utc == timedelta(days=820)


def verify_by_all(root, leaf, *between):
    """Ask cryptography, openssl and GnuTLS whether a leaf stands below a root."""
    chain = [read(path) for path in between]
    certificate = read(leaf)
    verifier = PolicyBuilder().store(TrustStore([read(root)])).build_server_verifier(x509.DNSName("pbx.example.com"))
    verifier.verify(certificate, chain)
    untrusted = [option for path in between for option in ("-untrusted", path)]
    subprocess.run(
        ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", root, *untrusted, leaf],
        check=True,
        capture_output=True,
    )
    Path("chain.pem").write_bytes(b"".join(Path(path).read_bytes() for path in (leaf, *between)))
    subprocess.run(
        ["certtool", "--verify", "--load-ca-certificate", root, "--infile", "chain.pem"],
        check=True,
        capture_output=True,
    )


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"permit": ["example.com", "10.0.0.0/8"], "exclude": ["bad.example.com"]}])
def test_what_a_root_has_signed_stands_below_the_renewed_root_and_the_other_way_round(options, authority):
    make_root(authority, common_name="Wurzel Ä", **options)
    make_server(authority)
    old_root = read("pki/ca.crt")
    Path("old-root.crt").write_bytes(Path("pki/ca.crt").read_bytes())
    Path("old-leaf.crt").write_bytes(Path("pki/issued/pbx.example.com.crt").read_bytes())
    done = renew("ca", "--days", "4000")
    assert done.exit_code == 0, done.output
    root = read("pki/ca.crt")
    assert root.subject.public_bytes() == old_root.subject.public_bytes()
    assert root.public_key() == old_root.public_key()
    assert list(root.extensions) == list(old_root.extensions)
    assert root.serial_number != old_root.serial_number
    assert root.not_valid_after_utc > old_root.not_valid_after_utc
    (kept,) = Path("pki").glob("ca.crt.old-*")
    assert kept.read_bytes() == Path("old-root.crt").read_bytes()
    assert renew("pbx.example.com").exit_code == 0
    for either in ("old-root.crt", "pki/ca.crt"):
        for leaf in ("old-leaf.crt", "pki/issued/pbx.example.com.crt"):
            verify_by_all(either, leaf)


def test_a_root_of_other_making_keeps_its_identifier_and_its_encrypted_key(openssl):
    """Its key identifier is none of the usual hash, and its subject one that nobody can type."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.TITLE, "Dr\n$x"), x509.NameAttribute(CN, "Old root")])
    now = datetime.now(timezone.utc).replace(microsecond=0)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=100))
        .serial_number(5)
        .public_key(key.public_key())
        .add_extension(x509.BasicConstraints(True, 2), critical=True)
        .add_extension(x509.SubjectKeyIdentifier(b"\1\2\3\4\5\6\7\x08"), critical=False)
        .sign(key, hashes.SHA256())
    )
    Path("pki/private").mkdir(parents=True)
    Path("pki/ca.crt").write_bytes(made.public_bytes(Encoding.PEM))
    passphrase = SECRETS[secrets.CA_PASSPHRASE]
    encryption = BestAvailableEncryption(passphrase.encode())
    Path("pki/private/ca.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
    Path("passphrase").write_text(passphrase)
    done = renew("ca", "--passphrase-file", "passphrase", "--days", "200")
    assert done.exit_code == 0, done.output
    root = read("pki/ca.crt")
    assert root.subject.public_bytes() == name.public_bytes()
    assert root.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest == bytes(range(1, 9))
    assert root.extensions.get_extension_for_class(x509.BasicConstraints).value == x509.BasicConstraints(True, 2)
    assert root.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    script = renew("ca", "--script", "--days", "300").stdout
    assert not re.search(r"^\$x", script, re.MULTILINE)


def test_what_names_the_roots_serial_number_stands_below_the_old_root_alone_and_is_told(authority):
    make_root(authority)
    Path("old-root.crt").write_bytes(Path("pki/ca.crt").read_bytes())
    root = read("pki/ca.crt")
    identifier = root.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    by_number = x509.AuthorityKeyIdentifier(identifier, [x509.DirectoryName(root.subject)], root.serial_number)
    foreign_leaf(extensions=[by_number])
    Path("pki/issued/garbage.crt").write_text("garbage")
    done = renew("ca")
    assert done.exit_code == 0, done.output
    assert "are valid only below the old root until they are renewed: old.crt" in done.stderr
    verify = [["openssl", "verify", "-CAfile", root, "pki/issued/old.crt"] for root in ("old-root.crt", "pki/ca.crt")]
    assert [subprocess.run(each, capture_output=True).returncode for each in verify] == [0, 2]


def test_a_root_laid_out_as_openssl_ca_does_is_renewed_where_it_is(authority):
    make_root(authority)
    Path("pki/ca.crt").rename("pki/cacert.pem")
    Path("pki/private/ca.key").rename("pki/private/cakey.pem")
    old = Path("pki/cacert.pem").read_bytes()
    assert renew("ca").exit_code == 0
    assert read("pki/cacert.pem").serial_number != x509.load_pem_x509_certificate(old).serial_number
    (kept,) = Path("pki").glob("cacert.pem.old-*")
    assert kept.read_bytes() == old
    assert not Path("pki/ca.crt").exists()


def make_intermediate(authority, **options):
    order = intermediate_order("Site Berlin", key_type=EC, permit=["example.com"], **options)
    return authority.make(lambda: intermediate_job(order, store=authority.store, fixed_days=True))


def test_an_intermediate_keeps_its_key_so_that_its_leaves_go_on(authority, openssl):
    make_root(authority)
    made = make_intermediate(authority, crl_url=CRL_URL)
    below = Store(Path("pki-berlin"))
    (below.path / "private").mkdir(parents=True)
    for file, target in (("certificate", "ca.crt"), ("key", "private/ca.key")):
        (below.path / target).write_bytes(made.files[file].read_bytes())
    (below.path / "ca-chain.pem").write_bytes(Path("pki/ca.crt").read_bytes())
    leaf = make_server(Authority(below, openssl, no_secret)).files["certificate"]
    old = issued("Site_Berlin")
    done = renew("Site_Berlin")
    assert done.exit_code == 0, done.output
    new = issued("Site_Berlin")
    assert likeness(new) == likeness(old)
    assert new.public_key() == old.public_key()
    assert new.serial_number != old.serial_number
    verify_by_all("pki/ca.crt", leaf, "pki/issued/Site_Berlin.crt")
    done = renew("ca", "--pki", "pki-berlin")
    assert done.exit_code == 2
    assert "is an intermediate: renew it in the folder of its issuer" in done.output
    assert renew("Site_Berlin", "--p12").exit_code == 2


@pytest.mark.slow
def test_the_hook_is_told_what_was_made_and_no_secret(openssl, monkeypatch):
    authority = Authority(Store(Path("pki")), openssl, SECRETS.__getitem__)
    make_server(authority)
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    done = opensslgen("renew", "pbx.example.com", "--p12", "--hook", "env; echo said >&2", "-q")
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert "said" in done.stderr
    told = dict(line.split("=", 1) for line in done.stderr.splitlines() if re.match("OPENSSLGEN_(?!TEST)", line))
    here = Path.cwd()
    assert told == {
        "OPENSSLGEN_NAME": "pbx.example.com",
        "OPENSSLGEN_CERTIFICATE": f"{here}/pki/issued/pbx.example.com.crt",
        "OPENSSLGEN_CHAIN": f"{here}/pki/issued/pbx.example.com-chain.pem",
        "OPENSSLGEN_KEY": f"{here}/pki/private/pbx.example.com.key",
        "OPENSSLGEN_P12": f"{here}/pki/private/pbx.example.com.p12",
        "OPENSSLGEN_ROOT": f"{here}/pki/ca.crt",
        "OPENSSLGEN_PKI": f"{here}/pki",
    }
    assert not [value for value in SECRETS.values() if value in done.stderr]
    kept = opensslgen("renew", "pbx.example.com", "--keep-key", "--hook", 'test -s "$OPENSSLGEN_KEY"')
    assert kept.returncode == 0, kept.stderr


@pytest.mark.slow
def test_a_failing_hook_is_an_error_but_the_certificate_stays(authority):
    make_server(authority)
    old = issued("pbx.example.com")
    done = opensslgen("renew", "pbx.example.com", "--hook", "echo no such service; exit 7")
    assert done.returncode == 1
    assert "the hook failed with exit code 7" in done.stderr
    assert "no such service" in done.stderr
    assert "Renewed" in done.stdout
    assert issued("pbx.example.com") != old
    done = opensslgen("renew", "pbx.example.com", "--hook", "exit 7", "--json")
    assert done.returncode == 1
    (made,) = json.loads(done.stdout)
    assert made["files"]["certificate"]
    assert "the hook failed" in made["error"]


# Both ways: run by us, and printed as a script.

WAYS = {
    "new-key": ("server", {}),
    "keep-key": ("server", {"keep_key": True}),
    "p12": ("server", {"p12": "p12"}),
    "keep-key-p12": ("server", {"keep_key": True, "p12": "p12-compat"}),
    "self-signed": ("self-signed", {"keep_key": True}),
    "intermediate": ("intermediate", {}),
    "root": ("root", {"days": 4000}),
}


def old_and_job(name, store, openssl):
    """Make what is to be renewed, and return what prepares its renewal."""
    kind, options = WAYS[name]
    authority = Authority(store, openssl, SECRETS.__getitem__)
    root = root_order(common_name="Test root", key_type=EC, encrypted=kind in ("root", "intermediate"))
    authority.make(lambda: root_job(root, store=store))
    if kind == "intermediate":
        make_intermediate(authority, path_length=1)
        return lambda: renewal_job("Site_Berlin", Renewal(**options), store=store)
    if kind == "root":
        return lambda: root_renewal_job(store=store, **options)
    p12 = None if kind == SELF_SIGNED.name else "p12"
    make(authority, "pbx.example.com", kind, p12=p12, san=["10.0.0.5"])
    return lambda: renewal_job("pbx.example.com", Renewal(**options), store=store)


def both_ways(name, shell, openssl, tmp_path):
    run, printed = Store(tmp_path / "run" / "pki"), Store(tmp_path / "printed" / "pki")
    for store in (run, printed):
        store.path.parent.mkdir()
    Authority(run, openssl, SECRETS.__getitem__).make(old_and_job(name, run, openssl))
    script = as_script(old_and_job(name, printed, openssl)().plan, version="test")
    assert not set(SECRETS.values()) & set(re.split(r"[\n']", script))
    done = subprocess.run(
        [*SHELLS[shell], "/dev/stdin"],
        input=script,
        cwd=printed.path.parent,
        env={**os.environ, **SECRETS, "OPENSSLGEN_OPENSSL": openssl.path},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert outcome(printed.path) == outcome(run.path)
    assert str(outcome(run.path)).count(".old")


def outcome(pki):
    """Return what both ways have to agree on; the copies by serial hold both the old and the new."""
    files, certificates, index = summary(pki)
    current = {place: read for place, read in certificates.items() if not place.startswith("certs_by_serial")}
    return re.sub(r"\.old-\d{8}T\d{6}Z", ".old", str((files, current, index)))


@pytest.mark.slow
@pytest.mark.parametrize("shell", EACH_SHELL)
@pytest.mark.parametrize("name", ["keep-key-p12", "root"])
def test_run_and_script_make_the_same_in_each_shell(name, shell, openssl, tmp_path):
    both_ways(name, shell, openssl, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", WAYS)
def test_run_and_script_make_the_same(name, openssl, tmp_path):
    both_ways(name, "dash", openssl, tmp_path)


@pytest.mark.parametrize("binary", BINARIES)
@pytest.mark.parametrize("name", ["keep-key", "root"])
def test_every_openssl_renews(name, binary, tmp_path):
    both_ways(name, "busybox", command.find(binary), tmp_path)


def test_a_script_is_printed_for_one_name(authority):
    make_server(authority)
    script = renew("pbx.example.com", "--script")
    assert script.exit_code == 0
    Path("renew.sh").write_text(script.stdout)
    old = issued("pbx.example.com")
    subprocess.run(["shellcheck", "-s", "sh", "renew.sh"], check=True)
    subprocess.run(["sh", "renew.sh"], check=True, capture_output=True)
    assert likeness(issued("pbx.example.com")) == likeness(old)


def test_no_script_is_printed_for_file_names_with_blanks(authority):
    """Other tools name files so; a script would stop half-way and lose the new key."""
    make_server(authority)
    for path in [*Path("pki").rglob("pbx.example.com*")]:
        path.rename(path.with_name(path.name.replace("pbx.example.com", "John Smith")))
    before = files_below(Path("pki"))
    done = renew("pbx.example.com", "--script")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "whose name contains white space: 'private/John Smith.key'" in done.stderr
    assert files_below(Path("pki")) == before
    assert renew("pbx.example.com").exit_code == 0


@pytest.mark.parametrize(
    "line", ["server.key private/John Smith.key 0600 new", "server.key private/John Smith.key 0600"]
)
def test_what_a_script_has_decided_and_cannot_be_read_is_kept(line, authority):
    make_server(authority)
    work = Path("pki/.script.0badc0")
    work.mkdir(mode=0o700)
    (work / "decided").write_text(f"server.crt issued/John.crt 0644 new\n{line}\n")
    (work / "server.key").write_text("the only copy\n")
    before = files_below(Path("pki"))
    done = renew("pbx.example.com")
    assert done.exit_code == 1
    assert "decided, line 2, was not written by a script of opensslgen" in done.stderr
    assert files_below(Path("pki")) == before


# What starts it each day.

AWKWARD = "printf '%s\\n' \"$OPENSSLGEN_NAME\" '100%' \"it's\" >hook.out"


def on_the_path(tmp_path, monkeypatch):
    """Put an opensslgen that notes its arguments on the PATH."""
    program = tmp_path / "my bin" / "opensslgen"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nPYTHONPATH={CHECKOUT} exec {sys.executable} -m opensslgen "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")


def due(authority):
    make_server(authority)
    foreign = leaf_order("due.example.com", key_type=EC, days=1)
    authority.make(lambda: leaf_job(foreign, store=authority.store, root=root_order(), fixed_days=True))


def systemd_words(line):
    """Split ExecStart= as systemd.syntax(7) does, and undo the doubled characters of systemd.service(5)."""
    words = shlex.split(line)
    # What is not doubled would be a variable or a specifier.
    assert not re.search("[$%]", " ".join(words).replace("$$", "").replace("%%", ""))
    return [word.replace("$$", "$").replace("%%", "%") for word in words]


@pytest.mark.slow
def test_the_line_of_cron_renews(authority, tmp_path, monkeypatch):
    on_the_path(tmp_path, monkeypatch)
    due(authority)
    printed = opensslgen("script", "cron", "--hook", AWKWARD, "--user", "pki").stdout
    line = printed.splitlines()[-1]
    match = re.fullmatch(r"17 3 \* \* \* pki (.*)", line)
    # cron takes a bare percent sign for the end of the command, and a backslash before it away (crontab(5)).
    assert not re.search(r"(?<!\\)%", match[1])
    monkeypatch.chdir("/")
    done = subprocess.run(
        ["faketime", "-f", "+20h", "sh", "-c", match[1].replace("\\%", "%")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert (tmp_path / "hook.out").read_text() == "due.example.com\n100%\nit's\n"


@pytest.mark.slow
def test_the_units_of_systemd_are_sound_and_renew(authority, tmp_path, monkeypatch):
    on_the_path(tmp_path, monkeypatch)
    due(authority)
    for unit in ("service", "timer"):
        done = opensslgen("script", "systemd", unit, "--hook", AWKWARD)
        assert done.returncode == 0, done.stderr
        Path(f"opensslgen-renew.{unit}").write_text(done.stdout)
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "./opensslgen-renew.timer", "./opensslgen-renew.service"],
        capture_output=True,
        text=True,
    )
    told = [line for line in verified.stderr.splitlines() if "opensslgen-renew" in line]
    assert told == []
    (line,) = re.findall(r"^ExecStart=(.*)$", Path("opensslgen-renew.service").read_text(), re.MULTILINE)
    done = subprocess.run(["faketime", "-f", "+20h", *systemd_words(line)], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert Path("hook.out").read_text() == "due.example.com\n100%\nit's\n"


def test_no_line_can_be_smuggled_into_a_unit_or_a_crontab():
    for which in (["systemd", "service"], ["cron"]):
        done = opensslgen("script", *which, "--hook", "true\n[Service]\nExecStart=evil")
        assert done.returncode == 2
        assert done.stdout == ""
