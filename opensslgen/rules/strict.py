"""What Python's default since 3.13 (VERIFY_X509_STRICT) and Python's cryptography require in addition."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opensslgen.text import brief

from .apple import unknown_kind
from .form import deviations
from .names import is_host
from .rule import ANY, ERROR, PASS, Case, Fault, Messages, declared, rule

if TYPE_CHECKING:
    from opensslgen.x509.certificate import Certificate

PYTHON = "OpenSSL X509_V_FLAG_X509_STRICT, Python 3.13's default"
PYCA = "the verifier of Python's cryptography"


def _authorities(case: Case) -> tuple[Certificate, ...]:
    """Return the certificates that are or must be CAs: the issuers, and the certificate itself if it is a CA."""
    return (case.certificate, *case.authorities) if case.certificate.is_authority else case.authorities


@rule("strict-version", ERROR, PYCA)
def _version(case: Case) -> Messages:
    """Strict clients need extensions, which only version 3 has."""
    found = PASS
    for certificate in (case.certificate, *case.authorities):
        if certificate.version != 3:
            found += (
                f"{case.title(certificate)} is a certificate of version {certificate.version}; version 3 is needed",
            )
    return found


@rule(
    "strict-aki",
    ERROR,
    f"{PYTHON}; RFC 5280 section 4.2.1.1; python/cpython#107361",
    extension="authorityKeyIdentifier",
)
def _authority_key_identifier(case: Case) -> Messages:
    """Python 3.13 and cryptography refuse a certificate that does not name its issuer's key."""
    # OpenSSL adds one when it signs.
    if not case.certificate.der:
        return PASS
    found = PASS
    chain = (case.certificate, *case.authorities)
    for place, certificate in enumerate(chain, 1):
        identifier = certificate.authority_key_identifier
        # A root does not need one, nor does a CA that is trusted as it is.
        needs_none = certificate.is_self_issued or (case.is_anchored and place == len(chain))
        if identifier.key_identifier is None if identifier else not needs_none:
            found += (f"{case.title(certificate)} has no authority key identifier that names a key",)
    return found


@rule("strict-der", ERROR, f"{PYCA}; RFC 5280 section 4.1; X.690 section 10", of_requests=True)
def _der(case: Case) -> Messages:
    """Python's cryptography and Go refuse a certificate that is not exactly DER."""
    return deviations(case, grave=False)


@rule("strict-ski", ERROR, f"{PYTHON}; RFC 5280 section 4.2.1.2", extension="subjectKeyIdentifier")
def _subject_key_identifier(case: Case) -> Messages:
    """Python 3.13 refuses a CA without a subject key identifier."""
    return tuple(
        [
            f"{case.title(certificate)} has no subject key identifier"
            for certificate in _authorities(case)
            if certificate.subject_key_identifier is None
        ]
    )


@rule("strict-basic-constraints", ERROR, f"{PYTHON}; RFC 5280 section 4.2.1.9", extension="basicConstraints")
def _critical_constraints(case: Case) -> Messages:
    """Python 3.13 and cryptography refuse a CA whose basicConstraints are not critical."""
    return tuple(
        [
            f"{case.title(certificate)} has basicConstraints that are not critical"
            for certificate in _authorities(case)
            if certificate.basic_constraints and not certificate.is_critical("basicConstraints")
        ]
    )


@rule("strict-key-usage", ERROR, f"{PYTHON}; RFC 5280 section 4.2.1.3", extension="keyUsage")
def _authority_usage(case: Case) -> Messages:
    """Python 3.13 and cryptography refuse a CA whose key usage does not allow it to sign."""
    found = PASS
    for certificate in _authorities(case):
        if certificate.key_usage is None:
            found += (f"{case.title(certificate)} has no key usage",)
        elif "keyCertSign" not in certificate.key_usage:
            found += (f"{case.title(certificate)} has a key usage that lacks keyCertSign",)
    return found


