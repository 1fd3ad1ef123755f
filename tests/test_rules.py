"""Rules and profiles as such; what each rule says of a certificate stands in tests/certificates."""

from __future__ import annotations

import pickle
import re
import subprocess
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from opensslgen.errors import UsageError
from opensslgen.names.general import GeneralName, parse_host, parse_names
from opensslgen.rules.calendar import changes
from opensslgen.rules.chain import issuer_among
from opensslgen.rules.names import matches
from opensslgen.rules.profiles import PROFILES, RULES, rules_of
from opensslgen.rules.rule import ERROR, NOTE, WARNING, Case, Finding, Rule, judge, judge_request, raised
from opensslgen.x509.certificate import Certificate, load
from opensslgen.x509.extensions import BasicConstraints
from opensslgen.x509.names import Name
from opensslgen.x509.pem import pem_blocks
from opensslgen.x509.public_keys import PublicKey
from opensslgen.x509.request import decode_request

from .certificate_files import FILES, FOLDER, expectation, settings

AT = datetime(2026, 2, 1, tzinfo=timezone.utc)
GOOD = load(FOLDER / "apple-good-ec.pem")
ROOT = load(FOLDER / "root-good.pem")
APPLE = rules_of(["apple"])


def ids(case, *profiles):
    return [finding.rule.id for finding in judge(case, rules_of(profiles or ["apple"]))]


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.id)
def test_each_rule_says_what_breaks_and_who_says_so(rule):
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", rule.id)
    assert rule.severity in {ERROR, WARNING, NOTE}
    assert rule.reason[0].isupper() or rule.reason.startswith("iOS")
    assert rule.reason.endswith(".")
    assert ". " not in rule.reason
    assert rule.citation
    assert rule.check is None or not rule.of_requests or callable(rule.check)


def test_every_rule_is_in_a_profile_and_every_profile_is_of_rules():
    assert {rule for profile in PROFILES.values() for rule in profile.rules} == {
        rule.id for rule in RULES.values() if rule.check or rule.id.startswith("ats-")
    }
    for profile in PROFILES.values():
        assert len(set(profile.rules)) == len(profile.rules)
        assert set(profile.instead) <= set(RULES)


_OF_ATS = {"ats-cipher", "ats-extended-master-secret"}
"""Raised for live servers, in the profiles that follow Apple."""


def test_what_ats_demands_is_an_error_there_and_a_warning_in_apple():
    def severities(*profiles):
        return {rule.id: rule.severity for rule in rules_of(profiles) if rule.id.startswith("ats-")}

    errors = {"ats-cipher": ERROR, "ats-signature-hash": ERROR, "ats-extended-master-secret": NOTE}
    assert severities("ats") == severities("ats", "apple") == severities("apple", "ats") == errors
    warnings = {"ats-cipher": WARNING, "ats-signature-hash": WARNING, "ats-extended-master-secret": NOTE}
    assert severities("apple") == severities("appliance") == warnings
    assert severities("public", "strict", "client") == severities("apple", "root") == {}
    (warning,) = (rule for rule in rules_of(["apple"]) if rule.id == "ats-cipher")
    assert pickle.loads(pickle.dumps(warning)) == warning


def test_each_date_of_a_rule_is_in_the_calendar():
    listed = {(change.rule, change.day) for change in changes()}
    for rule in RULES.values():
        assert {(rule.id, day) for day in (rule.effective, rule.until) if day} <= listed
    days = [change.day for change in changes()]
    assert days == sorted(days)
    assert all(change.source and (change.rule is None or change.rule in RULES) for change in changes())
    of_days = [change for change in changes() if change.what.startswith("Public certificates")]
    steps = {change.day: int(change.what.split()[-2]) for change in of_days}
    # CA/Browser Forum ballot SC-081v3.
    assert steps == {
        date(2020, 9, 1): 398, date(2026, 3, 15): 200, date(2027, 3, 15): 100, date(2029, 3, 15): 47,
    }  # fmt: skip


