"""Rules for certificates of public CAs (CA/Browser Forum Baseline Requirements, BR)."""

from __future__ import annotations

from datetime import date, timedelta

from opensslgen.text import brief

from .apple import span
from .rule import ERROR, NOTE, PASS, WARNING, Case, Fault, Messages, declared, rule

BASELINE = "CA/Browser Forum Baseline Requirements"
SINCE_SEPTEMBER_2020 = date(2020, 9, 1)

LIMITS = (
    (date(2029, 3, 15), 47),
    (date(2027, 3, 15), 100),
    (date(2026, 3, 15), 200),
    (SINCE_SEPTEMBER_2020, 398),
)
"""From a date of issue on, the longest validity in days; latest first (BR 6.3.2, ballot SC-081v3)."""

_ONE_SECOND = timedelta(seconds=1)
# RFC 2606, RFC 6761, RFC 6762 appendix G, RFC 8375, ICANN's reservation of .internal; .onion has its own rules.
_INTERNAL = ("corp", "home", "home.arpa", "internal", "intranet", "invalid", "lan", "local", "localhost", "test")


@rule("public-validity", ERROR, f"{BASELINE} 6.3.2, ballot SC-081v3", since=SINCE_SEPTEMBER_2020)
def _validity(case: Case) -> Messages:
    """Browsers refuse a public certificate that is valid for longer than the limit at its date of issue."""
    begins = case.certificate.not_before
    day = begins.date()
    # Both the first and the last second count (RFC 5280 section 4.1.2.5).
    validity = case.certificate.not_after - begins + _ONE_SECOND
    for since, days in LIMITS:
        if day >= since:
            if validity <= timedelta(days=days):
                return PASS
            return (
                f"it is valid for {span(validity)}, including its first and last second; the maximum since {since} is"
                f" {days} days",
            )
    return PASS


@rule("public-validity-next", NOTE, f"{BASELINE} 6.3.2, ballot SC-081v3")
def _validity_next(case: Case) -> Messages:
    """The longest validity of public certificates shrinks by steps, so the next one may have to be renewed sooner."""
    validity = case.certificate.not_after - case.certificate.not_before + _ONE_SECOND
    then, now = (_limit(day) for day in (case.certificate.not_before.date(), case.at.date()))
    if now is None or now == then or validity <= timedelta(days=now):
        return PASS
    return (f"the certificate that replaces it may be valid for {now} days, if it is issued on {case.at.date()}",)


def _limit(day: date) -> int | None:
    return next((days for since, days in LIMITS if day >= since), None)


CLIENT_AUTH_ENDS = date(2027, 3, 15)
CHROME = "Chrome Root Program Policy 1.8"
_FOR_SIP = "for mutual TLS, as SIP needs it, add a client certificate of your own CA next to the public one"


@rule(
    "public-client-auth",
    ERROR,
    CHROME,
    since=CLIENT_AUTH_ENDS,
    of_requests=True,
    extension="extendedKeyUsage",
)
def _client_auth(case: Case) -> Messages:
    """Chrome accepts public server certificates issued since 15 March 2027 only if serverAuth is their only usage."""
    others = [usage for usage in case.certificate.extended_key_usage or () if usage != "serverAuth"]
    if "serverAuth" not in (case.certificate.extended_key_usage or ()) or not others:
        return PASS
    return (f"its extended key usage also has {', '.join(others)}; {_FOR_SIP}",)


@rule(
    "public-client-auth-ends",
    WARNING,
    f"{CHROME}; Let's Encrypt, which issues none since 8 July 2026",
    until=CLIENT_AUTH_ENDS,
    of_requests=True,
    extension="extendedKeyUsage",
)
def _client_auth_ends(case: Case) -> Messages:
    """Public CAs stop issuing server certificates with clientAuth, by 15 March 2027 at the latest."""
    if not {"serverAuth", "clientAuth"}.issubset(case.certificate.extended_key_usage or ()):
        return PASS
    return (f"it has clientAuth, and the certificate that replaces it will not; {_FOR_SIP}",)


@rule("public-eku", ERROR, f"{BASELINE} 7.1.2.7.10", of_requests=True, extension="extendedKeyUsage")
def _usages(case: Case) -> Messages:
    """A public server's certificate needs the extended key usage serverAuth, and must not have anyExtendedKeyUsage."""
    usages = case.certificate.extended_key_usage or ()
    if "serverAuth" not in usages:
        return (f"its extended key usage is {', '.join(usages) or 'missing'}; serverAuth is needed",)
    return ("its extended key usage has anyExtendedKeyUsage",) if "anyExtendedKeyUsage" in usages else PASS


@rule("public-san", ERROR, f"{BASELINE} 7.1.2.7.12", of_requests=True, extension="subjectAltName")
def _names(case: Case) -> Messages:
    """A public server's certificate needs subject alternative names, which must be host names or IP addresses."""
    names = case.certificate.subject_alternative_names
    if not names:
        return ("it has no subject alternative name",)
    found = PASS
    for name in names:
        if name.kind not in ("DNS", "IP"):
            found += (f"its subject alternative name {brief(str(name))} is neither a DNS name nor an IP address",)
    return found


@rule("public-internal-name", ERROR, f"{BASELINE} 4.2.2 and 7.1.2.7.12", of_requests=True, extension="subjectAltName")
def _internal(case: Case) -> Messages:
    """Public CAs do not sign names or addresses that anyone may use in a private network."""
    found = PASS
    for name in case.certificate.names:
        if (name.kind == "DNS" and _is_internal(name.value)) or (name.kind == "IP" and _is_private(name.value)):
            found += (Fault(f"{brief(str(name))} means something else, or nothing, in other networks", name=name),)
    return found


@rule(
    "public-reverse-zone",
    ERROR,
    f"{BASELINE} 4.2.2",
    since=date(2026, 3, 15),
    of_requests=True,
    extension="subjectAltName",
)
def _reverse_zone(case: Case) -> Messages:
    """Public CAs sign no names below in-addr.arpa and ip6.arpa, the zones in which addresses are looked up."""
    return tuple(
        Fault(f"{brief(str(name))} is in a zone for looking up addresses", name=name)
        for name in case.certificate.names
        if name.kind == "DNS" and name.value.lower().removesuffix(".").endswith((".in-addr.arpa", ".ip6.arpa"))
    )


def _is_internal(host: str) -> bool:
    host = host.lower()
    return "." not in host or host.endswith(tuple([f".{top}" for top in _INTERNAL]))


def _is_private(address: str) -> bool:
    import ipaddress  # imported here because only this profile needs it

    return not ipaddress.ip_address(address).is_global


RULES = declared(globals())
