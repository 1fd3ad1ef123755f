"""What a file is, is told by its content; what cannot be read is never good."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, pkcs7, pkcs12
from cryptography.x509.oid import NameOID

from opensslgen.audit.result import Settings
from opensslgen.audit.targets import audit
from opensslgen.bundles.holding import kind_of, label_of_key
from opensslgen.bundles.private_keys import public_half
from opensslgen.openssl import command
from opensslgen.openssl.process import Process
from opensslgen.rules.profiles import rules_of
from opensslgen.x509.certificate import decode
from opensslgen.x509.pem import pem, pem_blocks

from .conftest import CHECKOUT
from .servers import issue

PASSWORD = "bell pepper"
CERTIFICATES = CHECKOUT / "tests" / "certificates"


@pytest.fixture(scope="module")
def root():
    return issue("Test root", ca=True, days=(-60, 900))


@pytest.fixture(scope="module")
def middle(root):
    return issue("Test authority", issuer=root, ca=True, days=(-60, 900))


@pytest.fixture(scope="module")
def leaf(middle):
    return issue("pbx.example.com", issuer=middle)


@pytest.fixture(scope="module")
def chain(leaf, middle, root):
    return leaf, middle, root


def settings(**options):
    options.setdefault("rules", rules_of(["apple"]))
    options.setdefault("at", datetime.now(timezone.utc))
    options.setdefault("password", lambda _: PASSWORD)
    options.setdefault("openssl", command.find)
    return Settings(**options)


def audited(path, content=None, *, mode=0o600, **options):
    if content is not None:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        path.chmod(mode)
    return list(audit([str(path)], settings(**options)))


def judged(path, content=None, **options):
    (result,) = audited(path, content, **options)
    return result


def ids(result):
    assert result.unreadable is None, result.unreadable
    return [finding.rule.id for finding in result.findings]


# --- what a file is


def private(key, encoding=Encoding.DER, form=PrivateFormat.PKCS8, encryption=None):
    return key.private_bytes(encoding, form, encryption or NoEncryption())


def request_der(key):
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "pbx.example.com")])
    return (
        x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256()).public_bytes(Encoding.DER)
    )


def test_der_is_told_by_its_structure(leaf, root):
    rsa_key = rsa.generate_private_key(65537, 2048)
    certificates = [leaf.certificate, root.certificate]
    strong = serialization.BestAvailableEncryption(b"bell pepper")
    crl = x509.CertificateRevocationListBuilder(
        root.certificate.subject, datetime(2026, 1, 1), datetime(2027, 1, 1)
    ).sign(root.key, hashes.SHA256())
    version_1 = next(pem_blocks((CERTIFICATES / "strict-version-1.pem").read_bytes())).body
    kinds = {
        "certificate": [leaf.der, leaf.der + b"\n", leaf.der[:-40], version_1],
        "request": [request_der(leaf.key), request_der(rsa_key)],
        "pkcs7": [pkcs7.serialize_certificates(certificates, Encoding.DER)],
        "pkcs12": [pkcs12.serialize_key_and_certificates(b"x", leaf.key, leaf.certificate, certificates[1:], strong)],
        "key": [
            private(leaf.key),
            private(rsa_key),
            private(leaf.key, form=PrivateFormat.TraditionalOpenSSL),
            private(rsa_key, form=PrivateFormat.TraditionalOpenSSL),
            private(leaf.key, encryption=strong),
            private(ed25519.Ed25519PrivateKey.generate()),
        ],
        "crl": [crl.public_bytes(Encoding.DER)],
        None: [
            b"",
            b"0",
            b"0\x82",
            b"0 or more lines of text\n",
            leaf.certificate.public_key().public_bytes(Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo),
        ],
    }
    for kind, inputs in kinds.items():
        for data in inputs:
            assert kind_of(data) == kind, data[:20].hex()


def test_every_shorter_beginning_is_no_crash(leaf):
    for size in range(200):
        kind_of(leaf.der[:size])


@pytest.mark.parametrize("label", ["PGP PRIVATE KEY BLOCK", "DH PARAMETERS", "PUBLIC KEY"])
def test_other_blocks_are_not_ours(label):
    assert kind_of(f"-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n".encode()) is None


def test_a_block_with_a_damaged_label_is_still_one(tmp_path):
    assert (
        "label"
        in judged(tmp_path / "a.pem", "-----BEGIN CERTIFICATE----\nAAAA\n-----END CERTIFICATE-----\n").unreadable
    )


# --- certificates and their issuers


def test_the_first_certificate_is_judged_and_the_others_are_its_issuers(tmp_path, leaf, middle, root):
    result = judged(tmp_path / "chain.pem", leaf.pem + middle.pem + root.pem)
    assert ids(result) == []
    assert result.kind == "certificate"
    assert result.certificate == decode(leaf.der)
    assert "chain-order" in ids(judged(tmp_path / "chain.pem", leaf.pem + root.pem + middle.pem))


def test_a_broken_first_block_is_not_skipped(tmp_path, leaf):
    broken = leaf.pem.replace("\nMII", "\n!!!", 1)
    assert "line 2" in judged(tmp_path / "a.pem", f"\n{broken}{leaf.pem}").unreadable
    assert judged(tmp_path / "a.pem", leaf.pem + broken).unreadable


def test_each_block_is_judged_by_itself(tmp_path, leaf, root):
    results = audited(tmp_path / "all.pem", f"# two\n{leaf.pem}text\n{root.pem}", each=True)
    assert [result.line for result in results] == [2, leaf.pem.count("\n") + 3]
    assert ids(results[0]) == []
    assert "leaf-is-ca" in ids(results[1])


def test_each_goes_on_after_a_broken_block_and_tells_its_line(tmp_path, leaf):
    broken = leaf.pem.replace("\nMII", "\n!!!", 1)
    first, second, third = audited(tmp_path / "all.pem", leaf.pem + broken + leaf.pem, each=True)
    line = leaf.pem.count("\n") + 1
    assert (first.unreadable, third.unreadable) == (None, None)
    assert second.unreadable.startswith(f"line {line}:")
    assert third.line == 2 * line - 1


# --- requests, PKCS#7, PKCS#12


def test_a_request_is_judged_by_what_it_asks_for(tmp_path, leaf):
    result = judged(tmp_path / "a.csr", request_der(leaf.key))
    assert result.kind == "request"
    assert {"apple-san", "apple-eku"} <= set(ids(result))


@pytest.mark.parametrize("encoding", [Encoding.DER, Encoding.PEM])
def test_pkcs7_has_its_leaf_found_whatever_the_order(tmp_path, leaf, middle, root, encoding):
    for order in ([leaf, middle, root], [root, middle, leaf]):
        data = pkcs7.serialize_certificates([each.certificate for each in order], encoding)
        result = judged(tmp_path / "a.p7b", data)
        assert ids(result) == []
        assert result.certificate == decode(leaf.der)
    assert len(audited(tmp_path / "a.p7b", each=True)) == 3


def test_pkcs7_by_openssl(tmp_path, leaf, root):
    (tmp_path / "chain.pem").write_text(leaf.pem + root.pem)
    argv = ["openssl", "crl2pkcs7", "-nocrl", "-certfile", "chain.pem", "-outform", "DER", "-out", "a.p7b"]
    subprocess.run(argv, check=True, cwd=tmp_path)
    assert judged(tmp_path / "a.p7b").certificate == decode(leaf.der)


def test_damaged_pkcs7_is_unreadable(tmp_path, leaf):
    data = pkcs7.serialize_certificates([leaf.certificate], Encoding.DER)
    for bad in (data[:-1], data + b"\0", data.replace(leaf.der[:60], b"\x30" * 60)):
        assert judged(tmp_path / "a.p7b", bad).unreadable


def p12(leaf, others, *options, folder):
    """Return a PKCS#12 file by openssl."""
    (folder / "leaf.pem").write_text(leaf.pem)
    (folder / "leaf.key").write_text(leaf.key_pem)
    (folder / "others.pem").write_text("".join(each.pem for each in others))
    argv = ["openssl", "pkcs12", "-export", "-in", "leaf.pem", "-inkey", "leaf.key", "-certfile", "others.pem"]
    argv += ["-passout", f"pass:{PASSWORD}", "-out", "out.p12", *options]
    subprocess.run(argv, check=True, cwd=folder, capture_output=True)
    return (folder / "out.p12").read_bytes()