def test_the_rules_that_readers_raise_are_in_all_profiles():
    readers = {
        "chain-signature", "chain-rejected", "chain-choice", "chain-untrusted", "crl-signature",
        "crl-refused", "not-pem",
        "protocol", "clock", "key-mode", "p12-rc2", "p12-too-new", "config-runs-code", "config-reads-files",
        "config-reads-environment", "config-default-days", "config-default-bits", "config-default-md",
        "config-section-unused", "config-section-missing", "config-key-twice",
        "script-validity", "script-no-eku", "script-days",
        "script-sha1", "script-small-key", "pki-index-line", "pki-index-line-ends", "pki-index-twice", "pki-unrecorded",
        "pki-copy-missing", "pki-copy-differs", "pki-other-issuer", "pki-config-differs", "pki-key-mismatch",
        "pki-request-differs", "pki-revoked-in-use", "pki-crl-stale", "pki-crl-incomplete", "pki-open-to-others",
        "pki-link",
    }  # fmt: skip
    assert {rule.id for rule in RULES.values() if rule.check is None} == readers | _OF_ATS
    for name in PROFILES:
        assert readers <= {rule.id for rule in rules_of([name])}


def test_a_reader_raises_a_finding_unless_its_rule_is_allowed():
    assert raised(APPLE, "key-mode", "it is 0644", line=3) == (Finding(RULES["key-mode"], "it is 0644", 3),)
    assert raised(rules_of(["apple"], ["key-mode"]), "key-mode", "it is 0644") == ()


def test_profiles_together_have_each_rule_once_and_a_root_is_no_server():
    both = [rule.id for rule in rules_of(["apple", "strict"])]
    assert len(set(both)) == len(both)
    assert set(both) == {rule.id for name in ("apple", "strict") for rule in rules_of([name])}
    with_root = {rule.id for rule in rules_of(["apple", "root"])}
    assert "leaf-is-ca" in both
    assert not {"leaf-is-ca", "apple-san", "apple-eku", "apple-validity"} & with_root
    assert {"root-ca", "apple-key-size"} <= with_root


def test_what_is_allowed_is_left_out_and_what_is_unknown_is_refused():
    assert "apple-eku" not in {rule.id for rule in rules_of(["apple"], ["apple-eku"])}
    assert "apple-eku" not in {rule.id for rule in rules_of(["apple"], ["apple-eku"])}
    with pytest.raises(UsageError, match="unknown rule 'apple-eky'"):
        rules_of(["apple"], ["apple-eky"])
    with pytest.raises(UsageError, match="unknown rule 'apple-eky'"):
        rules_of(["apple"], ["apple-eky"])
    with pytest.raises(UsageError, match="unknown profile 'appel'"):
        rules_of(["appel"])


@pytest.mark.parametrize(("begins", "applies"), [(-1, False), (0, True), (1, True)])
def test_a_rule_is_for_what_begins_on_its_day_or_later(begins, applies):
    since = date(2026, 1, 1)
    rule = Rule("test", ERROR, "Test.", "test", since, lambda _: ("no",))
    certificate = replace(GOOD, not_before=datetime(2026, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=begins))
    assert bool(judge(Case(certificate, None, AT), [rule])) is applies


