"""Rules of phones for a root that the owner installs."""

from __future__ import annotations

from .rule import ANY, ERROR, PASS, WARNING, Case, Fault, Messages, Rule


def _common_name(case: Case) -> Messages:
    return PASS if (case.certificate.subject.common_name or "").strip() else ("its subject has no common name",)


def _ca(case: Case) -> Messages:
    return PASS if case.certificate.is_authority else ("it is not a certificate authority (CA:TRUE)",)


def _key_cert_sign(case: Case) -> Messages:
    usage = case.certificate.key_usage
    if usage is None or "keyCertSign" in usage:
        return PASS
    return ("its key usage lacks keyCertSign",)


def _usages(case: Case) -> Messages:
    usages = case.certificate.extended_key_usage
    # OpenSSL does not accept anyExtendedKeyUsage instead, measured from 1.1.1 to 4.0.
    if usages is None or "serverAuth" in usages:
        return PASS
    return (f"its extended key usage is {', '.join(usages)}; it needs serverAuth, or no extended key usage",)


def _key_identifier(case: Case) -> Messages:
    return PASS if case.certificate.subject_key_identifier else ("it has no subject key identifier",)


def _critical(case: Case) -> Messages:
    certificate = case.certificate
    found = PASS
    if certificate.basic_constraints and not certificate.is_critical("basicConstraints"):
        found += (Fault("its basicConstraints are not critical", extension="basicConstraints"),)
    if certificate.key_usage is None:
        found += (
            Fault("it has no key usage; the usual one is keyCertSign and cRLSign, critical", extension="keyUsage"),
        )
    elif not certificate.is_critical("keyUsage"):
        found += (Fault("its key usage is not critical", extension="keyUsage"),)
    return found


RULES = (
    Rule(
        "root-cn",
        ERROR,
        "iOS does not list a root without a common name under Certificate Trust Settings.",
        "FiloSottile/mkcert#47",
        None,
        _common_name,
    ),
    Rule(
        "root-ca",
        ERROR,
        "A phone accepts a certificate as a root only if it is marked as a CA.",
        "RFC 5280 section 4.2.1.9; AOSP CertInstaller",
        None,
        _ca,
        extension="basicConstraints",
    ),
    Rule(
        "root-key-cert-sign",
        ERROR,
        "A root with a key usage that lacks keyCertSign cannot sign.",
        "RFC 5280 section 4.2.1.3",
        None,
        _key_cert_sign,
        extension="keyUsage",
    ),
    Rule(
        "root-eku",
        ERROR,
        "OpenSSL and others refuse servers below a root whose extended key usage lacks serverAuth.",
        "OpenSSL verify -purpose sslserver; RFC 5280 section 4.2.1.12",
        None,
        _usages,
        extension="extendedKeyUsage",
    ),
    Rule(
        "root-ski",
        WARNING,
        "Python 3.13 refuses a root without a subject key identifier, and other clients need longer to find the root.",
        "RFC 5280 section 4.2.1.2",
        None,
        _key_identifier,
        extension="subjectKeyIdentifier",
    ),
    Rule(
        "root-critical",
        WARNING,
        "Python 3.13 and cryptography refuse a root whose basicConstraints are not critical or that has no key usage.",
        "RFC 5280 sections 4.2.1.3 and 4.2.1.9",
        None,
        _critical,
        extension=ANY,
    ),
)
