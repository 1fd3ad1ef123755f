"""Each file of tests/certificates is judged as it says itself; README.md there tells how to add one."""

from __future__ import annotations

import warnings

import pytest
from cryptography import x509

from opensslgen.audit.targets import audit
from opensslgen.rules.profiles import RULES, rules_of
from opensslgen.rules.rule import ERROR
from opensslgen.text import visible
from opensslgen.x509.certificate import CERTIFICATE_LABELS, decode, decode_block
from opensslgen.x509.der import DecodeError
from opensslgen.x509.pem import pem_blocks

from . import readers
from .certificate_files import FILES, expectation, settings


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_each_file_is_judged_as_it_says(path, tmp_path):
    expected = expectation(path)
    # A checkout does not keep the modes of files.
    copy = tmp_path / path.name
    copy.write_bytes(path.read_bytes())
    copy.chmod(int(expected.said.get("mode", "600"), 8))
    results = list(audit([str(copy)], settings(expected.said)))
    findings = [finding for result in results for finding in result.findings]
    assert [finding.rule.id for finding in findings] == expected.findings
    unreadable = [result.unreadable for result in results if result.unreadable is not None]
    if expected.unreadable is None:
        assert unreadable == []
        assert results
    else:
        assert len(unreadable) == 1
        assert expected.unreadable in unreadable[0]
    for text in [finding.message for finding in findings] + unreadable:
        assert text == visible(text)
        assert len(text) < 2000


def test_the_files_say_what_they_are_for():
    for path in FILES:
        said = expectation(path).said
        assert {"why", "profile", "at"} <= set(said), path
        assert len({"unreadable", "finding", "passes"} & set(said)) == 1, path
        assert set(expectation(path).findings) <= set(RULES), path


def test_every_rule_with_a_check_has_a_file_that_passes_and_one_that_fails():
    failing = {rule for path in FILES for rule in expectation(path).findings}
    passing = {
        rule.id
        for path in FILES
        if not (expected := expectation(path)).findings and expected.unreadable is None
        for rule in rules_of(expected.said["profile"].split())
    }
    checked = {rule.id for rule in RULES.values() if rule.check}
    # The name that a server was asked for is in no file.
    assert checked - failing == {"host-mismatch"}
    assert checked - passing == set()
    assert len(FILES) >= 120


def certificates(path):
    """Return the DER of each certificate block, and what we read in it or None, as far as the file can be read."""
    data = path.read_bytes()
    found = []
    try:
        for block in pem_blocks(data):
            if block.label in CERTIFICATE_LABELS:
                found.append((block.body, decoded(decode_block, block), block.label))
    except DecodeError:
        pass
    if data[:1] == b"\x30":
        found.append((data, decoded(decode, data), "DER"))
    return found


def decoded(decode, what):
    try:
        return decode(what)
    except DecodeError:
        return None


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_cryptography_reads_alike_what_we_read(path):
    expected = expectation(path)
    for der, ours, label in certificates(path):
        if ours is None or label == "TRUSTED CERTIFICATE":
            continue
        if ours.deviations:
            others = (readers.answer(read, der) for read in readers.JUDGES)
            assert any(isinstance(other, dict) and readers.agree(readers.ours(der), other) for other in others)
            continue
        try:
            theirs = witnessed(der)
        except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
            theirs = error
        if isinstance(theirs, Exception):
            assert ERROR in {RULES[rule].severity for rule in expected.findings}, theirs
        else:
            assert ours_as_theirs(ours) == theirs


USAGES = {
    "1.3.6.1.5.5.7.3.1": "serverAuth",
    "1.3.6.1.5.5.7.3.2": "clientAuth",
    "1.3.6.1.5.5.7.3.3": "codeSigning",
    "2.5.29.37.0": "anyExtendedKeyUsage",
}
KINDS = {x509.DNSName: "DNS", x509.IPAddress: "IP", x509.RFC822Name: "email", x509.UniformResourceIdentifier: "URI"}
BITS = {
    "digital_signature": "digitalSignature",
    "content_commitment": "nonRepudiation",
    "key_encipherment": "keyEncipherment",
    "data_encipherment": "dataEncipherment",
    "key_agreement": "keyAgreement",
    "key_cert_sign": "keyCertSign",
    "crl_sign": "cRLSign",
}


def witnessed(der):
    """Read by cryptography all that rules ask for."""
    with warnings.catch_warnings():
        # It warns of serial numbers that it still reads.
        warnings.simplefilter("ignore")
        certificate = x509.load_der_x509_certificate(der)
        extensions = {extension.oid.dotted_string: extension for extension in certificate.extensions}
        values = {dotted: extension.value for dotted, extension in extensions.items()}
        constraints, usage = values.get("2.5.29.19"), values.get("2.5.29.15")
        key_id, authority = values.get("2.5.29.14"), values.get("2.5.29.35")
        return {
            "serial": certificate.serial_number,
            "begins": certificate.not_valid_before_utc,
            "ends": certificate.not_valid_after_utc,
            "subject": [attribute.value for attribute in certificate.subject],
            "issuer": [attribute.value for attribute in certificate.issuer],
            "hash": getattr(certificate.signature_hash_algorithm, "name", None),
            "bits": getattr(certificate.public_key(), "key_size", None),
            "names": [
                (KINDS[type(name)], str(name.value)) for name in values.get("2.5.29.17", ()) if type(name) in KINDS
            ],
            "eku": [USAGES.get(each.dotted_string, each.dotted_string) for each in values.get("2.5.29.37", ())],
            "ku": usage and {name for bit, name in BITS.items() if getattr(usage, bit)},
            "ca": constraints and (constraints.ca, constraints.path_length),
            "ski": key_id and key_id.digest,
            "aki": authority and authority.key_identifier,
            "limits": values.get("2.5.29.30")
            and [
                [(KINDS[type(name)], str(name.value)) for name in names or () if type(name) in KINDS]
                for names in (values["2.5.29.30"].permitted_subtrees, values["2.5.29.30"].excluded_subtrees)
            ],
            "lists": [
                name.value
                for point in values.get("2.5.29.31", ())
                for name in point.full_name or ()
                if isinstance(name, x509.UniformResourceIdentifier)
            ],
            "extensions": [(dotted, extension.critical) for dotted, extension in extensions.items()],
        }


def ours_as_theirs(ours):
    constraints, authority = ours.basic_constraints, ours.authority_key_identifier
    key = ours.public_key
    return {
        "serial": ours.serial_number,
        "begins": ours.not_before,
        "ends": ours.not_after,
        "subject": [value for _, value in ours.subject.attributes],
        "issuer": [value for _, value in ours.issuer.attributes],
        "hash": ours.signature_hash,
        "bits": key.bits if key.algorithm in ("RSA", "EC") else None,
        "names": [(name.kind, name.value) for name in ours.names if name.kind in KINDS.values()],
        "eku": list(ours.extended_key_usage or ()),
        "ku": ours.key_usage and set(ours.key_usage),
        "ca": constraints and (constraints.ca, constraints.path_length),
        "ski": ours.subject_key_identifier,
        "aki": authority and authority.key_identifier,
        "limits": ours.name_constraints
        and [
            [(name.kind, name.value) for name in names if name.kind in KINDS.values()]
            for names in (ours.name_constraints.permitted, ours.name_constraints.excluded)
        ],
        "lists": list(ours.crl_urls or ()),
        "extensions": [(extension.oid, extension.critical) for extension in ours.extensions],
    }
