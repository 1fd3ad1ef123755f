"""A pki folder as a whole: whatever is made to differ in it is found, under its own name, and nothing else is."""

from __future__ import annotations

import re
import shutil
import subprocess
from datetime import datetime, timedelta, timezone

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import NameOID

from opensslgen.audit.result import Settings
from opensslgen.audit.targets import audit
from opensslgen.jobs.issue import intermediate_job, leaf_job, request_job, self_signed_job
from opensslgen.jobs.perform import Authority
from opensslgen.openssl import command
from opensslgen.orders.kinds import CLIENT as CLIENT_KIND
from opensslgen.orders.kinds import SELF_SIGNED
from opensslgen.orders.order import intermediate_order, leaf_order, root_order
from opensslgen.pki.store import Store
from opensslgen.rules.profiles import rules_of
from opensslgen.rules.roles import AUTHORITY, CLIENT
from opensslgen.x509.certificate import load

from .conftest import EC, make_root, make_server, no_secret, opensslgen


@pytest.fixture(scope="session")
def made(openssl, tmp_path_factory):
    """A folder with one of each kind."""
    authority = Authority(Store(tmp_path_factory.mktemp("made") / "pki"), openssl, no_secret)
    store = authority.store
    make_root(authority, common_name="Root", permit=["example.com", "10.0.0.0/8"])
    make_server(authority, "pbx.example.com", san=["10.0.0.5"], crl_url="http://pki.example.com/crl.der")
    for name in ("alice@example.com", "9608-phone"):
        order = leaf_order(name, kind=CLIENT_KIND, key_type=EC)
        authority.make(lambda order=order: leaf_job(order, store=store, root=root_order(key_type=EC), fixed_days=False))
    order = leaf_order("ip500.example.com", kind=SELF_SIGNED, key_type=EC, san=["192.168.42.1"])
    authority.make(lambda: self_signed_job(order, store=store))
    site = intermediate_order("site berlin", key_type=EC, permit=["berlin.example.com"])
    authority.make(lambda: intermediate_job(site, store=store, fixed_days=False))
    return store.path


@pytest.fixture
def pki(made, tmp_path):
    """A copy of it, to be damaged."""
    return shutil.copytree(made, tmp_path / "pki")


def results(pki, *, at=None, **options):
    settings = Settings(
        rules=rules_of(["apple"]),
        rules_by_kind={AUTHORITY: rules_of(["root"]), CLIENT: rules_of(["client"])},
        at=at or datetime.now(timezone.utc),
        openssl=command.find,
        **options,
    )
    return list(audit([str(pki)], settings))


def found(pki, **options):
    """Return the ids of all findings, and what could not be read."""
    answers = results(pki, **options)
    unreadable = [f"unreadable: {result.unreadable}" for result in answers if result.unreadable]
    return [finding.rule.id for result in answers for finding in result.findings] + unreadable


def serial_of(pki, name):
    return load(pki / "issued" / f"{name}.crt").serial_hex


def test_a_fresh_folder_with_one_of_each_kind_complies(pki):
    done = opensslgen("audit", "-v", "pki", cwd=pki.parent)
    assert done.returncode == 0, done.stdout
    assert "pki: complies\n" in done.stdout
    assert "pki/index.txt: complies\n" in done.stdout
    assert "violates" not in done.stdout.rpartition("\n")[0].rpartition("\n")[0]
    said = dict(re.findall(r"^(\S+): complies.*\n  (judged as .*)$", done.stdout, re.MULTILINE))
    assert "by profile client" in said["pki/issued/9608-phone.crt"]
    assert "by profile client" in said["pki/issued/alice@example.com-chain.pem"]
    assert "by profile client" in said["pki/reqs/alice@example.com.req"]
    assert "by profile client" in said[f"pki/certs_by_serial/{serial_of(pki, '9608-phone')}.cnf"]
    assert "by profile root" in said["pki/issued/site_berlin.crt"]
    assert "by profile root" in said["pki/issued/site_berlin-chain.pem"]
    assert "by profile root" in said["pki/reqs/site_berlin.req"]
    assert "by profile root" in said["pki/ca.crt"]
    assert not any("pbx" in name or "ip500" in name for name in said)


