"""Rules for the names of a server, and warnings about names that look like a typing mistake."""

from __future__ import annotations

from collections.abc import Iterable

from opensslgen.errors import UsageError
from opensslgen.names.general import GeneralName, parse_host
from opensslgen.names.slips import near_misses, slips
from opensslgen.patterns import pattern
from opensslgen.text import brief

from .rule import ERROR, PASS, WARNING, Case, Fault, Messages, declared, rule


@rule("ip-as-dns", ERROR, "RFC 5280 section 4.2.1.6", of_requests=True, extension="subjectAltName")
def _ip_as_dns(case: Case) -> Messages:
    """An IP address matches only an iPAddress entry, never a dNSName."""
    return tuple(
        Fault(
            f"DNS:{brief(name.value)} is an IP address written as a DNS name; write IP:{brief(name.value)}",
            name=name,
        )
        for name in _addresses_as_dns(case, twice=False)
    )


@rule("ip-also-as-dns", WARNING, "RFC 5280 section 4.2.1.6", of_requests=True, extension="subjectAltName")
def _ip_also_as_dns(case: Case) -> Messages:
    """An IP address written as a DNS name matches nothing; only its IP entry counts."""
    return tuple(
        Fault(
            f"DNS:{brief(name.value)} is an IP address written as a DNS name; it is not needed next to"
            f" IP:{brief(name.value)}",
            name=name,
        )
        for name in _addresses_as_dns(case, twice=True)
    )


def _addresses_as_dns(case: Case, *, twice: bool) -> list[GeneralName]:
    """Return the IP addresses written as DNS names: with `twice` those that are also IP entries, else the others."""
    names = case.certificate.names
    found = [name for name in names if name.kind == "DNS" and _looks_like_ip(name.value)]
    if not found:
        return found
    addresses = {name.value for name in names if name.kind == "IP"}
    return [name for name in found if (_normal(name.value) in addresses) == twice]


def _looks_like_ip(text: str) -> bool:
    # The last label of a host name is never only digits (RFC 1123 section 2.1), and never contains a colon.
    return text.rpartition(".")[2].isdigit() or (":" in text and _IPV6.fullmatch(text) is not None)


_IPV6 = pattern(r"[0-9A-Fa-f:.]+")
_LONGEST_HOST = 253  # characters (RFC 1035 section 3.1)
# Host names must not contain underscores, but many do; a wildcard is the whole first label.
_HOST = pattern(
    r"(?:\*\.)?[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?)*"
)


def is_host(text: str) -> bool:
    """Tell whether a text has the form of a host name or a wildcard."""
    return len(text) <= _LONGEST_HOST and _HOST.fullmatch(text) is not None


def can_match(name: GeneralName) -> bool:
    """Tell whether some client could match a server's name with this DNS name or IP address."""
    return name.kind == "IP" or (name.kind == "DNS" and _HOST_PATTERN.fullmatch(name.value) is not None)


# Wider than a host name: some clients accept a wildcard inside a label, and ignore a dot at the end.
_HOST_PATTERN = pattern(r"(?=[^A-Za-z0-9]*[A-Za-z0-9])[A-Za-z0-9_*-]+(?:\.[A-Za-z0-9_-]+)*\.?")


@rule(
    "dns-malformed",
    WARNING,
    "RFC 5280 section 4.2.1.6; RFC 1034 section 3.5",
    of_requests=True,
    extension="subjectAltName",
)
def _malformed(case: Case) -> Messages:
    """A DNS name with characters that no host name has matches nothing, and may be meant to deceive the reader."""
    found = PASS
    for name in case.certificate.names:
        if name.kind == "DNS" and not is_host(name.value) and not _looks_like_ip(name.value):
            found += (Fault(f"DNS:{brief(name.value)} is not a host name", name=name),)
    return found


@rule("empty-cn", ERROR, "Avaya IP Office certificates; FiloSottile/mkcert#47", of_requests=True)
def _common_name(case: Case) -> Messages:
    """IP Office, and the certificate lists of many devices, identify a certificate by its common name."""
    return without_common_name(case)


def without_common_name(case: Case) -> Messages:
    """Return that the subject has no common name, if so."""
    return PASS if (case.certificate.subject.common_name or "").strip() else ("its subject has no common name",)