COMPATIBLE = ("-keypbe", "PBE-SHA1-3DES", "-certpbe", "PBE-SHA1-3DES")


@pytest.mark.parametrize(
    ("options", "findings"),
    [
        (("-macalg", "sha1", *COMPATIBLE), []),
        (("-macalg", "sha256", *COMPATIBLE), ["p12-too-new"]),
        (("-macalg", "sha1", "-keypbe", "AES-256-CBC", "-certpbe", "AES-256-CBC"), ["p12-too-new"]),
        (("-macalg", "sha1", "-legacy"), ["p12-rc2"]),
    ],
)
def test_pkcs12_is_read_by_openssl_and_its_encryption_is_judged(tmp_path, chain, options, findings):
    leaf, middle, root = chain
    result = judged(tmp_path / "a.p12", p12(leaf, [root, middle], *options, folder=tmp_path))
    assert ids(result) == findings
    assert result.certificate == decode(leaf.der)


def test_a_wrong_password_and_damage_are_unreadable(tmp_path, leaf, root):
    data = p12(leaf, [root], folder=tmp_path)
    assert "password" in judged(tmp_path / "a.p12", data, password=lambda _: "wrong").unreadable
    assert judged(tmp_path / "a.p12", data[:-30]).unreadable


def test_a_name_in_a_pkcs12_file_that_is_a_certificate_is_not_taken_for_one(tmp_path, leaf):
    bad = issue("bad.example.com", ca=True)
    lie = f"x\nsubject=CN = x\nissuer=CN = x\n{leaf.pem}Bag Attributes\n    friendlyName: x"
    data = pkcs12.serialize_key_and_certificates(
        lie.encode(), bad.key, bad.certificate, None, serialization.BestAvailableEncryption(PASSWORD.encode())
    )
    printed = subprocess.run(
        ["openssl", "pkcs12", "-nokeys", "-passin", f"pass:{PASSWORD}"], input=data, capture_output=True, check=True
    )
    assert printed.stdout.count(b"-----BEGIN CERTIFICATE") == 2  # which openssl lets through
    assert "imitates a certificate" in judged(tmp_path / "a.p12", data).unreadable