@pytest.mark.slow
def test_it_is_the_same_from_wherever_a_file_is_named(pki):
    for folder, name in (
        (pki, "issued/9608-phone.crt"),
        (pki / "issued", "9608-phone.crt"),
        (pki / "issued", "../reqs/9608-phone.req"),
        (pki.parent, pki / "certs_by_serial" / f"{serial_of(pki, '9608-phone')}.cnf"),
    ):
        done = opensslgen("audit", name, cwd=folder)
        assert done.returncode == 0, done.stdout
        assert "by profile client" in done.stdout
    shutil.copy(pki / "issued" / "9608-phone.crt", pki.parent)
    assert opensslgen("audit", "9608-phone.crt", cwd=pki.parent).returncode == 1


def test_a_profile_that_is_named_is_the_one(pki):
    done = opensslgen("audit", "--profile", "apple", "pki/issued/9608-phone.crt", cwd=pki.parent)
    assert done.returncode == 1
    assert "[apple-eku]" in done.stdout


@pytest.mark.slow
def test_what_a_request_asks_for_does_not_count_once_its_certificate_is_there(pki, openssl):
    csr = "[req]\nprompt=no\ndistinguished_name=d\n[d]\nCN=box.example.com\n"
    (pki.parent / "csr.cnf").write_text(csr)
    new = [
        "req",
        "-new",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        "box.key",
        "-config",
        "csr.cnf",
        "-out",
        "box.csr",
    ]
    openssl.run(new, cwd=pki.parent)
    shutil.copy(pki.parent / "box.csr", pki / "reqs" / "box.example.com.req")
    assert found(pki) == ["apple-san", "apple-eku"]
    done = opensslgen("sign", "box.csr", "--san", "box.example.com", "--yes", "--force", cwd=pki.parent)
    assert done.returncode == 0, done.stderr
    assert found(pki) == []
    done = opensslgen("audit", "--profile", "apple", pki / "reqs" / "box.example.com.req")
    assert done.returncode == 1


def test_a_request_alone_is_held_to_what_is_asked_of_servers(pki, openssl):
    authority = Authority(Store(pki), openssl, no_secret)
    order = leaf_order("phone-2", kind=CLIENT_KIND, key_type=EC)
    authority.make(lambda: request_job(order, store=authority.store))
    assert set(found(pki)) == {"apple-san", "apple-eku"}


def rewrite(pattern, replacement):
    def damage(pki, serial):
        path = pki / "index.txt"
        text = re.sub(pattern.replace("SERIAL", serial), replacement.replace("SERIAL", serial), path.read_text())
        assert text != path.read_text()
        path.write_text(text)

    return damage


def in_record(suffix, old, new):
    def damage(pki, serial):
        path = pki / "certs_by_serial" / f"{serial}.{suffix}"
        assert old.replace("SERIAL", serial) in path.read_text()
        path.write_text(path.read_text().replace(old.replace("SERIAL", serial), new))

    return damage


def over(source, target):
    def damage(pki, serial):
        shutil.copy(pki / source, pki / target.replace("SERIAL", serial))

    return damage


def without(*names):
    def damage(pki, serial):
        for name in names:
            (pki / name.replace("SERIAL", serial)).unlink()

    return damage


def mode(name, bits):
    return lambda pki, _: (pki / name).chmod(bits)


def link(name, target="../elsewhere"):
    def damage(pki, _):
        (pki.parent / "elsewhere").mkdir()
        (pki / name).unlink(missing_ok=True)
        (pki / name).symlink_to(target)

    return damage


def encrypted(pki, _):
    key = pki / "private" / "pbx.example.com.key"
    argv = ["openssl", "pkcs8", "-topk8", "-in", key, "-passout", "pass:secret", "-out", f"{key}.new"]
    subprocess.run(argv, check=True, capture_output=True)
    key.with_name(f"{key.name}.new").replace(key)


