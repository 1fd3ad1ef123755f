"""Rules of all clients for a certificate's form: serial number, key, key usage and critical extensions."""

from __future__ import annotations

from opensslgen.x509.extensions import EXTENSIONS

from .rule import ANY, ERROR, PASS, WARNING, Case, Fault, Messages, declared, rule

_LONGEST_SERIAL = 20  # bytes
# Many CAs draw 20 random bytes, and DER adds a zero byte if the first bit is set.
_TOLERATED_SERIAL = 21
# In bytes, not bits: half of all random numbers of 64 bits begin with a zero bit.
_SHORTEST_SERIAL = 8

# The extensions that RFC 5280 section 4.2 requires or recommends, and policyMappings, which openssl, Apple and Go know.
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


@rule("leaf-is-ca", ERROR, "RFC 5280 section 4.2.1.9", of_requests=True, extension="basicConstraints")
def _not_ca(case: Case) -> Messages:
    """Firefox, Apple's App Transport Security and Python's cryptography refuse a CA certificate from a server."""
    if case.certificate.is_authority:
        return ("it is a certificate authority (CA:TRUE), which a server must not be",)
    return PASS


@rule(
    "key-usage", WARNING, "RFC 8446 section 4.4.2.2; RFC 5280 section 4.2.1.3", of_requests=True, extension="keyUsage"
)
def _digital_signature(case: Case) -> Messages:
    """A server signs its handshake: Chrome and TLS 1.3 refuse it without digitalSignature."""
    usage = case.certificate.key_usage
    if usage is None or "digitalSignature" in usage:
        return PASS
    return (f"its key usage is {', '.join(sorted(usage)) or 'empty'}; digitalSignature is needed",)


@rule("serial-negative", ERROR, "RFC 5280 section 4.1.2.2; Go 1.23 release notes, crypto/x509")
def _negative_serial(case: Case) -> Messages:
    """Go 1.23 and later and Python's cryptography refuse a negative serial number."""
    return ("its serial number is negative",) if case.certificate.serial_number < 0 else PASS


def _serial_bytes(case: Case) -> int:
    """Return the size of the serial number's INTEGER, whose first bit is the sign."""
    return case.certificate.serial_number.bit_length() // 8 + 1


@rule("serial-long", ERROR, "RFC 5280 section 4.1.2.2")
def _long_serial(case: Case) -> Messages:
    """Strict clients refuse a serial number of more than 20 bytes."""
    size = _serial_bytes(case)
    return (
        (f"its serial number has {size} bytes; the maximum is {_LONGEST_SERIAL}",) if size > _TOLERATED_SERIAL else PASS
    )


@rule("serial-21-bytes", WARNING, "RFC 5280 section 4.1.2.2")
def _serial_of_21_bytes(case: Case) -> Messages:
    """OpenSSL and Python's cryptography accept a serial number of 21 bytes, but other clients may refuse it."""
    if _serial_bytes(case) != _TOLERATED_SERIAL:
        return PASS
    return (
        f"its serial number has {_TOLERATED_SERIAL} bytes, and the first is zero; the maximum is {_LONGEST_SERIAL}",
    )


@rule("serial-short", WARNING, "CA/Browser Forum Baseline Requirements 7.1 (64 bits from a random source)")
def _short_serial(case: Case) -> Messages:
    """A short serial number can be guessed, and the issuer may use it twice."""
    size = _serial_bytes(case)
    return (f"its serial number has {8 * size} bits; the minimum is 64",) if size < _SHORTEST_SERIAL else PASS


@rule("ec-explicit", ERROR, "RFC 5480 section 2.1.1; OpenSSL 3 X509_V_ERR_EC_KEY_EXPLICIT_PARAMS", of_requests=True)
def _explicit_curve(case: Case) -> Messages:
    """Apple, OpenSSL 3 and others refuse EC keys that contain the parameters of their curve instead of its name."""
    found = PASS
    if case.certificate.public_key.curve == "explicit":
        found = ("its EC key contains its curve's parameters instead of a name",)
    for issuer in case.authorities:
        if issuer.public_key.curve == "explicit":
            found += (f"the EC key of its issuer {issuer.subject} contains its curve's parameters instead of a name",)
    return found


@rule("critical-unknown", ERROR, "RFC 5280 section 4.2", of_requests=True, extension=ANY)
def _unknown_critical(case: Case) -> Messages:
    """A client refuses a certificate with a critical extension that it does not know."""
    found = PASS
    for certificate in (case.certificate, *case.authorities):
        for extension in certificate.extensions:
            if extension.critical and extension.oid not in UNDERSTOOD:
                name = _NAMES.get(extension.oid)
                what = f"critical extension {extension.oid}{f' ({name})' if name else ''}"
                if certificate is case.certificate:
                    found += (Fault(f"clients do not know its {what}", extension=name or extension.oid),)
                else:
                    found += (f"its issuer {certificate.subject} has a {what}, which clients do not know",)
    return found


_MOST_DEVIATIONS = 5
"""The number of deviations of one certificate that are listed one by one."""


def deviations(case: Case, *, grave: bool) -> Messages:
    """Return where the certificates are not DER: at which byte, and which programs reject that."""
    found = PASS
    for certificate in (case.certificate, *case.authorities):
        whose = "" if certificate is case.certificate else f" in its issuer {certificate.subject or 'without a name'}"
        here = [deviation for deviation in certificate.deviations if deviation.is_grave == grave]
        for deviation in here[:_MOST_DEVIATIONS]:
            rejecting = ", ".join(deviation.rejected_by)
            found += (f"{deviation}{whose}" + (f" (rejected by {rejecting})" if rejecting else ""),)
        if len(here) > _MOST_DEVIATIONS:
            found += (f"{len(here) - _MOST_DEVIATIONS} more deviations from DER{whose}",)
    return found


@rule("not-der", WARNING, "RFC 5280 section 4.1; X.690 section 10", of_requests=True)
def _not_der(case: Case) -> Messages:
    """Strict programs, such as Python's cryptography and Go, reject a certificate that is not exactly DER."""
    return deviations(case, grave=False)


@rule("malformed", ERROR, "RFC 5280 section 4", of_requests=True)
def _malformed(case: Case) -> Messages:
    """No client can rely on a certificate whose key, algorithm or extension is malformed or contradictory."""
    return deviations(case, grave=True)


RULES = declared(globals())
