"""What every client asks of a certificate's form: its serial number, key, usage and critical extensions."""

from __future__ import annotations

from opensslgen.x509.extensions import EXTENSIONS

from .rule import ANY, ERROR, PASS, WARNING, Case, Fault, Messages, Rule

_LONGEST_SERIAL = 20  # bytes
# Many add a zero byte to 20 random ones whose first bit is set.
_TOLERATED_SERIAL = 21
# In bytes and not bits, as random numbers begin with zeros, too: half of those drawn from 64 bits have fewer than 64.
_SHORTEST_SERIAL = 8

# All that a conforming client must or should know (RFC 5280 section 4.2), and the one that openssl, Apple and Go know.
UNDERSTOOD = frozenset(
    EXTENSIONS[name]
    for name in (
        "keyUsage",
        "certificatePolicies",
        "subjectAltName",
        "basicConstraints",
        "nameConstraints",
        "policyConstraints",
        "extendedKeyUsage",
        "inhibitAnyPolicy",
        "authorityKeyIdentifier",
        "subjectKeyIdentifier",
        "policyMappings",
        "crlDistributionPoints",
    )
)
"""Extensions, by object identifier, that may be critical."""
_NAMES = {oid: name for name, oid in EXTENSIONS.items()}


def _not_ca(case: Case) -> Messages:
    if case.certificate.is_authority:
        return ("it is a certificate authority (CA:TRUE); a server's certificate must not be",)
    return PASS


def _digital_signature(case: Case) -> Messages:
    usage = case.certificate.key_usage
    if usage is None or "digitalSignature" in usage:
        return PASS
    return (f"its key usage is {', '.join(sorted(usage)) or 'empty'}; digitalSignature is needed",)


def _negative_serial(case: Case) -> Messages:
    return ("its serial number is negative",) if case.certificate.serial_number < 0 else PASS


def _serial_bytes(case: Case) -> int:
    """Return the size of the serial number's INTEGER, whose first bit is the sign."""
    return case.certificate.serial_number.bit_length() // 8 + 1


def _long_serial(case: Case) -> Messages:
    size = _serial_bytes(case)
    return (f"its serial number has {size} bytes; {_LONGEST_SERIAL} is the most",) if size > _TOLERATED_SERIAL else PASS


def _serial_of_21_bytes(case: Case) -> Messages:
    if _serial_bytes(case) != _TOLERATED_SERIAL:
        return PASS
    return (f"its serial number has {_TOLERATED_SERIAL} bytes, the first of them zero; {_LONGEST_SERIAL} is the most",)


def _short_serial(case: Case) -> Messages:
    size = _serial_bytes(case)
    return (f"its serial number has {8 * size} bits; 64 is the least",) if size < _SHORTEST_SERIAL else PASS


def _explicit_curve(case: Case) -> Messages:
    found = PASS
    if case.certificate.public_key.curve == "explicit":
        found = ("its EC key spells its curve out instead of naming it",)
    for issuer in case.authorities:
        if issuer.public_key.curve == "explicit":
            found += (f"the EC key of its issuer {issuer.subject} spells its curve out instead of naming it",)
    return found


def _unknown_critical(case: Case) -> Messages:
    found = PASS
    for certificate in (case.certificate, *case.authorities):
        for extension in certificate.extensions:
            if extension.critical and extension.oid not in UNDERSTOOD:
                name = _NAMES.get(extension.oid)
                what = f"critical extension {extension.oid}{f' ({name})' if name else ''}"
                if certificate is case.certificate:
                    found += (Fault(f"its {what} is not known to clients", extension=name or extension.oid),)
                else:
                    found += (f"its issuer {certificate.subject} has a {what}, which is not known to clients",)
    return found


_MOST_DEVIATIONS = 5
"""Those of one certificate that are named one by one."""


def deviations(case: Case, *, grave: bool) -> Messages:
    """Return where the certificates are not DER: at which byte, and who rejects that."""
    found = PASS
    for certificate in (case.certificate, *case.authorities):
        whose = "" if certificate is case.certificate else f" in its issuer {certificate.subject or 'without name'}"
        here = [deviation for deviation in certificate.deviations if deviation.is_grave == grave]
        for deviation in here[:_MOST_DEVIATIONS]:
            rejecting = ", ".join(deviation.rejected_by)
            found += (f"{deviation}{whose}" + (f", which is rejected by {rejecting}" if rejecting else ""),)
        if len(here) > _MOST_DEVIATIONS:
            found += (f"{len(here) - _MOST_DEVIATIONS} more deviations from DER{whose}",)
    return found


def _not_der(case: Case) -> Messages:
    return deviations(case, grave=False)


def _malformed(case: Case) -> Messages:
    return deviations(case, grave=True)


RULES = (
    Rule(
        "not-der",
        WARNING,
        "Strict readers, such as Python's cryptography and Go, reject what is not DER, though others read it.",
        "RFC 5280 section 4.1; X.690 section 10",
        None,
        _not_der,
        of_requests=True,
    ),
    Rule(
        "malformed",
        ERROR,
        "No client can rely on a key, an algorithm or an extension that is not what it says.",
        "RFC 5280 section 4",
        None,
        _malformed,
        of_requests=True,
    ),
    Rule(
        "leaf-is-ca",
        ERROR,
        "Firefox, Apple's app transport and Python's cryptography refuse a server that is a certificate authority.",
        "RFC 5280 section 4.2.1.9",
        None,
        _not_ca,
        of_requests=True,
        extension="basicConstraints",
    ),
    Rule(
        "key-usage",
        WARNING,
        "A server signs its handshake: without digitalSignature Chrome refuses it, and so does TLS 1.3.",
        "RFC 8446 section 4.4.2.2; RFC 5280 section 4.2.1.3",
        None,
        _digital_signature,
        of_requests=True,
        extension="keyUsage",
    ),
    Rule(
        "critical-unknown",
        ERROR,
        "A client refuses a certificate with a critical extension that it does not know.",
        "RFC 5280 section 4.2",
        None,
        _unknown_critical,
        of_requests=True,
        extension=ANY,
    ),
    Rule(
        "ec-explicit",
        ERROR,
        "Apple, OpenSSL 3 and others refuse EC keys whose curve is spelled out.",
        "RFC 5480 section 2.1.1; OpenSSL 3 X509_V_ERR_EC_KEY_EXPLICIT_PARAMS",
        None,
        _explicit_curve,
        of_requests=True,
    ),
    Rule(
        "serial-negative",
        ERROR,
        "Go 1.23 and later and Python's cryptography refuse a negative serial number.",
        "RFC 5280 section 4.1.2.2; Go 1.23 release notes, crypto/x509",
        None,
        _negative_serial,
    ),
    Rule(
        "serial-long",
        ERROR,
        "Strict clients refuse a serial number of more than 20 bytes.",
        "RFC 5280 section 4.1.2.2",
        None,
        _long_serial,
    ),
    Rule(
        "serial-21-bytes",
        WARNING,
        "OpenSSL and Python's cryptography take a serial number of 21 bytes; a client need not.",
        "RFC 5280 section 4.1.2.2",
        None,
        _serial_of_21_bytes,
    ),
    Rule(
        "serial-short",
        WARNING,
        "A serial number with few bits can be guessed, and is likely to be used twice by one issuer.",
        "CA/Browser Forum Baseline Requirements 7.1 (64 bits from a random source)",
        None,
        _short_serial,
    ),
)
