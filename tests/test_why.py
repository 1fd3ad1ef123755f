"""`why` against real servers with one fault each: its first line names the fault, and its steps cure it."""

from __future__ import annotations

import ipaddress
import json
import shlex
from datetime import datetime, timedelta, timezone

import jsonschema
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from . import servers
from .conftest import CHECKOUT, opensslgen

HOST = servers.HOST
SCHEMA = json.loads((CHECKOUT / "opensslgen" / "schema" / "answers.schema.json").read_text())
ADDRESS = x509.IPAddress(ipaddress.ip_address(HOST))


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    """A folder with a CA, a certificate for the server, and a revoked one."""
    folder = tmp_path_factory.mktemp("why")
    for typed in ("root --cn Office --key-type p-256", f"server {HOST} --key-type p-256"):
        assert opensslgen(*typed.split(), cwd=folder).returncode == 0
    return folder / "pki"


def issuer_of(pki):
    certificate = x509.load_pem_x509_certificate((pki / "ca.crt").read_bytes())
    return servers.Issued(certificate, serialization.load_pem_private_key((pki / "private/ca.key").read_bytes(), None))


def own(pki, name=HOST):
    """Return the certificate of the folder for a name."""
    chain = x509.load_pem_x509_certificates((pki / f"issued/{name}-chain.pem").read_bytes())
    key = serialization.load_pem_private_key((pki / f"private/{name}.key").read_bytes(), None)
    return servers.Issued(chain[0], key)


def leaf(
    pki,
    *,
    names=(ADDRESS,),
    days=(-1, 300),
    usage=ExtendedKeyUsageOID.SERVER_AUTH,
    key=None,
    signer=None,
):
    """Issue a certificate below the folder's CA that the folder does not know, with one fault."""
    signer = signer or issuer_of(pki)
    key = key or ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(timezone.utc).replace(microsecond=0)
    builder = (
        x509.CertificateBuilder(
            signer.certificate.subject,
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)]),
            key.public_key(),
            x509.random_serial_number(),
            now + timedelta(days=days[0]),
            now + timedelta(days=days[1]),
        )
        .add_extension(x509.BasicConstraints(False, None), True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.key.public_key()), False)
        .add_extension(x509.ExtendedKeyUsage([usage]), False)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(list(names)), False)
    return servers.Issued(builder.sign(signer.key, hashes.SHA256()), key)


def intermediate(pki):
    return servers.issue("Branch CA", issuer=issuer_of(pki), ca=True)


def below_intermediate(pki):
    return (leaf(pki, signer=intermediate(pki)),)


def below_another_root(_):
    root = servers.issue("Elsewhere", ca=True)
    return servers.issue(HOST, ADDRESS, issuer=root), root


OLD_TLS = ("-tls1_1", "-cipher", "ALL:@SECLEVEL=0")
STATIC_RSA = ("-tls1_2", "-cipher", "AES128-SHA")

# What is sent, the options of `openssl s_server`, and what the first line says.
FAULTS = {
    "expired": (lambda pki: (leaf(pki, days=(-300, -1)),), (), "a certificate has expired: it expired on"),
    "not yet valid": (lambda pki: (leaf(pki, days=(1, 300)),), (), "a certificate is not valid yet"),
    "another name": (
        lambda pki: (leaf(pki, names=[x509.DNSName("other.example.com")]),),
        (),
        "the certificate is for other names: it is not valid for IP:127.0.0.1, only for DNS:other.example.com",
    ),
    "address as a name": (
        lambda pki: (leaf(pki, names=[x509.DNSName(HOST)]),),
        (),
        "an address is written as a name",
    ),
    "no names": (lambda pki: (leaf(pki, names=()),), (), "it has no usable subject alternative name"),
    "only clientAuth": (
        lambda pki: (leaf(pki, usage=ExtendedKeyUsageOID.CLIENT_AUTH),),
        (),
        "the extended key usage serverAuth is missing",
    ),
    "seven years": (lambda pki: (leaf(pki, days=(-1, 2554)),), (), "it is valid for too long: it is valid for 2555"),
    "RSA 1024": (
        lambda pki: (leaf(pki, key=rsa.generate_private_key(65537, 1024)),),
        ("-cipher", "ALL:@SECLEVEL=0"),
        "a key is too short: the certificate has an RSA key of 1024 bits",
    ),
    "self-signed": (
        lambda _: (servers.issue(HOST, ADDRESS),),
        (),
        "its certificate is self-signed, not issued by a CA",
    ),
    "another root": (
        below_another_root,
        (),
        "phones may refuse it: its root is not yours: phones need CN=Elsewhere",
    ),
    "unknown issuer": (
        below_intermediate,
        (),
        "phones may refuse it: its issuer is not known here: CN=Branch CA is neither sent nor in",
    ),
    "TLS 1.1": (lambda pki: (own(pki),), OLD_TLS, "it speaks only old versions of TLS: it uses TLSv1.1"),
    "static RSA and CBC": (
        lambda pki: (leaf(pki, key=rsa.generate_private_key(65537, 2048), days=(-2, 300)),),
        STATIC_RSA,
        "phones may refuse it: its cipher suite is not one of App Transport Security: it uses the cipher suite AES128",
    ),
}


def ask(pki, port, *options):
    return opensslgen("why", f"{HOST}:{port}", *options, cwd=pki.parent)


