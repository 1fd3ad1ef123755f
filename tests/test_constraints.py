"""For which names an authority may sign: held against openssl, GnuTLS and cryptography, name by name."""

from __future__ import annotations

import random
import re
import subprocess
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from opensslgen.errors import Error, UsageError
from opensslgen.jobs.issue import leaf_job, root_job
from opensslgen.jobs.perform import Authority
from opensslgen.names.constraints import parse_constraints
from opensslgen.names.general import parse_names, parse_url
from opensslgen.orders.order import leaf_order, root_order
from opensslgen.pki.store import Store as PkiStore
from opensslgen.plan import template
from opensslgen.plan.section import Section
from opensslgen.rules.profiles import RULES
from opensslgen.rules.rule import Case, judge
from opensslgen.x509.certificate import decode

from .conftest import EC, files_below, no_secret
from .corpus.der import ATTRIBUTES, PRINTABLE, T61, UTF8, dns, email, ip, oid, seq, tlv, uri
from .corpus.der import name as encoded_name
from .corpus.limits import name_constraints, network
from .corpus.writing import authority, days, leaf, pem

IA5 = 0x16
EMAIL_ADDRESS = "1.2.840.113549.1.9.1"
BEGINS = datetime.now(timezone.utc).replace(microsecond=0) - timedelta(days=1)
ALLOWED, FORBIDDEN = True, False

# What is permitted, what is excluded (each with + between two), the name, whether it may be, and who thinks otherwise.
TABLE = [
    ("example.com", "", "example.com", ALLOWED),
    ("example.com", "", "pbx.example.com", ALLOWED),
    ("example.com", "", "a.b.c.example.com", ALLOWED),
    ("example.com", "", "PBX.Example.Com", ALLOWED),
    ("Example.COM", "", "pbx.example.com", ALLOWED),
    ("example.com", "", "example.org", FORBIDDEN),
    ("example.com", "", "evilexample.com", FORBIDDEN),
    ("example.com", "", "example.com.evil.org", FORBIDDEN),
    ("example.com", "", "com", FORBIDDEN),
    ("example.com", "", "*.example.com", ALLOWED),
    ("example.com", "", "*.sip.example.com", ALLOWED),
    ("example.com", "", "*.example.org", FORBIDDEN),
    ("pbx.example.com", "", "*.example.com", FORBIDDEN),
    ("example.com", "", "10.0.0.5", ALLOWED),
    ("example.com+example.org", "", "pbx.example.org", ALLOWED),
    ("example.com+example.org", "", "pbx.example.net", FORBIDDEN),
    ("", "example.com", "pbx.example.com", FORBIDDEN),
    ("", "example.com", "example.com", FORBIDDEN),
    ("", "example.com", "evilexample.com", ALLOWED),
    ("", "example.com", "pbx.example.org", ALLOWED),
    ("", "example.com", "*.example.com", FORBIDDEN),
    ("", "example.com", "10.0.0.5", ALLOWED),
    ("example.com", "bad.example.com", "pbx.example.com", ALLOWED),
    ("example.com", "bad.example.com", "bad.example.com", FORBIDDEN),
    ("example.com", "bad.example.com", "a.bad.example.com", FORBIDDEN),
    ("example.com", "example.com", "pbx.example.com", FORBIDDEN),
    ("10.0.0.0/8", "", "10.255.255.255", ALLOWED),
    ("10.0.0.0/8", "", "10.0.0.0", ALLOWED),
    ("10.0.0.0/8", "", "11.0.0.0", FORBIDDEN),
    ("10.0.0.0/8", "", "9.255.255.255", FORBIDDEN),
    ("10.0.0.7/32", "", "10.0.0.7", ALLOWED),
    ("10.0.0.7/32", "", "10.0.0.6", FORBIDDEN),
    ("0.0.0.0/0", "", "192.0.2.1", ALLOWED),
    ("192.168.4.0/22", "", "192.168.7.255", ALLOWED),
    ("192.168.4.0/22", "", "192.168.8.0", FORBIDDEN),
    ("10.0.0.0/8", "", "pbx.example.com", ALLOWED),
    ("10.0.0.0/8+192.168.0.0/16", "", "192.168.1.1", ALLOWED),
    ("10.0.0.0/8", "10.9.0.0/16", "10.9.1.1", FORBIDDEN),
    ("10.0.0.0/8", "10.9.0.0/16", "10.8.1.1", ALLOWED),
    ("", "10.0.0.0/8", "10.0.0.1", FORBIDDEN),
    ("", "10.0.0.0/8", "192.0.2.1", ALLOWED),
    ("", "0.0.0.0/0", "10.0.0.1", FORBIDDEN),
    ("2001:db8::/32", "", "2001:db8:ffff::1", ALLOWED),
    ("2001:db8::/32", "", "2001:db9::1", FORBIDDEN),
    ("2001:db8::/33", "", "2001:db8:8000::1", FORBIDDEN),
    ("::/0", "", "2001:db8::1", ALLOWED),
    ("", "2001:db8::/32", "2001:db8::1", FORBIDDEN),
    ("", "2001:db8::/32", "2001:db9::1", ALLOWED),
    ("10.0.0.0/8", "", "2001:db8::1", FORBIDDEN),
    ("2001:db8::/32", "", "10.0.0.1", FORBIDDEN),
    ("10.0.0.0/8+::/0", "", "2001:db8::1", ALLOWED),
]