@rule("strict-key-cert-sign", ERROR, f"{PYTHON}; RFC 5280 section 4.2.1.3", of_requests=True, extension="keyUsage")
def _leaf_usage(case: Case) -> Messages:
    """Python 3.13 and cryptography refuse a server whose key usage allows it to sign certificates."""
    usage, constraints = case.certificate.key_usage, case.certificate.basic_constraints
    if usage and "keyCertSign" in usage and not (constraints and constraints.ca):
        return ("its key usage has keyCertSign, but it is not a CA",)
    return PASS


@rule("strict-critical", ERROR, f"{PYTHON}; {PYCA}; RFC 5280 sections 4.2.1.1, 4.2.1.2 and 4.2.1.6", extension=ANY)
def _criticality(case: Case) -> Messages:
    """Strict clients refuse extensions that are critical but must not be, or must be critical but are not."""
    certificate = case.certificate
    found = PASS
    if not certificate.extensions:
        return PASS
    for name in ("subjectKeyIdentifier", "authorityKeyIdentifier"):
        if certificate.is_critical(name):
            found += (Fault(f"its {name} is critical", extension=name),)
    if certificate.subject_alternative_names and certificate.is_critical("subjectAltName") == bool(
        certificate.subject.attributes
    ):
        message = (
            "its subjectAltName is critical, though it has a subject"
            if certificate.subject.attributes
            else "its subjectAltName is not critical, though it has no subject"
        )
        found += (Fault(message, extension="subjectAltName"),)
    return found


@rule("strict-eku", ERROR, "RFC 5280 section 4.2.1.12", of_requests=True, extension="extendedKeyUsage")
def _usages(case: Case) -> Messages:
    """OpenSSL and others refuse a server, or a CA, whose extended key usage lacks serverAuth."""
    found = PASS
    for certificate in (case.certificate, *case.authorities):
        usages = certificate.extended_key_usage
        # anyExtendedKeyUsage is not enough: OpenSSL does not accept it instead.
        if usages is not None and "serverAuth" not in usages:
            usage = f"the extended key usage {', '.join(usages)}"
            found += (f"{case.title(certificate)} has {usage}; serverAuth is needed",)
    return found


@rule("strict-key-type", ERROR, f"{PYCA}; CA/Browser Forum Baseline Requirements 7.1.3.1")
def _authority_key_type(case: Case) -> Messages:
    """Python's cryptography accepts only CA keys of RSA and on the curves P-256, P-384 and P-521."""
    return tuple(
        [
            f"its issuer {issuer.subject} has {kind}; RSA and the curves P-256, P-384 and P-521 are accepted"
            for issuer in case.authorities
            if (kind := unknown_kind(issuer))
        ]
    )


@rule("strict-issuer-name", ERROR, f"{PYTHON}; {PYCA}; RFC 5280 section 4.1.2.4")
def _authority_name(case: Case) -> Messages:
    """Python, its cryptography and GnuTLS refuse a certificate whose issuer has no name."""
    if not case.certificate.der:
        return PASS
    if all(certificate.issuer for certificate in (case.certificate, *case.authorities)):
        return PASS
    return ("an issuer in its chain has no name",)


@rule("strict-constraints", ERROR, f"{PYCA}; RFC 5280 section 4.2.1.10", extension="nameConstraints")
def _constraints(case: Case) -> Messages:
    """Python's cryptography refuses name constraints in a leaf, and constraints and names that it cannot compare."""
    found = PASS
    if case.certificate.name_constraints and not case.certificate.is_authority:
        found += ("it has name constraints, which only a CA may have",)
    for issuer in case.authorities:
        if issuer.name_constraints is None:
            continue
        both = (*issuer.name_constraints.permitted, *issuer.name_constraints.excluded)
        domains = [each.value for each in both if each.kind == "DNS"]
        found += tuple(
            [
                f"the name constraint DNS:{brief(domain)} of {issuer.subject} is not a domain"
                for domain in domains
                if domain and not is_host(domain)
            ]
        )
        if domains:
            found += tuple(
                [
                    f"DNS:{brief(name.value)} cannot be compared with the name constraints of {issuer.subject}"
                    for name in case.certificate.names
                    if name.kind == "DNS" and not is_host(name.value)
                ]
            )
    return found


RULES = declared(globals())
