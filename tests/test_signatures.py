"""Whoever is called an issuer has really signed: found wherever a certificate with a false signature may lie."""

from __future__ import annotations

import base64
import json
import random
import re
import shutil
import subprocess
import time
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from itertools import permutations
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, pkcs7, pkcs12

from opensslgen.audit.chosen import chosen_rules
from opensslgen.audit.result import Settings
from opensslgen.audit.signatures import settle
from opensslgen.audit.targets import audit, audit_content
from opensslgen.openssl import command
from opensslgen.openssl.chains import Question, verify
from opensslgen.openssl.command import OpenSSLError
from opensslgen.openssl.process import Process
from opensslgen.report.tally import verdict
from opensslgen.rules.path import MOST_PATHS, paths, pool_of
from opensslgen.rules.profiles import rules_of
from opensslgen.rules.roles import AUTHORITY, CLIENT, SERVER, Role, role_of
from opensslgen.x509.certificate import decode

from .conftest import make_root, make_server, opensslgen
from .corpus.der import days, dns, ec_key, eku, extension, key_usage, name, rsa_key, san, uri
from .corpus.limits import name_constraints
from .corpus.writing import AT, BELOW_MIDDLE, GOOD, GOOD_MIDDLE, GOOD_ROOT, PBX, ROOT, ROOT_KEY, authority, leaf, pem
from .daily import daily
from .servers import issue, s_server

CHAIN = (BELOW_MIDDLE, GOOD_MIDDLE, GOOD_ROOT)
SEED = 7
FEW, MANY = 20, 1000
"""Damaged chains in the quick suite, and in the whole one."""


def settings(**options):
    return Settings(**{
        "rules": rules_of(["apple"]), "rules_by_kind": chosen_rules().by_kind, "at": AT, "openssl": command.find,
        "jobs": 1,
        **options,
    })  # fmt: skip


def judged(content, **options):
    data = content if isinstance(content, bytes) else content.encode()
    return audit_content(data, "sent", settings(**options))


def ids(results):
    return {finding.rule.id for result in results for finding in result.findings}


def bundle(*chain):
    return "".join(map(pem, chain))


def broken(der, at=-1):
    copy = bytearray(der)
    copy[at] ^= 1
    return bytes(copy)


def parts(der):
    """Return where the signed names, the key and the signature of a certificate lie."""
    certificate = decode(der)
    places = [certificate.public_key.der, certificate.signature, certificate.subject.der, certificate.issuer.der]
    return [(der.index(place), len(place)) for place in places if place]


def good_chains():
    """Return chains with and without an intermediate, of RSA and EC keys, with and without key identifiers."""
    keys = [rsa_key("chain root"), rsa_key("chain middle")]
    middle = name(("O", "Example Ltd"), ("CN", "RSA middle"))
    root = authority(key=keys[0])
    of_rsa = (
        leaf(issuer=middle, signer=keys[1]),
        authority(subject=middle, issuer=ROOT, key=keys[1], signer=keys[0], valid=days(1825)),
        root,
    )
    plain = ["AKI", "SKI"]
    return [CHAIN, (GOOD, GOOD_ROOT), of_rsa, (leaf(drop=plain), authority(drop=plain)), (leaf(signer=keys[0]), root)]


def mutations(many):
    """Yield chains, each with one bit changed in a name, a key or a signature of one certificate."""
    numbers = random.Random(SEED)
    chains = good_chains()
    for number in range(many):
        chain = [*chains[number % len(chains)]]
        which = numbers.randrange(len(chain))
        start, size = numbers.choice(parts(chain[which]))
        at = start + numbers.randrange(size)
        copy = bytearray(chain[which])
        copy[at] ^= 1 << numbers.randrange(8)
        chain[which] = bytes(copy)
        yield chain


@pytest.mark.parametrize("many", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])
def test_no_chain_is_good_in_which_a_bit_of_a_name_key_or_signature_has_changed(many, tmp_path):
    chains = list(mutations(many))
    for number, chain in enumerate(good_chains()):
        (tmp_path / f"good-{number}.pem").write_text(bundle(*chain))
    good = [verdict(result) for result in audit([str(tmp_path)], settings())]
    assert good == ["complies"] * len(good_chains())
    shutil.rmtree(tmp_path)
    tmp_path.mkdir()
    for number, chain in enumerate(chains):
        (tmp_path / f"{number:04}.pem").write_text(bundle(*chain))
    results = [*audit([str(tmp_path)], settings())]
    assert len(results) == many
    assert [Path(result.target).name for result in results if verdict(result) == "complies"] == []
    # openssl is asked without us about some of them.
    for chain in chains[:30]:
        for name_of, certificates in (("leaf", chain[:1]), ("middle", chain[1:-1]), ("root", chain[-1:])):
            (tmp_path / name_of).write_text(bundle(*certificates))
        untrusted = ["-untrusted", "middle"] if chain[1:-1] else []
        asked = subprocess.run(
            ["openssl", "verify", "-check_ss_sig", "-attime", str(int(AT.timestamp())), "-CAfile", "root",
             *untrusted, "leaf"], cwd=tmp_path, capture_output=True, check=False,
        )  # fmt: skip
        assert asked.returncode != 0