@rule("cn-not-in-san", WARNING, "RFC 9525 section 2; CA/Browser Forum Baseline Requirements 7.1.4.3", of_requests=True)
def _common_name_in_san(case: Case) -> Messages:
    """Clients ignore a common name that is not among the subject alternative names."""
    names = case.certificate.subject_alternative_names
    common_name = case.certificate.subject.common_name
    # A missing one has its own rule; in a certificate without hosts the common name may be a person's name.
    if not names or not common_name:
        return PASS
    for name in names:
        if name.value == common_name and name.kind in ("DNS", "IP"):
            return PASS
    hosts = {name.value.lower() for name in names if name.kind in ("DNS", "IP")}
    if not hosts or common_name.lower() in hosts or _normal(common_name) in hosts:
        return PASS
    return (f"its common name {brief(common_name)} is not among its subject alternative names",)


def _normal(common_name: str) -> str:
    try:
        return parse_host(common_name).value
    except UsageError:
        return common_name


@rule("san-twice", WARNING, "RFC 5280 section 4.2.1.6", of_requests=True, extension="subjectAltName")
def _twice(case: Case) -> Messages:
    """If a subject alternative name appears twice, another name is probably missing."""
    names = case.certificate.names
    if len(names) < 2 or len({name.value.lower() for name in names}) == len(names):
        return PASS
    seen: dict[tuple[str, str], int] = {}
    for name in names:
        # Host names are the same in any case (RFC 4343).
        entry = name.kind, name.value.lower() if name.kind == "DNS" else name.value
        seen[entry] = seen.get(entry, 0) + 1
    return tuple(
        Fault(f"{kind}:{brief(value)} appears {count} times", name=GeneralName(kind, value))
        for (kind, value), count in seen.items()
        if count > 1
    )


@rule(
    "name-near-miss",
    WARNING,
    "the post this tool starts from: avaya.domian.com for avaya.domain.com",
    of_requests=True,
    extension="subjectAltName",
)
def _near_miss(case: Case) -> Messages:
    """Two names that differ only in two swapped letters are probably one name with a typing mistake."""
    names = case.certificate.subject_alternative_names
    if not names:
        return PASS
    # A longer text is not a host name, and comparing it would take long.
    hosts = {name.value for name in names if name.kind == "DNS" and len(name.value) <= _LONGEST_HOST}
    if (common_name := case.certificate.subject.common_name) and len(common_name) <= _LONGEST_HOST:
        hosts.add(common_name)
    # Names with swapped letters have the same length, so nearly all certificates end here.
    if len(hosts) < 2 or len(set(map(len, hosts))) == len(hosts):
        return PASS
    ordered = dict.fromkeys(host for host in sorted(hosts) if not _tops_out(host))
    return tuple(Fault(message, name=GeneralName("DNS", host)) for host, message in near_misses(ordered))


def _tops_out(host: str) -> bool:
    return host.startswith("*.") and host.count(".") == 1


@rule(
    "wildcard-tld",
    WARNING,
    "RFC 9525 section 7.1; CA/Browser Forum Baseline Requirements 3.2.2.6",
    of_requests=True,
    extension="subjectAltName",
)
def _wildcard(case: Case) -> Messages:
    """Many clients refuse a wildcard directly under a top-level label."""
    found = PASS
    for name in case.certificate.names:
        if name.kind == "DNS" and _tops_out(name.value):
            found += tuple(Fault(slip, name=name) for slip in slips(None, (name,)))
    return found


@rule("host-mismatch", ERROR, "RFC 9525 sections 6.3 and 6.4; RFC 9110 section 4.3.4")
def _host(case: Case) -> Messages:
    """Clients refuse a server whose name or address is not among the subject alternative names."""
    host = case.host
    names = case.certificate.names
    if host is None or matches(host, names):
        return PASS
    listed = ", ".join(brief(str(name)) for name in names[:5]) + (", …" if len(names) > 5 else "")
    return (f"it is not valid for {brief(str(host))}, only for {listed or 'no name'}",)


def matches(host: GeneralName, names: Iterable[GeneralName]) -> bool:
    """Return whether a host name or IP address is among subject alternative names (RFC 9525 sections 6.3 and 6.4)."""
    if host.kind != "DNS":
        return host in names
    wanted = host.value.lower().removesuffix(".")
    parent = wanted.partition(".")[2]
    for name in names:
        if name.kind == "DNS":
            pattern = name.value.lower()
            # A wildcard is the whole first label and matches one label, but nothing directly below a top-level domain.
            if pattern == wanted or (pattern == f"*.{parent}" and "." in parent and not wanted.startswith(".")):
                return True
    return False


@rule("no-common-name", WARNING, "FiloSottile/mkcert#47; --profile appliance makes it an error", of_requests=True)
def _no_common_name(case: Case) -> Messages:
    """Phones and browsers need no common name, but some appliances and certificate lists do."""
    return without_common_name(case)


RULES = declared(globals())
