"""What name constraints forbid (RFC 5280 section 4.2.1.10), for every kind of name.

Tables keep this fast: the time grows with the sum of constraints and names, not with their product.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from opensslgen.patterns import pattern
from opensslgen.x509.names import RelativeNames, relative_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from opensslgen.names.constraints import NameConstraints
    from opensslgen.names.general import GeneralName

_URI_HOST = pattern(r"[^:/?#]+://(?:[^/?#@]*@)?(?P<host>\[[^\]]*\]|[^/?#:]*)", re.DOTALL)
_URI_HOST_OF_OPENSSL = pattern(r"[^:]*://(?P<host>[^:/]*)", re.DOTALL)
"""Where openssl sees the host, with user, query and fragment."""
_URI_FORMS = (_URI_HOST, _URI_HOST_OF_OPENSSL)


class Limits:
    """The name constraints of a CA, prepared for checking many names."""

    def __init__(self, constraints: NameConstraints) -> None:
        self._permitted = _subtrees(constraints.permitted, empty_is_all=False)
        self._excluded = _subtrees(constraints.excluded, empty_is_all=True)

    def forbid(self, name: GeneralName) -> bool:
        """Tell whether the constraints forbid the name in a certificate below the CA.

        If a constraint cannot be compared with a name of its kind, or clients compare them in different ways and one
        of them refuses the name, it forbids the name: that is the safe answer.
        """
        if name.kind in self._excluded.kinds and self._excluded.covers(name, any_part=True) is not False:
            return True
        return name.kind in self._permitted.kinds and not self._permitted.covers(name, any_part=False)


@dataclass
class _Subtrees:
    """Constraints in lower case, by the way in which they are compared."""

    kinds: set[str] = field(default_factory=set)
    exact: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """By kind: hosts, mailboxes, and other values that match only themselves."""
    below: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """By kind: domains that match all names below them."""
    parents: set[str] = field(default_factory=set)
    """The direct parents of the DNS constraints: a wildcard below such a parent matches some constrained name."""
    networks: dict[tuple[int, int], set[int]] = field(default_factory=lambda: defaultdict(set))
    """By version and mask: the addresses, without the bits that the mask leaves open."""
    directory: dict[int, set[RelativeNames]] = field(default_factory=lambda: defaultdict(set))
    """Directory names by the number of their parts."""

    def covers(self, name: GeneralName, *, any_part: bool) -> bool | None:
        """Tell whether a constraint of its kind covers a name; None if they cannot be compared.

        With `any_part`, a wildcard is covered if at least one of the names that it matches is covered, and a URI if at
        least one client sees a host in it that is covered.
        """
        if name.kind == "IP":
            return self._address(name.value)
        if name.kind == "dirName":
            parts = relative_names(name.encoding)
            return any(parts[:count] in entries for count, entries in self.directory.items())
        hosts = _hosts(name)
        covered = [self._host(name.kind, host) for host in hosts]
        if name.kind == "email" and hosts:
            covered[0] |= f"{name.value.rpartition('@')[0]}@{hosts[0]}" in self.exact["email"]
        if any_part:
            covered += [host[2:] in self.parents for host in hosts if name.kind == "DNS" and host.startswith("*.")]
        return (any if any_part else all)(covered) if covered else None

    def _host(self, kind: str, host: str) -> bool:
        below = self.below[kind]
        return host in self.exact[kind] or any(domain in below for domain in _domains_above(host))

    def _address(self, value: str) -> bool:
        import ipaddress  # imported here because few CAs have name constraints

        address = ipaddress.ip_address(value)
        return any(
            version == address.version and int(address) & mask in networks
            for (version, mask), networks in self.networks.items()
        )


def _hosts(name: GeneralName) -> tuple[str, ...]:
    """Return the hosts that clients see in a name, in lower case; nothing if there is none for all of them."""
    text = name.value.lower()
    if name.kind == "DNS":
        # Some clients compare the dot at the end as well.
        return (text, text[:-1]) if text.endswith(".") else (text,)
    if name.kind == "email":
        return (text.rpartition("@")[2],) if "@" in text else ()
    if name.kind == "URI":
        found = [match["host"] for form in _URI_FORMS if (match := form.match(text)) and match["host"]]
        return tuple(found) if len(found) == len(_URI_FORMS) else ()
    return ()


def _domains_above(host: str) -> Iterator[str]:
    while host:
        host = host.partition(".")[2]
        yield host


def _subtrees(constraints: Iterable[GeneralName], *, empty_is_all: bool) -> _Subtrees:
    """Return constraints by the way in which they are compared.

    An empty domain of an email address or URI means all of them to Go, and none to openssl: `empty_is_all`.
    """
    import ipaddress

    found = _Subtrees()
    for constraint in constraints:
        kind, value = constraint.kind, constraint.value
        found.kinds.add(kind)
        if kind == "IP":
            first, _, last = value.partition("/")
            address = ipaddress.ip_address(first)
            mask = int(ipaddress.ip_address(last) if not last.isdigit() else ipaddress.ip_network(value).netmask)
            found.networks[address.version, mask].add(int(address) & mask)
        elif kind == "dirName":
            parts = relative_names(constraint.encoding)
            found.directory[len(parts)].add(parts)
        elif "@" in value and kind == "email":
            local, _, host = value.rpartition("@")
            found.exact[kind].add(f"{local}@{host.lower()}" if local else host.lower())
        else:
            domain = value.lower()
            # A DNS constraint covers the domain and all names below; the other kinds need a dot at the start for that.
            if not domain.startswith("."):
                found.exact[kind].add(domain)
                if kind == "DNS":
                    found.parents.add(domain.partition(".")[2])
            if kind == "DNS" or domain.startswith(".") or (not domain and empty_is_all):
                found.below[kind].add(domain.removeprefix("."))
    return found