DAMAGES = {
    "nothing": (lambda *_: None, []),
    "a state that is none": (rewrite("(?m)^V(.*SERIAL)", r"X\1"), ["pki-unrecorded"] * 2 + ["pki-index-line"]),
    "a line of text": (rewrite("^", "hello\n"), ["pki-index-line"]),
    "an empty line": (rewrite("^", "\n"), ["pki-index-line"]),
    "a torn line": (rewrite(r"\Z", "V\t2902"), ["pki-index-line"]),
    "control characters": (rewrite("^", "V\t\x1b[2J\t\t01\tunknown\t/CN=x\n"), ["pki-index-line"]),
    "line ends of Windows": (
        lambda pki, _: (pki / "index.txt").write_bytes((pki / "index.txt").read_bytes().replace(b"\n", b"\r\n")),
        ["pki-index-line-ends"],
    ),
    "a line twice": (rewrite("(?m)^(.*SERIAL.*\n)", r"\1\1"), ["pki-index-twice"]),
    "no line": (rewrite("(?m)^.*SERIAL.*\n", ""), ["pki-unrecorded"] * 2),
    "another end": (rewrite("(?m)^V\t..(.*SERIAL)", r"V\t35\1"), ["pki-copy-differs"]),
    "another subject": (rewrite("/CN=pbx.example.com", "/CN=other.example.com"), ["pki-copy-differs"]),
    "a longer subject": (rewrite("/CN=pbx.example.com", "/CN=pbx.example.com.evil"), ["pki-copy-differs"]),
    "revoked and still handed out": (
        rewrite("(?m)^V(\t.*\t)\t(SERIAL)", r"R\g<1>260101000000Z,keyCompromise\t\2"),
        ["pki-revoked-in-use"],
    ),
    "no copy": (without("certs_by_serial/SERIAL.pem"), ["pki-copy-missing"]),
    "another copy": (
        over("issued/site_berlin.crt", "certs_by_serial/SERIAL.pem"),
        # By number, end and subject, and from what is in use.
        ["pki-copy-differs"] * 4,
    ),
    "a copy that is none": (
        lambda pki, serial: (pki / "certs_by_serial" / f"{serial}.pem").write_text(
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
        ),
        ["unreadable"],
    ),
    "another certificate in its place": (
        over("issued/9608-phone.crt", "issued/pbx.example.com.crt"),
        ["pki-key-mismatch", "pki-request-differs"],
    ),
    "another key": (over("private/9608-phone.key", "private/pbx.example.com.key"), ["pki-key-mismatch"]),
    "an authority's key that is another": (over("private/9608-phone.key", "private/ca.key"), ["pki-key-mismatch"]),
    "an encrypted key": (encrypted, []),
    "no key": (without("private/pbx.example.com.key"), []),
    "no key of the authority": (without("private/ca.key"), []),
    "another request": (over("reqs/ip500.example.com.req", "reqs/pbx.example.com.req"), ["pki-request-differs"]),
    "a config with another name": (in_record("cnf", "DNS:pbx", "DNS:pbz"), ["pki-config-differs"]),
    "a config with one name less": (in_record("cnf", ",IP:10.0.0.5", ""), ["pki-config-differs"]),
    "a config with another usage": (
        in_record("cnf", "serverAuth,clientAuth", "serverAuth"),
        ["pki-config-differs"],
    ),
    "a config for a client": (
        in_record("cnf", "serverAuth,clientAuth", "clientAuth"),
        ["apple-eku", "pki-config-differs"],
    ),
    "a config that is less strict": (in_record("cnf", "critical,CA", "CA"), ["pki-config-differs"]),
    "a config for an authority": (
        in_record("cnf", "CA:FALSE", "CA:TRUE"),
        ["leaf-is-ca", "pki-config-differs"],
    ),
    "a config with one extension more": (
        in_record("cnf", "subjectKey", "nsComment = hello\nsubjectKey"),
        ["pki-config-differs"],
    ),
    "a config without a section": (in_record("cnf", "[ v3_req ]", "[ other ]"), ["config-section-unused"] * 1),
    "a script that names another section": (
        in_record("sh", "-extensions v3_req -out", "-extensions v3_other -out"),
        ["pki-config-differs"],
    ),
    "a script for another number": (in_record("sh", "0xSERIAL", "0x01"), ["pki-config-differs"]),
    "no script": (without("certs_by_serial/SERIAL.sh"), ["pki-config-differs"]),
    "no record": (without("certs_by_serial/SERIAL.sh", "certs_by_serial/SERIAL.cnf"), []),
    "a private folder for all": (mode("private", 0o755), ["pki-open-to-others"]),
    "a private folder for its group": (mode("private", 0o750), ["pki-open-to-others"]),
    "a folder that all may change": (mode(".", 0o777), ["pki-open-to-others"]),
    "an index that a group may change": (mode("index.txt", 0o660), ["pki-open-to-others"]),
    "an authority's key for all": (mode("private/ca.key", 0o644), ["key-mode", "pki-open-to-others"]),
    "a key for all": (mode("private/pbx.example.com.key", 0o644), ["key-mode"]),
    "a folder elsewhere": (link("revoked"), ["pki-link"]),
    "a file elsewhere": (link("crl.pem", "/etc/passwd"), ["pki-link", "pki-crl-stale"]),
    "a key elsewhere": (link("private/old.key", "/nowhere/old.key"), ["pki-link"]),
    "a link within": (link("issued/www.crt", "pbx.example.com.crt"), []),
    "a link to itself": (link("private/loop", "loop"), []),
}


