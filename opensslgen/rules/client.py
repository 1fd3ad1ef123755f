"""Rules of servers for client certificates."""

from __future__ import annotations

from .rule import ERROR, PASS, Case, Messages, declared, rule


@rule(
    "client-eku",
    ERROR,
    "RFC 5280 section 4.2.1.12; OpenSSL verify -purpose sslclient",
    of_requests=True,
    extension="extendedKeyUsage",
)
def _client_auth(case: Case) -> Messages:
    """Servers that check their clients' certificates refuse one whose extended key usage lacks clientAuth."""
    usages = case.certificate.extended_key_usage
    if usages is None or "clientAuth" not in usages:
        return (f"its extended key usage is {', '.join(usages or ()) or 'none'}; clientAuth is needed",)
    return PASS


RULES = declared(globals())