def constraints(permit, exclude):
    return parse_constraints(permit=filter(None, permit.split("+")), exclude=filter(None, exclude.split("+")))


def subtree(name):
    return network(name.value) if name.kind == "IP" else dns(name.value)


def chain(limits, name, common_name="Somebody"):
    """Write a leaf with this name, and a root with these limits."""
    extra = name_constraints(
        permitted=[subtree(each) for each in limits.permitted], excluded=[subtree(each) for each in limits.excluded]
    )
    root = authority(begins=BEGINS, valid=days(30), extra=[extra])
    try:
        encoded = ip(name)
    except ValueError:
        encoded = dns(name)
    return leaf(cn=common_name, names=(encoded,), begins=BEGINS, valid=days(20)), root


def openssl(leaf_file, root_file, _):
    done = subprocess.run(["openssl", "verify", "-CAfile", root_file, leaf_file], capture_output=True, text=True)
    told = done.stdout + done.stderr
    assert done.returncode == 0 or "subtree violation" in told, told
    return done.returncode == 0


def gnutls(leaf_file, root_file, _):
    argv = ["certtool", "--verify", "--load-ca-certificate", root_file, "--infile", leaf_file]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert done.returncode == 0 or "constraints" in done.stdout, done.stdout + done.stderr
    return done.returncode == 0


def cryptography(leaf_file, root_file, name):
    certificate, root = (x509.load_pem_x509_certificate(path.read_bytes()) for path in (leaf_file, root_file))
    asked = name.replace("*", "host")
    try:
        subject = x509.IPAddress(ip_address(asked))
    except ValueError:
        subject = x509.DNSName(asked)
    verifier = PolicyBuilder().store(Store([root])).build_server_verifier(subject)
    try:
        verifier.verify(certificate, [])
    except VerificationError as error:
        if "constraint" in str(error) or "subtree" in str(error):
            return False
        raise
    return True


JUDGES = (openssl, gnutls, cryptography)
OTHERWISE = {
    ("example.com", "", "10.0.0.5"): {"gnutls": FORBIDDEN},
    ("10.0.0.0/8", "", "2001:db8::1"): {"gnutls": ALLOWED},
    ("2001:db8::/32", "", "10.0.0.1"): {"gnutls": ALLOWED},
}
"""Rows in which a judge thinks otherwise: to GnuTLS any common name is a host's, and IPv4 and IPv6 are two kinds."""


@pytest.mark.parametrize(("permit", "exclude", "name", "allowed"), TABLE)
def test_we_think_of_each_name_as_the_judges_do(permit, exclude, name, allowed, tmp_path):
    limits = constraints(permit, exclude)
    certificate, root = chain(limits, name)
    read = decode(root).name_constraints
    assert read == limits
    (tmp_path / "leaf.pem").write_text(pem(certificate))
    (tmp_path / "root.pem").write_text(pem(root))
    case = Case(decode(certificate), decode(root), BEGINS)
    assert (judge(case, [RULES["name-constraints"]]) == []) is allowed
    thought = {judge.__name__: judge(tmp_path / "leaf.pem", tmp_path / "root.pem", name) for judge in JUDGES}
    expected = dict.fromkeys(thought, allowed) | OTHERWISE.get((permit, exclude, name), {})
    assert thought == expected