@pytest.fixture
def bare(pki, tmp_path):
    """A folder with the CA alone, so that it has no better certificate than the one that is sent."""
    folder = tmp_path / "bare" / "pki"
    (folder / "private").mkdir(parents=True)
    (folder / "ca.crt").write_bytes((pki / "ca.crt").read_bytes())
    (folder / "private/ca.key").write_bytes((pki / "private/ca.key").read_bytes())
    (folder / "private/ca.key").chmod(0o600)
    (folder / "index.txt").write_text("")
    return folder


@pytest.mark.parametrize("fault", FAULTS)
def test_the_first_line_names_the_fault(fault, pki, bare, tmp_path):
    chain, options, words = FAULTS[fault]
    with servers.s_server(tmp_path, *chain(pki), options=options) as port:
        answer = ask(bare, port)
        first = answer.stdout.splitlines()[0]
        assert first.startswith(f"{HOST}:{port}: "), answer
        assert words in first
        assert answer.returncode == (0 if "may" in words else 1)
        assert "  to fix it: " in answer.stdout.splitlines()[1]


def test_a_good_server_leaves_the_two_steps_on_the_phone(pki, tmp_path):
    with servers.s_server(tmp_path, own(pki)) as port:
        answer = ask(pki, port)
    assert answer.returncode == 0
    assert answer.stdout.startswith(f"{HOST}:{port}: no fault was found in what the server sends\n")
    assert "Certificate Trust Settings, at the very bottom. Turn on Office." in answer.stdout
    assert "CN=127.0.0.1 <- CN=Office, *not sent*" in answer.stdout
    assert "Office, of pki" in answer.stdout


def test_the_old_certificate_is_the_cause_where_a_newer_one_is_there(pki, tmp_path):
    with servers.s_server(tmp_path, leaf(pki, days=(-800, -1))) as port:
        answer = ask(pki, port)
    assert "it still sends an old certificate: pki/issued/127.0.0.1.crt is newer" in answer.stdout.splitlines()[0]
    assert "install pki/issued/127.0.0.1-chain.pem" in answer.stdout.splitlines()[1]
    assert "--force" not in answer.stdout
    assert "renew" not in answer.stdout


def test_a_revoked_certificate_is_named(pki, tmp_path):
    folder = tmp_path / "box"
    opensslgen("root", "--cn", "Box", "--key-type", "p-256", cwd=folder_made(folder))
    opensslgen("server", "old.example.com", "--san", HOST, "--key-type", "p-256", cwd=folder)
    old = own(folder / "pki", "old.example.com")
    assert opensslgen("revoke", "old.example.com", "--yes", cwd=folder).returncode == 0
    with servers.s_server(tmp_path / "tls", old) as port:
        first = ask(folder / "pki", port).stdout.splitlines()[0]
    # openssl prints whole bytes, also where the first is below 16.
    serial = f"{old.certificate.serial_number:X}"
    assert f"its certificate was revoked: serial number {'0' * (len(serial) % 2)}{serial}" in first


def folder_made(folder):
    folder.mkdir()
    return folder


def test_an_intermediate_that_is_not_sent_is_named(pki, tmp_path):
    folder = folder_made(tmp_path / "box")
    for typed in ("root --cn Box", "intermediate branch"):
        opensslgen(*typed.split(), "--key-type", "p-256", cwd=folder)
    branch = servers.Issued(
        x509.load_pem_x509_certificate((folder / "pki/issued/branch.crt").read_bytes()),
        serialization.load_pem_private_key((folder / "pki/private/branch.key").read_bytes(), None),
    )
    with servers.s_server(tmp_path / "tls", leaf(pki, signer=branch)) as port:
        first = ask(folder / "pki", port).stdout.splitlines()[0]
    assert "it does not send its whole chain: CN=branch is missing" in first


@pytest.mark.parametrize(
    ("behave", "words"),
    [(servers.closing, "closes the connection"), (servers.garbage, "does not speak TLS")],
)
def test_no_tls_is_named(behave, words, bare):
    with servers.scripted(behave) as port:
        answer = ask(bare, port)
    assert answer.returncode == 2
    assert words in answer.stdout.splitlines()[0]


def test_a_closed_port_is_named(bare):
    answer = ask(bare, servers.free_port())
    assert answer.returncode == 2
    assert "connection refused" in answer.stdout.splitlines()[0]


def test_the_command_cures_the_fault(bare, tmp_path):
    """Run what it says, serve what that makes, and ask again."""
    with servers.s_server(tmp_path / "bad", servers.issue(HOST, ADDRESS)) as port:
        answer = json.loads(ask(bare, port, "--json").stdout)
    jsonschema.validate(answer, {**SCHEMA, "anyOf": [{"$ref": "#/$defs/why"}]})
    step = answer["causes"][0]["steps"][0]
    program, *words = shlex.split(step)
    assert program.endswith("opensslgen")
    assert opensslgen(*words, cwd=bare.parent).returncode == 0
    with servers.s_server(tmp_path / "good", own(bare)) as port:
        answer = ask(bare, port)
    assert "no fault was found" in answer.stdout.splitlines()[0], answer


def test_hosts_are_read_with_and_without_a_port():
    from opensslgen.audit.why import target_of

    assert (target_of("pbx.example.com").port, target_of("pbx.example.com:5061").port) == (443, 5061)
    assert target_of("2001:db8::1").host == "2001:db8::1"
    assert target_of("[2001:db8::1]:8443").port == 8443
    assert target_of("ldaps://ldap.example.com").port == 636