# --- wherever it lies


@pytest.mark.parametrize("which", daily(range(3), 1))
def test_a_false_signature_is_found_in_a_bundle_in_any_order(which):
    chain = [broken(der) if place == which else der for place, der in enumerate(CHAIN)]
    for order in permutations(range(3)):
        assert "chain-signature" not in ids(judged(bundle(*(CHAIN[place] for place in order))))
        assert "chain-signature" in ids(judged(bundle(*(chain[place] for place in order)))), order


def test_a_false_signature_is_found_on_a_certificate_that_is_not_part_of_the_chain():
    other = authority(subject=name(("CN", "Another")), key=ec_key("another"), signer=ROOT_KEY, issuer=ROOT)
    assert "chain-signature" not in ids(judged(bundle(GOOD, GOOD_ROOT, other)))
    (result,) = judged(bundle(GOOD, GOOD_ROOT, broken(other)))
    assert "beside it, CN=Another was not signed by O=Example Ltd, CN=Example Root, or was changed afterwards" in {
        finding.message for finding in result.findings
    }
    # A bundle of CAs alone.
    assert "chain-signature" in ids(judged(bundle(GOOD_ROOT, broken(GOOD_MIDDLE))))
    # Another CA of the issuer's name may have signed it.
    twin = authority(subject=name(("CN", "Another")), issuer=ROOT, signer=ec_key("old root"), drop=["AKI"])
    assert "chain-signature" not in ids(judged(bundle(GOOD, GOOD_ROOT, twin)))


def test_a_false_signature_is_found_where_each_is_judged_by_itself(tmp_path):
    assert "chain-signature" in ids(judged(bundle(GOOD_ROOT, broken(GOOD)), each=True))
    # So large that it is read block by block.
    path = tmp_path / "large.pem"
    path.write_text(bundle(*[GOOD] * 120, broken(GOOD), GOOD_ROOT))
    found = [result for result in audit([str(path)], settings(each=True)) if "chain-signature" in ids([result])]
    assert [result.line for result in found] == [1 + 120 * pem(GOOD).count("\n")]


def test_a_false_signature_is_found_in_pkcs7_and_pkcs12():
    loaded = [x509.load_der_x509_certificate(der) for der in (broken(BELOW_MIDDLE), GOOD_MIDDLE, GOOD_ROOT)]
    assert "chain-signature" in ids(judged(pkcs7.serialize_certificates(loaded, Encoding.DER)))
    store = pkcs12.serialize_key_and_certificates(None, None, loaded[0], loaded[1:], BestAvailableEncryption(b"x"))
    assert "chain-signature" in ids(judged(store, password=lambda _: "x"))