@pytest.mark.parametrize(
    ("common_name", "name", "allowed"),
    [
        ("pbx.example.com", "10.0.0.5", ALLOWED),
        ("pbx.example.org", "10.0.0.5", FORBIDDEN),
        ("pbx.example.org", "sip.example.com", ALLOWED),
        ("Alice Example", "10.0.0.5", ALLOWED),
        ("alice", "10.0.0.5", ALLOWED),
        ("a.b@example.org", "10.0.0.5", ALLOWED),
        ("10.0.0.5", "10.0.0.5", FORBIDDEN),
    ],
)
def test_a_common_name_counts_where_no_host_is_named_otherwise(common_name, name, allowed, tmp_path):
    certificate, root = chain(constraints("example.com", ""), name, common_name)
    (tmp_path / "leaf.pem").write_text(pem(certificate))
    (tmp_path / "root.pem").write_text(pem(root))
    assert openssl(tmp_path / "leaf.pem", tmp_path / "root.pem", name) is allowed
    case = Case(decode(certificate), decode(root), BEGINS)
    assert (judge(case, [RULES["name-constraints"]]) == []) is allowed


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("example.com", "DNS:example.com"),
        (".example.com", "DNS:example.com"),
        ("DNS:example.com", "DNS:example.com"),
        ("dns: example.com", "DNS:example.com"),
        ("Example.COM", "DNS:example.com"),
        ("bücher.example", "DNS:xn--bcher-kva.example"),
        ("10.0.0.0/8", "IP:10.0.0.0/8"),
        ("IP:10.0.0.0/8", "IP:10.0.0.0/8"),
        ("10.0.0.0/255.0.0.0", "IP:10.0.0.0/8"),
        ("10.0.0.7", "IP:10.0.0.7/32"),
        ("2001:db8::/32", "IP:2001:db8::/32"),
        ("2001:DB8::1", "IP:2001:db8::1/128"),
        ("0.0.0.0/0", "IP:0.0.0.0/0"),
        ("example.com,10.0.0.0/8", "DNS:example.com IP:10.0.0.0/8"),
        ("example.com , example.org", "DNS:example.com DNS:example.org"),
    ],
)
def test_limits_are_read_as_people_write_them(given, meant):
    assert " ".join(map(str, parse_constraints(permit=[given], exclude=[]).permitted)) == meant
    assert " ".join(map(str, parse_constraints(permit=[], exclude=[given]).excluded)) == meant


HOSTILE = (
    "",
    " ",
    ",",
    ".",
    "..example.com",
    "example..com",
    "*.example.com",
    "example.com:443",
    "https://example.com/",
    "a@example.com",
    "email:a@example.com",
    "URI:sip:example.com",
    "10.0.0.1/8",
    "10.0.0.0/33",
    "10.0.0.0/",
    "10.0.0.0/0.255.0.0",
    "010.0.0.0/8",
    "10.0.0.0/8/8",
    "DNS:10.0.0.0/8",
    "example.com/24",
    "2001:db8::/129",
    "2001:db8::1/32",
    "fe80::1%eth0",
    "::ffff:10.0.0.0/104",
    "example.com;excluded",
    "example.com\nbasicConstraints = CA:FALSE",
    "example.com\rx",
    "example.com\x00",
    "example.com\u2028",
    "exam\u202eple.com",
    "$ENV::HOME",
    "${ENV::OPENSSLGEN_CA_PASSPHRASE}",
    "example.com#",
    "example.com\\",
    "example.com'",
    'example.com"',
    "@section",
    "dirName:section",
    "DER:00",
    "critical",
    "10.0.0.0/8\nextendedKeyUsage=serverAuth",
    "10.0.0.0/8;x",
    "\u0661\u0660.0.0.0/8",
    "a" * 64 + ".example",
)


@pytest.mark.parametrize("text", HOSTILE)
def test_what_is_no_limit_is_refused(text):
    for options in ({"permit": [text], "exclude": []}, {"permit": ["example.org"], "exclude": [text]}):
        with pytest.raises(UsageError) as told:
            parse_constraints(**options)
        assert told.value.message.isprintable()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "crl.der",
        "ftp://pki.example.com/crl.der",
        "ldap://pki.example.com/cn=x",
        "file:///etc/passwd",
        "http://",
        "http:///crl.der",
        "http://pki.example.com/crl.der,URI:http://evil.example/",
        "http://pki.example.com/crl.der\nbasicConstraints=CA:TRUE",
        "http://pki.example.com/$HOME",
        "http://pki.example.com/${ENV::HOME}",
        "http://pki.example.com/#x",
        "http://pki.example.com/a b",
        "http://pki.example.com/\\x",
        "http://pki.example.com/'x'",
        'http://pki.example.com/"',
        "http://pki.example.com/`x`",
        "http://pki.example.com/\u202e",
        "http://bücher.example/ü",
        "http://pki.example.com:99999999999/crl.der",
    ],
)
def test_what_is_no_url_of_a_list_is_refused_or_harmless(url, openssl, tmp_path):
    try:
        text = parse_url(url)
    except UsageError:
        return
    # What passes stands in the certificate as it was given.
    section = Section(names=tuple(parse_names("pbx.example.com")), key_usage=("digitalSignature",), crl_url=text)
    (tmp_path / "ext.cnf").write_text(section.fill(template.shipped("v3_req.cnf")))
    (tmp_path / "req.cnf").write_text("[req]\nprompt=no\ndistinguished_name=d\n[d]\nCN=x\n")
    argv = ["req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", "key", "-out", "req", "-config", "req.cnf"]
    openssl.run(argv, cwd=tmp_path)
    argv = ["x509", "-req", "-in", "req", "-signkey", "key", "-extfile", "ext.cnf", "-extensions", "v3_req"]
    made = openssl.run([*argv, "-days", "1", "-set_serial", "1", "-sha256", "-outform", "DER"], cwd=tmp_path)
    assert decode(made.stdout).crl_urls == (text,)