@pytest.mark.parametrize(
    ("host", "names", "match"),
    [
        ("pbx.example.com", "DNS:pbx.example.com", True),
        ("pbx.example.com", "DNS:sip.example.com, DNS:pbx.example.com", True),
        ("pbx.example.com", "DNS:*.example.com", True),
        ("example.com", "DNS:*.example.com", False),
        ("a.pbx.example.com", "DNS:*.example.com", False),
        ("evilexample.com", "DNS:*.example.com", False),
        ("example.com", "DNS:*.com", False),
        ("pbx", "DNS:pbx", True),
        ("10.0.0.5", "IP:10.0.0.5", True),
        ("10.0.0.5", "IP:10.0.0.6", False),
        ("2001:db8::5", "IP:2001:0db8:0::0005", True),
        ("10.0.0.5", "DNS:pbx.example.com, email:10@example.com", False),
        ("pbx.example.com", "email:pbx.example.com@example.com", False),
        ("pbx.example.com", "IP:10.0.0.5", False),
    ],
)
def test_a_host_matches_as_clients_match_it(host, names, match):
    assert matches(parse_host(host), parse_names(names)) is match
    certificate = replace(GOOD, subject_alternative_names=parse_names(names))
    assert ("host-mismatch" in ids(Case(certificate, None, AT, host=parse_host(host)))) is not match


@pytest.mark.parametrize(
    ("host", "names"),
    [
        (GeneralName("IP", "10.0.0.5"), [GeneralName("DNS", "10.0.0.5")]),
        (GeneralName("DNS", "10.0.0.5"), [GeneralName("IP", "10.0.0.5")]),
        (GeneralName("DNS", "a.example.com"), [GeneralName("DNS", "a*.example.com")]),
        (GeneralName("DNS", "a.b.example.com"), [GeneralName("DNS", "a.*.example.com")]),
        (GeneralName("DNS", ".example.com"), [GeneralName("DNS", "*.example.com")]),
        (GeneralName("DNS", "pbx.example.com"), [GeneralName("DNS", "pbx.example.com\0.evil.example")]),
        (GeneralName("DNS", "pbx.example.com"), []),
    ],
)
def test_what_is_no_match_although_it_looks_like_one(host, names):
    assert not matches(host, names)


def test_case_and_a_last_dot_make_no_other_host():
    assert matches(GeneralName("DNS", "PBX.example.com."), [GeneralName("DNS", "pbx.Example.COM")])


def test_the_common_name_never_counts_for_a_host():
    certificate = replace(GOOD, subject_alternative_names=None)
    assert certificate.subject.common_name == "pbx.example.com"
    assert "host-mismatch" in ids(Case(certificate, None, AT, host=parse_host("pbx.example.com")))


def test_a_root_of_another_country_is_told_by_its_key():
    other = replace(ROOT, der=b"other", subject_key_identifier=b"other")
    assert issuer_among(GOOD, [other, ROOT]) is ROOT
    assert issuer_among(GOOD, [other]) is other
    assert issuer_among(GOOD, [GOOD]) is None
    assert issuer_among(ROOT, [ROOT]) is None


def expected(**changes):
    """Return what an order promises, before anything is made."""
    fields = {
        "serial_number": 1 << 126,
        "signature_algorithm": "sha256",
        "signature_hash": "sha256",
        "issuer": Name(()),
        "subject": Name((("CN", "pbx.example.com"),)),
        "not_before": AT,
        "not_after": AT + timedelta(days=820),
        "public_key": PublicKey("EC", 256, None, b""),
        "subject_alternative_names": parse_names("DNS:pbx.example.com, IP:10.0.0.5"),
        "extended_key_usage": ("serverAuth", "clientAuth"),
        "key_usage": frozenset({"digitalSignature"}),
        "basic_constraints": BasicConstraints(False, None),
        **changes,
    }
    return Certificate(**fields)


@pytest.mark.parametrize("issuer", [None, ROOT])
def test_what_is_not_made_yet_is_not_blamed_for_what_openssl_adds(issuer):
    assert ids(Case(expected(), issuer, AT), "apple", "strict") == []
    assert ids(Case(expected(public_key=PublicKey("RSA", 2048, None, b"")), issuer, AT)) == []


def test_what_is_not_made_yet_is_blamed_for_what_was_ordered():
    case = Case(expected(extended_key_usage=None, not_after=AT + timedelta(days=826)), ROOT, AT)
    assert ids(case) == ["apple-eku", "apple-validity"]
    case = Case(expected(), replace(ROOT, not_after=AT + timedelta(days=10)), AT)
    assert ids(case) == ["leaf-outlives-issuer"]