def test_the_password_is_in_no_argument_and_no_key_comes_out(tmp_path, leaf, root, openssl):
    calls = []

    def start(argv, *, env, cwd, stdin, timeout, limit=None):
        calls.append((argv, env))
        process = openssl.start(argv, env=env, cwd=cwd, stdin=stdin, timeout=timeout)
        assert b"PRIVATE KEY" not in process.stdout
        return process

    data = p12(leaf, [root], folder=tmp_path)
    assert "p12-too-new" in ids(judged(tmp_path / "a.p12", data, openssl=lambda: replace(openssl, start=start)))
    assert calls
    for argv, env in calls:
        assert PASSWORD not in " ".join(argv)
        assert (PASSWORD in env.values()) is ("pkcs12" in argv)


# --- private keys


def keys():
    return {
        "RSA": rsa.generate_private_key(65537, 2048),
        "P-256": ec.generate_private_key(ec.SECP256R1()),
        "P-521": ec.generate_private_key(ec.SECP521R1()),
    }


def test_the_public_half_is_read_from_each_form_of_key():
    for key in keys().values():
        public = key.public_key().public_bytes(Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        traditional = private(key, form=PrivateFormat.TraditionalOpenSSL)
        label = "RSA PRIVATE KEY" if isinstance(key, rsa.RSAPrivateKey) else "EC PRIVATE KEY"
        assert public_half("PRIVATE KEY", private(key)).der == public
        assert public_half(label, traditional).der == public


def self_signed(key):
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "pbx.example.com")])
    now = datetime.now(timezone.utc).replace(microsecond=0)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1 << 100, now, now + timedelta(days=9))
    return builder.sign(key, None).public_bytes(Encoding.PEM).decode()