@pytest.mark.parametrize("version", [(1, 0, 1), (1, 0, 2)])
def test_an_openssl_that_cannot_verify_networks_makes_nothing_that_needs_it(version, openssl, tmp_path):
    """OpenSSL 1.0 refuses each leaf with an address below such a root: error 51, "unsupported name constraint type"."""
    old = replace(openssl, version=version)
    limited = root_order(key_type=EC, permit=["10.0.0.0/8", "example.com"])
    store = PkiStore(tmp_path / "pki")
    with pytest.raises(Error, match="cannot verify name constraints with addresses"):
        Authority(store, old, no_secret).make(lambda: root_job(limited, store=store))
    assert not store.path.exists()
    Authority(store, openssl, no_secret).make(lambda: root_job(limited, store=store))
    before = files_below(store.path)

    def make(name, *san):
        order = leaf_order(name, key_type=EC, san=san)
        Authority(store, old, no_secret).make(lambda: leaf_job(order, store=store, root=None, fixed_days=False))

    with pytest.raises(Error, match="cannot verify name constraints with addresses"):
        make("pbx.example.com", "10.0.0.5")
    assert files_below(store.path) == before
    make("pbx.example.com")


# --- names and constraints of every kind, put together by chance

DOMAINS = (
    "example.com", ".example.com", "sub.example.com", ".sub.example.com", "a.sub.example.com", "EXAMPLE.com", "com",
    ".com", "org", "", "example.com.", "xn--bcher-kva.example",
)  # fmt: skip
DIRECTORIES = (
    [],
    [("C", "US")],
    [("C", "us"), ("O", "Example")],
    [("C", "US"), ("O", "EXAMPLE"), ("CN", "x")],
    [("O", "  Example ")],
    [("O", "Example, Inc")],
    [("O", "Example"), ("CN", "Inc")],
    [("O", "Example\\"), ("CN", "y")],
    [("O", "Exämple")],
    [("O", "EXÄMPLE")],
)
CONSTRAINTS = {
    "DNS": DOMAINS,
    "email": (*DOMAINS, "a@example.com", "A@EXAMPLE.com", "@example.com", "a@sub.example.com"),
    "URI": (*DOMAINS, "10.0.0.1", "evil.org"),
    "IP": ("10.0.0.0/8", "10.9.0.0/16", "0.0.0.0/0", "192.0.2.1/32", "2001:db8::/32", "::/0", "::ffff:0:0/96"),
    "dirName": DIRECTORIES,
}
SUBJECTS = {
    "DNS": (
        *filter(None, DOMAINS), "*.example.com", "*.sub.example.com", "*.com", "*", "w*.example.com", "evilexample.com",
        "a_b.example.com",
    ),
    "email": (
        "a@example.com", "A@example.com", "a@EXAMPLE.com", "a@sub.example.com", "example.com", "@example.com", "a@",
        "a@b@example.com", '"a@b"@example.com', "a@.example.com",
    ),
    "URI": (
        "http://example.com/", "https://u@sub.example.com:80/x", "sip:a@example.com", "urn:example.com",
        "http://10.0.0.1/", "http://[::1]/", "HTTP://EXAMPLE.com", "http://example.com?x", "http://example.com#x",
        "http:///x", "https://example.com@evil.org/", "http://evil.org#@example.com/", "http://example.com.",
    ),
    "IP": ("10.0.0.1", "10.9.1.1", "192.0.2.1", "2001:db8::1", "::ffff:10.0.0.1"),
    "dirName": DIRECTORIES,
}  # fmt: skip
COMMON_NAMES = ("Alice", "Alice Example", "10.0.0.1", "sub.example.com", "example.org", "a.b@example.org")