def test_a_certificate_that_was_sent_twice_is_not_its_own_issuer():
    small = load(FOLDER / "apple-rsa-1024.pem")
    assert ids(Case(small, None, AT, others=(small,))) == ["apple-key-size", "chain-unrelated"]


def test_a_key_that_came_with_it_must_be_its_own():
    assert ids(Case(GOOD, None, AT, key=GOOD.public_key)) == []
    assert ids(Case(GOOD, None, AT, key=ROOT.public_key)) == ["key-mismatch"]


def test_a_request_is_judged_by_what_it_asks_for():
    blocks = list(pem_blocks((FOLDER / "request-no-eku.pem").read_bytes()))
    request = decode_request(blocks[0].body)
    assert [finding.rule.id for finding in judge_request(request, APPLE, at=AT)] == ["apple-eku"]
    found = judge_request(request, APPLE, at=AT, key=ROOT.public_key)
    assert [finding.rule.id for finding in found] == ["apple-eku", "key-mismatch"]
    # It has no issuer, serial number, validity or signature of one yet.
    assert judge_request(request, [rule for rule in RULES.values() if not rule.of_requests], at=AT) == []


def test_within_any_time_is_no_overflow():
    assert ids(Case(GOOD, None, AT, within=timedelta.max)) == ["expires-soon"]


def test_names_of_any_length_are_judged_in_time():
    names = [GeneralName("DNS", letters * 150_000) for letters in ("ab", "bc", "cd")]
    names += [GeneralName("DNS", f"{letter}{'-' * 300_000}") for letter in "abc"]
    case = Case(replace(GOOD, subject_alternative_names=tuple(names)), None, AT, host=parse_host("pbx.example.com"))
    findings = judge(case, rules_of(["apple", "public", "strict"]))
    assert max(len(finding.message) for finding in findings) < 1000


STRICT = [path for path in FILES if path.name.startswith("strict-")]


@pytest.mark.parametrize("path", STRICT, ids=lambda path: path.name)
def test_the_strict_profile_says_what_openssl_and_cryptography_do(path, tmp_path):
    if not re.match("OpenSSL [3-9]", subprocess.run(["openssl", "version"], capture_output=True, text=True).stdout):
        pytest.skip("what is strict was less before OpenSSL 3")
    expect = expectation(path)
    at = settings(expect.said).at
    blocks = path.read_text().partition("-----BEGIN")
    leaf, *others = x509.load_pem_x509_certificates("".join(blocks[1:]).encode())
    root = x509.load_pem_x509_certificate((FOLDER / "root-good.pem").read_bytes())
    anchor = leaf if leaf.issuer == leaf.subject else others[0] if others else root
    accepted = [_strict_openssl(leaf, anchor, at, tmp_path)]
    # It wants a key's identifier even of who signs itself.
    if anchor is not leaf:
        accepted.append(_cryptography(leaf, anchor, at))
    assert all(accepted) is not bool(expect.findings)


def _strict_openssl(leaf, anchor, at, folder):
    from cryptography.hazmat.primitives.serialization import Encoding

    for name, certificate in (("leaf", leaf), ("anchor", anchor)):
        (folder / name).write_bytes(certificate.public_bytes(Encoding.PEM))
    options = ["-x509_strict", "-purpose", "sslserver", "-attime", str(int(at.timestamp())), "-CAfile", "anchor"]
    return subprocess.run(["openssl", "verify", *options, "leaf"], cwd=folder, capture_output=True).returncode == 0


def _cryptography(leaf, anchor, at):
    builder = PolicyBuilder().store(Store([anchor])).time(at.replace(tzinfo=None))
    try:
        builder.build_server_verifier(x509.DNSName("pbx.example.com")).verify(leaf, [])
    except VerificationError:
        return False
    return True
