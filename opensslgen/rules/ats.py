"""Apple's App Transport Security (ATS), which system services may demand of servers from iOS 27 on."""

from __future__ import annotations

from .rule import ERROR, PASS, Case, Messages, declared, rule

ATS = "Apple, App Transport Security; Apple support 126655, https://support.apple.com/126655"


@rule("ats-signature-hash", ERROR, ATS)
def _signature_hash(case: Case) -> Messages:
    """App Transport Security accepts only certificates that are signed with SHA-256 or a longer SHA-2."""
    found = PASS
    for certificate in (case.certificate, *case.authorities):
        # SHA-1 and MD5 have their own rule, apple-signature-hash.
        if certificate.signature_hash == "sha224" and not certificate.is_self_signed:
            found += (f"{case.title(certificate)} is signed with {certificate.signature_algorithm}",)
    return found


RULES = declared(globals())