def test_a_false_signature_is_found_in_what_a_server_sends(tmp_path):
    root = issue("Test root", ca=True, days=(-60, 900))
    middle = issue("Test authority", issuer=root, ca=True, days=(-60, 900))
    server = issue("127.0.0.1", x509.DNSName("localhost"), issuer=middle)
    (tmp_path / "root.pem").write_text(root.pem)
    other = issue("Other root", ca=True)
    (tmp_path / "other.pem").write_text(other.pem)
    with s_server(tmp_path, server, middle) as port:
        target = f"localhost:{port}"
        good = opensslgen("audit", target, "--root", tmp_path / "root.pem")
        assert good.returncode == 0, good.stdout
        assert "sent: CN=127.0.0.1 <- CN=Test authority <- CN=Test root, *not sent*" in good.stdout
        lost = opensslgen("audit", target, "--root", tmp_path / "other.pem")
        assert (lost.returncode, "[chain-untrusted]" in lost.stdout) == (1, True)
        assert "phones have to trust CN=Test root" in opensslgen("audit", target).stdout
    with s_server(tmp_path, server) as port:
        alone = opensslgen("audit", f"localhost:{port}", "--root", tmp_path / "root.pem")
        assert (alone.returncode, "<- CN=Test authority, *not sent*" in alone.stdout) == (1, True)
    # The intermediate comes from another root of the same name, with the true one's key identifier.
    false_root = issue("Test root", ca=True, days=(-60, 900))
    forged = issue("Test authority", issuer=false_root, ca=True, days=(-60, 900))
    der = forged.der.replace(identifier(false_root), identifier(root))
    below = issue("127.0.0.1", x509.DNSName("localhost"), issuer=forged)
    middle_of_other = replace(forged, certificate=x509.load_der_x509_certificate(der))
    with s_server(tmp_path, below, middle_of_other) as port:
        said = opensslgen("audit", f"localhost:{port}", "--root", tmp_path / "root.pem").stdout
        assert "its issuer CN=Test authority was not signed by CN=Test root" in said
    imposter = issue("Test authority", ca=True, days=(-60, 900))
    false = issue("127.0.0.1", x509.DNSName("localhost"), issuer=imposter)
    # The key identifier is the true one's: a signature is what tells.
    der = false.der.replace(identifier(imposter), identifier(middle))
    swapped = replace(false, certificate=x509.load_der_x509_certificate(der))
    with s_server(tmp_path, swapped, middle) as port:
        assert "[chain-signature]" in opensslgen("audit", f"localhost:{port}").stdout


def identifier(issued):
    return issued.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest


@pytest.fixture
def pki(authority):
    make_root(authority)
    make_server(authority)
    return authority.store.path


def damage(path):
    """Change one bit of the signature of the first certificate in a file."""
    text = path.read_text()
    block = re.search("-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----\n", text, re.DOTALL)
    path.chmod(0o644)
    path.write_text(text.replace(block[0], pem(broken(base64.b64decode(block[1]))), 1))


@pytest.mark.parametrize("where", daily(("issued", "copy", "chain", "root"), "issued"))
def test_a_false_signature_is_found_in_a_pki_folder(pki, where):
    assert opensslgen("audit", pki).returncode == 0
    copy = next(path for path in sorted((pki / "certs_by_serial").glob("*.pem")) if PBX.encode() in der_of(path))
    damage({
        "issued": pki / "issued" / "pbx.example.com.crt",
        "copy": copy,
        "chain": pki / "issued" / "pbx.example.com-chain.pem",
        "root": pki / "ca.crt",
    }[where])  # fmt: skip
    done = opensslgen("audit", pki)
    assert (done.returncode, "[chain-signature]" in done.stdout) == (1, True)


def der_of(path):
    return x509.load_pem_x509_certificate(path.read_bytes()).public_bytes(Encoding.DER)


def test_show_and_list_say_that_the_issuer_has_not_signed(pki):
    shown = opensslgen("show", "--pki", pki, "pbx.example.com").stdout
    assert "openssl has verified it" in shown
    for path in ((pki / "issued" / "pbx.example.com.crt"), *(pki / "certs_by_serial").glob("*.pem")):
        if PBX.encode() in der_of(path):
            damage(path)
    shown = opensslgen("show", "--pki", pki, "pbx.example.com").stdout
    assert "[chain-signature]" in shown
    assert "✗ all clients" in shown
    answer = json.loads(opensslgen("show", "--pki", pki, "pbx.example.com", "--json").stdout)
    assert "was not signed by" in answer["signature"]
    assert "was not signed by" in opensslgen("list", "--pki", pki).stdout


# --- paths


def test_paths_are_built_by_name_and_key_and_a_circle_ends():
    one, two = name(("CN", "One")), name(("CN", "Two"))
    first = decode(authority(subject=one, issuer=two, key=ec_key("one"), signer=ec_key("two")))
    second = decode(authority(subject=two, issuer=one, key=ec_key("two"), signer=ec_key("one")))
    below = decode(leaf(issuer=one, signer=ec_key("one")))
    found = paths(below, pool_of([first, second]), at=AT)
    assert [[str(issuer.subject) for issuer in path] for path in found] == [["CN=One", "CN=Two"]]


def test_the_work_on_paths_has_a_bound():
    tower = []
    for level in range(12):
        above = ROOT if level == 11 else name(("CN", f"Level {level + 1}"))
        for turn in range(12):
            tower.append(decode(authority(
                subject=name(("CN", f"Level {level}")), issuer=above, key=ec_key(f"{level} {turn}"), signer=ROOT_KEY,
                drop=["AKI", "SKI"],
            )))  # fmt: skip
    below = decode(leaf(issuer=name(("CN", "Level 0")), drop=["AKI"]))
    begun = time.process_time()
    found = paths(below, pool_of(tower), at=AT)
    assert len(found) <= MOST_PATHS
    assert time.process_time() - begun < 2