def test_a_key_without_its_public_half_is_asked_of_openssl(tmp_path):
    key, other = ed25519.Ed25519PrivateKey.generate(), ed25519.Ed25519PrivateKey.generate()
    pem = self_signed(key)
    assert public_half("PRIVATE KEY", private(key)) is None
    assert "key-mismatch" not in ids(judged(tmp_path / "a.pem", pem + private(key, Encoding.PEM).decode()))
    assert "key-mismatch" in ids(judged(tmp_path / "a.pem", pem + private(other, Encoding.PEM).decode()))


def test_where_openssl_cannot_tell_a_note_says_so(tmp_path, openssl):
    key = ed25519.Ed25519PrivateKey.generate()
    fails = replace(openssl, start=lambda *_, **__: Process(1, b"", b"no such algorithm"))
    result = judged(tmp_path / "a.pem", self_signed(key) + private(key, Encoding.PEM).decode(), openssl=lambda: fails)
    assert "no such algorithm" in result.notes[0]
    assert "key-mismatch" not in ids(result)


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_an_encrypted_key_is_a_note(tmp_path, leaf, form):
    secret = serialization.BestAvailableEncryption(b"bell pepper")
    result = judged(tmp_path / "a.pem", private(leaf.key, Encoding.PEM, form, secret).decode() + leaf.pem, mode=0o644)
    assert ids(result) == []
    assert "encrypted" in result.notes[0]


@pytest.mark.parametrize("begins", ["\x17\x80", "\x17\x0e", "\x30\x80", "\x30\x0f", "\x17\x81\x0d"], ids=repr)
def test_what_is_encrypted_is_never_taken_for_plain_whatever_it_begins_with(begins):
    """The old form of keys says so in a header; its bytes look like any others, once in 256 times like BER."""
    body = begins.encode("latin-1").ljust(16, b"x")
    headers = "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n"
    text = pem("RSA PRIVATE KEY", body).replace("KEY-----\n", f"KEY-----\n{headers}", 1).encode()
    (block,) = pem_blocks(text)
    assert (block.body, label_of_key(block, text)) == (body, "ENCRYPTED PRIVATE KEY")


def test_a_damaged_key_is_unreadable(tmp_path, leaf):
    lines = leaf.key_pem.splitlines()
    damaged = "\n".join([lines[0], "AAAA" + lines[1][4:], *lines[2:], ""])
    assert judged(tmp_path / "a.pem", leaf.pem + damaged).unreadable


@pytest.mark.parametrize(("mode", "readable"), [(0o600, False), (0o640, True), (0o604, True), (0o400, False)])
def test_a_key_alone_is_judged_by_who_can_read_it(tmp_path, leaf, mode, readable):
    for content in (leaf.key_pem, private(leaf.key)):
        path = tmp_path / f"{len(content)}.key"
        result = judged(path, content, mode=mode)
        assert result.kind == "key"
        assert ids(result) == (["key-mode"] if readable else [])


def test_a_request_is_held_against_its_key(tmp_path, leaf, root):
    pem = x509.load_der_x509_csr(request_der(leaf.key)).public_bytes(Encoding.PEM).decode()
    assert "key-mismatch" not in ids(judged(tmp_path / "a.pem", leaf.key_pem + pem))
    assert "key-mismatch" in ids(judged(tmp_path / "a.pem", root.key_pem + pem))


@pytest.mark.slow
def test_a_pkcs12_file_that_wants_endless_hashing_is_given_up(tmp_path, leaf, root, monkeypatch):
    monkeypatch.setattr("opensslgen.bundles.pkcs.TIMEOUT", 1.0)
    data = p12(leaf, [root], "-iter", "99999", folder=tmp_path)
    assert data.count(b"\x02\x03\x01\x86\x9f") >= 3
    endless = data.replace(b"\x02\x03\x01\x86\x9f", b"\x02\x03\x7f\xff\xff")
    assert judged(tmp_path / "a.p12", endless).unreadable


@pytest.mark.parametrize("each", [False, True])
def test_a_block_that_may_be_a_certificate_is_not_passed_over(tmp_path, leaf, each):
    other = pem("ATTRIBUTE CERTIFICATE", b"\x30\x03\x02\x01\x01")
    assert "is not supported" in audited(tmp_path / "a.pem", leaf.pem + other, each=each)[-1].unreadable
