"""Probable typing errors in the names of one server."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence

from opensslgen.errors import UsageError
from opensslgen.text import quote

from .general import GeneralName, parse_host


def slips(common_name: str | None, names: Sequence[GeneralName]) -> list[str]:
    """Return a message for each probable typing error in the names of one server, in linear time."""
    given = Counter(names)
    common = _common(common_name) if common_name else None
    messages = []
    # A person's name in a client certificate needs no alternative name.
    if common and common not in given and any(name.kind in ("DNS", "IP") for name in given):
        messages.append(f"the common name {quote(common_name or '')} is not among the alternative names")
    messages += [f"{quote(str(name))} is given {count} times" for name, count in given.items() if count > 1]
    hosts = dict.fromkeys(name.value for name in given if name.kind == "DNS")
    if common and common.kind == "DNS":
        hosts = {common.value: None, **hosts}
    messages += [message for _, message in near_misses(hosts)]
    messages += [
        f"{quote(host)} is a wildcard directly under a top-level label: many clients refuse it"
        for host in hosts
        if host.startswith("*.") and host.count(".") == 1
    ]
    messages += [
        f"{quote(host)} has an underscore, which host names cannot have: some clients refuse it"
        for host in hosts
        if "_" in host
    ]
    return messages


def near_misses(hosts: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield the first host and a message for each two hosts that differ by two swapped letters."""
    done: set[str] = set()
    for host in hosts:
        done.add(host)
        for other in _swapped(host):
            if other in hosts and other not in done:
                yield host, f"{quote(host)} and {quote(other)} differ by two swapped letters: one may be a slip"


def _common(text: str) -> GeneralName:
    """Return the alternative name that a common name should also be."""
    try:
        return parse_host(text)
    except UsageError:
        return GeneralName("", text)


def _swapped(host: str) -> list[str]:
    """Return all spellings of a host with two neighbouring letters swapped; digits are often counted up."""
    return [
        host[:at] + host[at + 1] + host[at] + host[at + 2 :]
        for at in range(len(host) - 1)
        if host[at] != host[at + 1] and host[at].isalpha() and host[at + 1].isalpha()
    ]