def test_three_thousand_names_below_as_many_constraints_take_no_two_seconds():
    hosts = [dns(f"a{number}.example.com") for number in range(3000)]
    limits = name_constraints(permitted=[dns(f"a{number}.example.com") for number in range(3000)])
    content = bundle(leaf(names=[dns(PBX), *hosts]), authority(extra=[limits]))
    begun = time.process_time()
    results = judged(content)
    assert time.process_time() - begun < 2
    assert [verdict(result) for result in results] == ["violates"]


# --- what openssl is asked, and what if it cannot be


def no_openssl():
    raise OpenSSLError("no openssl found on the PATH")


def test_without_openssl_a_chain_does_not_comply():
    (result,) = judged(bundle(*CHAIN), openssl=no_openssl)
    assert verdict(result) == "unreadable"
    assert "no openssl found" in result.unreadable


def test_a_leaf_whose_issuer_is_not_at_hand_needs_no_openssl_and_says_so():
    (result,) = judged(bundle(GOOD), openssl=no_openssl)
    assert verdict(result) == "complies"
    assert "was not found" in result.notes[0]


@pytest.mark.parametrize("banner", ["OpenSSL 1.0.1e 11 Feb 2013", "LibreSSL 3.3.6"])
def test_an_openssl_that_cannot_verify_part_of_a_chain_is_named(banner):
    def start(argv, **_):
        assert argv[1] == "version"
        return Process(0, banner.encode(), b"")

    old = command.find(start=start)
    (result,) = judged(bundle(BELOW_MIDDLE, GOOD_MIDDLE), openssl=lambda: old)
    assert any(banner in note and "not verified" in note for note in result.notes)


def test_no_issuer_stands_in_for_another_of_its_name():
    """Many are asked about at once, and openssl chooses issuers by name."""
    twin_key = ec_key("twin")
    twin = decode(authority(key=twin_key, drop=["SKI"]))
    plain = decode(authority(drop=["SKI"]))
    by_root, by_twin = decode(leaf(drop=["AKI"])), decode(leaf(signer=twin_key, drop=["AKI"]))
    questions = [Question(below, (above,), None) for below in (by_root, by_twin) for above in (plain, twin)]
    answers = verify(questions, openssl=command.find(), at=AT)
    assert [answer.accepted for answer in answers] == [True, False, False, True]


def test_what_is_trusted_in_one_chain_is_still_verified_in_another():
    false = decode(broken(GOOD_MIDDLE))
    below, root = decode(BELOW_MIDDLE), decode(GOOD_ROOT)
    questions = [Question(below, (false,), None), Question(false, (root,), None), Question(below, (false, root), None)]
    answers = verify(questions, openssl=command.find(), at=AT)
    assert [answer.accepted for answer in answers] == [True, False, False]


@pytest.mark.parametrize(
    ("extra", "accepted"),
    [
        pytest.param([], [], id="all good"),
        pytest.param([broken(leaf(serial=9, names=[dns("a.example.com")]))], [False], id="one not signed"),
        # openssl finds a signer by issuer and number, and takes the first.
        pytest.param([leaf(serial=9), broken(leaf(serial=9))], [True, False], id="a good one with the same number"),
        pytest.param([leaf(serial=9, signer=ec_key("twin"))], [False], id="signed by another of this name"),
        pytest.param([leaf(serial=9, usages=["client"])], [False], id="for another purpose"),
        pytest.param([authority(issuer=ROOT, signer=ec_key("twin"), serial=9)], [False], id="a false CA"),
    ],
)
def test_of_many_that_are_verified_together_none_hides_another(extra, accepted):
    many = [leaf(serial=0x1000 + number, drop=["SKI", "AKI"]) for number in range(100)]
    root = decode(GOOD_ROOT)
    questions = [Question(decode(der), (root,), "sslserver") for der in (*many[:50], *extra, *many[50:])]
    answers = verify(questions, openssl=command.find(), at=AT)
    assert [answer.accepted for answer in answers] == [True] * 50 + accepted + [True] * 50


def test_verdicts_come_in_their_order():
    (pending,) = judged(bundle(GOOD))
    assert settle([pending, pending], settings()) == [pending, pending]


# --- roots


ROOTS = sorted(Path("/usr/share/ca-certificates/mozilla").glob("*.crt"))