def directory(attributes, numbers):
    """Write a name; sometimes all attributes stand in one part of it."""
    if attributes and numbers.random() < 0.2:
        parts = sorted(seq(oid(ATTRIBUTES[kind]), tlv(UTF8, value.encode())) for kind, value in attributes)
        return seq(tlv(0x31, *parts))
    return encoded_name(*attributes)


def written(kind, value, numbers, *, is_constraint):
    if kind == "IP":
        return network(value) if is_constraint else ip(value)
    if kind == "dirName":
        return tlv(0xA4, directory(value, numbers))
    return {"DNS": dns, "email": email, "URI": uri}[kind](value)


def mixture(seed):
    """Write a leaf and a root whose constraints may allow it or not."""
    numbers = random.Random(seed)
    kinds = numbers.choices(list(CONSTRAINTS), k=numbers.choice((1, 1, 2)))
    permitted, excluded = (
        [
            written(kind, numbers.choice(CONSTRAINTS[kind]), numbers, is_constraint=True)
            for kind in kinds
            if numbers.random() < share
        ]
        for share in (0.6, 0.5)
    )
    if not permitted and not excluded:
        permitted = [network("10.0.0.0/8")]
    kinds += numbers.choices(list(SUBJECTS), k=numbers.choice((0, 0, 1)))
    names = [written(kind, numbers.choice(SUBJECTS[kind]), numbers, is_constraint=False) for kind in kinds]
    subject = numbers.choice((
        encoded_name(),
        encoded_name(("CN", numbers.choice(COMMON_NAMES))),
        seq(tlv(0x31, seq(oid(EMAIL_ADDRESS), tlv(IA5, numbers.choice(SUBJECTS["email"]).encode())))),
        directory(numbers.choice(DIRECTORIES), numbers),
    ))  # fmt: skip
    root = authority(begins=BEGINS, valid=days(30), extra=[name_constraints(permitted=permitted, excluded=excluded)])
    drop = ["SAN"] if numbers.random() < 0.1 else []
    return leaf(subject=subject, names=names, begins=BEGINS, valid=days(20), drop=drop), root


@pytest.mark.parametrize(
    "limit",
    [
        encoded_name(("O", "a*b@"), tag=PRINTABLE),
        encoded_name(("O", "Ä"), tag=T61),
        seq(tlv(0x31)),
        seq(tlv(0x31, seq(oid(ATTRIBUTES["O"]), tlv(UTF8, b"b")), seq(oid(ATTRIBUTES["O"]), tlv(UTF8, b"a")))),
    ],
)
def test_a_directory_name_that_is_not_der_is_compared(limit):
    """Clients read it, so nothing about it may be left out."""
    limits = name_constraints(excluded=[tlv(0xA4, limit)])
    certificate, issuer = decode(leaf(names=(tlv(0xA4, limit), dns("a")))), decode(authority(extra=[limits]))
    (found,) = judge(Case(certificate, issuer, BEGINS), [RULES["name-constraints"]])[:1]
    assert "is not among the names" in found.message


def is_stricter_on_purpose(certificate, limits):
    """Tell whether other clients refuse what openssl lets pass: Go, and those that read URIs by RFC 3986."""
    excluded = {(name.kind, name.value) for name in limits.excluded}
    empty = bool({("email", ""), ("URI", "")} & excluded)
    return empty or any(
        (name.kind == "DNS" and (name.value.startswith("*.") or name.value.endswith(".")))
        or (name.kind == "URI" and re.search("[?#@]", name.value))
        for name in certificate.names
    )


@pytest.mark.parametrize("seeds", [range(40), pytest.param(range(40, 540), marks=pytest.mark.slow)])
def test_no_name_passes_that_openssl_refuses(seeds, tmp_path):
    for seed in seeds:
        encoded, root = mixture(seed)
        (tmp_path / "leaf.pem").write_text(pem(encoded))
        (tmp_path / "root.pem").write_text(pem(root))
        argv = ["openssl", "verify", "-CAfile", "root.pem", "leaf.pem"]
        done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True)
        errors = re.findall(r"error (\d+) at", done.stdout + done.stderr)
        assert set(errors) <= {"47", "48", "51", "53"}, (seed, done.stderr)
        certificate, issuer = decode(encoded), decode(root)
        found = judge(Case(certificate, issuer, BEGINS), [RULES["name-constraints"]])
        if done.returncode:
            assert found, (seed, done.stderr)
        elif found:
            assert is_stricter_on_purpose(certificate, issuer.name_constraints), (seed, found[0].message)