def crl(*revoked, issuer="Root", made=timedelta(hours=-1), due=timedelta(days=30)):
    """Write a revocation list that the CA has signed, or another one."""

    def damage(pki, serial):
        now = datetime.now(timezone.utc)
        builder = x509.CertificateRevocationListBuilder().last_update(now + made).next_update(now + due)
        builder = builder.issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        for number in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(int(number.replace("SERIAL", serial), 16))
            builder = builder.add_revoked_certificate(entry.revocation_date(now).build())
        own = load_pem_private_key((pki / "private" / "ca.key").read_bytes(), None)
        signed = builder.sign(own if issuer == "Root" else ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
        (pki / "crl.pem").write_bytes(signed.public_bytes(Encoding.PEM))

    return damage


@pytest.mark.slow
def test_a_folder_complies_after_revoking_and_renewing(pki):
    for arguments in (["revoke", "9608-phone", "--yes"], ["renew", "alice@example.com"], ["crl"]):
        done = opensslgen(*arguments, cwd=pki.parent)
        assert done.returncode == 0, done.stderr
    assert (pki / "crl.pem").exists()
    assert found(pki) == []


REVOKE = rewrite("(?m)^V(\t.*\t)\t(SERIAL)", r"R\g<1>260101000000Z,keyCompromise\t\2")
LISTS = {
    "none is revoked": (crl(), False, []),
    "it is revoked": (crl("SERIAL"), True, ["pki-revoked-in-use"]),
    "it is revoked, and others that are forgotten": (crl("SERIAL", "ABCD"), True, ["pki-revoked-in-use"]),
    "the list does not say so": (crl(), True, ["pki-revoked-in-use", "pki-crl-incomplete"]),
    "only the list says so": (crl("SERIAL"), False, ["pki-crl-incomplete"]),
    "out of date": (crl(due=timedelta(minutes=-1)), False, ["pki-crl-stale"]),
    "of the future": (crl(made=timedelta(hours=1)), False, ["pki-crl-stale"]),
    "another authority's": (crl(issuer="Other"), False, ["pki-crl-stale"]),
    "none": (lambda pki, _: (pki / "crl.pem").write_text("hello\n"), False, ["pki-crl-stale"]),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", LISTS)
def test_the_revocation_list_is_held_against_index_and_time(name, pki):
    write, revoked, expected = LISTS[name]
    serial = serial_of(pki, "pbx.example.com")
    if revoked:
        REVOKE(pki, serial)
    write(pki, serial)
    assert found(pki) == expected


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGES)
def test_each_damage_is_found_under_its_own_name(damage, pki):
    do, expected = DAMAGES[damage]
    do(pki, serial_of(pki, "pbx.example.com"))
    answer = [each.partition(":")[0] for each in found(pki)]
    if damage == "a config without a section":
        assert {"config-section-unused", "pki-config-differs"} >= set(answer) != set()
    else:
        assert sorted(answer) == sorted(expected)