@pytest.mark.skipif(not ROOTS, reason="there are no roots of Debian here")
def test_the_roots_of_debian_are_judged_as_roots(tmp_path):
    for number, path in enumerate(ROOTS):
        shutil.copy(path, tmp_path / f"{number}.pem")
    results = list(audit([str(tmp_path)], settings(at=datetime(2024, 1, 1, tzinfo=timezone.utc) + timedelta(days=1))))
    assert len(results) == len(ROOTS)
    assert all("judged as a CA" in result.notes[0] for result in results)


KEY_OF_ALL_WORK = key_usage("digitalSignature", "keyEncipherment", "keyCertSign", "cRLSign")
IP_OFFICE = authority(
    subject=name(("O", "Example Inc"), ("CN", "ipoffice-root-host1.example.com")),
    extra=[KEY_OF_ALL_WORK, eku("server", "client"), san(uri("host1.example.com"))],
)
IP500 = authority(
    subject=name(("CN", PBX)),
    path_length=0,
    valid=days(825),
    drop=["KU"],
    extra=[eku("server", "client"), san(dns(PBX))],
)
OF_REQ_X509 = authority(subject=name(("CN", PBX)), drop=["KU"])
"""What `openssl req -x509 -subj /CN=pbx.example.com` makes."""


@pytest.mark.parametrize(
    ("der", "path", "role", "is_sure"),
    [
        (GOOD_ROOT, "x.pem", AUTHORITY, True),
        (GOOD_MIDDLE, "x.pem", AUTHORITY, True),
        (IP_OFFICE, "x.pem", AUTHORITY, False),
        (IP500, "x.pem", SERVER, False),
        (IP500, "/etc/ssl/certs/x.pem", AUTHORITY, False),
        (IP500, "somewhere/rootCA.pem", AUTHORITY, False),
        (OF_REQ_X509, "x.pem", SERVER, False),
        (OF_REQ_X509, "ca.crt", AUTHORITY, False),
        (authority(subject=name(("CN", "My CA")), drop=["KU"]), "x.pem", AUTHORITY, False),
        (authority(subject=name(("O", "Of no name"),), drop=["KU"]), "x.pem", AUTHORITY, False),
        (GOOD, "ca.crt", SERVER, True),
        (leaf(usages=("client",)), "x.pem", CLIENT, True),
    ],
)  # fmt: skip
def test_what_a_certificate_is_judged_as(der, path, role, is_sure):
    assert role_of(decode(der), path=path) == Role(role, is_sure)


def test_what_could_be_either_is_said_with_the_option_for_the_other(tmp_path):
    for der, option in ((IP_OFFICE, "--profile apple"), (IP500, "--profile root")):
        (tmp_path / "x.pem").write_text(pem(der))
        done = opensslgen("audit", "--at", "2026-02-01", tmp_path / "x.pem")
        assert option in done.stdout
    # audit and show say the same of what is a root.
    (tmp_path / "x.pem").write_text(pem(IP_OFFICE))
    assert "installed on a phone" in opensslgen("show", tmp_path / "x.pem").stdout


def test_a_private_key_is_called_one_and_never_complies(tmp_path, pki):
    key = pki / "private" / "pbx.example.com.key"
    done = opensslgen("audit", key)
    assert done.returncode == 2
    assert "a private key, not a certificate" in done.stdout
    assert "only its owner can read it (mode 0600)" in done.stdout
    (result,) = json.loads(opensslgen("audit", key, "--json").stdout)["results"]
    assert result["verdict"] == "key"
    assert opensslgen("audit", key, pki / "ca.crt").returncode == 0
    assert opensslgen("audit", key, "--format", "nagios").returncode == 3


@pytest.mark.parametrize("organization", ["A/S Nord", "A+S", "a\\/b", "Å/Ö"])
def test_a_subject_with_what_parts_names_is_the_one_of_the_index(authority, organization):
    make_root(authority)
    make_server(authority, organization=organization)
    assert opensslgen("audit", authority.store.path).returncode == 0


def test_an_index_in_lower_case_is_right(pki):
    index = pki / "index.txt"
    lines = [line.split("\t") for line in index.read_text().splitlines()]
    index.write_text("".join("\t".join([*line[:3], line[3].lower(), *line[4:]]) + "\n" for line in lines))
    assert opensslgen("audit", pki).returncode == 0


def test_what_is_no_certificate_is_called_what_it_is(tmp_path):
    poison = judged(pem(leaf(extra=[extension("poison", b"\x05\x00", critical=True)])))
    assert "precertificate" in poison[0].notes[0]
    (listed,) = judged("-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n")
    assert "CRL" in listed.unreadable
