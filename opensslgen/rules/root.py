"""Rules of phones for a root that the owner installs."""

from __future__ import annotations

from .names import without_common_name
from .rule import ANY, ERROR, PASS, WARNING, Case, Fault, Messages, declared, rule


@rule("root-cn", ERROR, "FiloSottile/mkcert#47")
def _common_name(case: Case) -> Messages:
    """iOS does not list a root without a common name under Certificate Trust Settings."""
    return without_common_name(case)


@rule("root-ca", ERROR, "RFC 5280 section 4.2.1.9; AOSP CertInstaller", extension="basicConstraints")
def _ca(case: Case) -> Messages:
    """A phone accepts a certificate as a root only if it is marked as a CA."""
    return PASS if case.certificate.is_authority else ("it is not a certificate authority (CA:TRUE)",)


@rule("root-key-cert-sign", ERROR, "RFC 5280 section 4.2.1.3", extension="keyUsage")
def _key_cert_sign(case: Case) -> Messages:
    """A root with a key usage that lacks keyCertSign cannot sign."""
    usage = case.certificate.key_usage
    if usage is None or "keyCertSign" in usage:
        return PASS
    return ("its key usage lacks keyCertSign",)


@rule("root-eku", ERROR, "OpenSSL verify -purpose sslserver; RFC 5280 section 4.2.1.12", extension="extendedKeyUsage")
def _usages(case: Case) -> Messages:
    """OpenSSL and others refuse servers below a root whose extended key usage lacks serverAuth."""
    usages = case.certificate.extended_key_usage
    # OpenSSL does not accept anyExtendedKeyUsage instead, measured from 1.1.1 to 4.0.
    if usages is None or "serverAuth" in usages:
        return PASS
    return (f"its extended key usage is {', '.join(usages)}; it needs serverAuth, or no extended key usage",)


@rule("root-ski", WARNING, "RFC 5280 section 4.2.1.2", extension="subjectKeyIdentifier")
def _key_identifier(case: Case) -> Messages:
    """Python 3.13 refuses a root without a subject key identifier, and other clients need longer to find the root."""
    return PASS if case.certificate.subject_key_identifier else ("it has no subject key identifier",)


@rule("root-critical", WARNING, "RFC 5280 sections 4.2.1.3 and 4.2.1.9", extension=ANY)
def _critical(case: Case) -> Messages:
    """Python 3.13 and cryptography refuse a root whose basicConstraints are not critical or that has no key usage."""
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


RULES = declared(globals())
