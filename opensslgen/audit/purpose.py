"""What an extension section is for, and why: certificates for servers, CAs or clients."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from opensslgen.config.use import COMMON
from opensslgen.patterns import pattern
from opensslgen.rules.roles import AUTHORITY, CLIENT

if TYPE_CHECKING:
    from collections.abc import Collection

    from opensslgen.x509.certificate import Certificate

SERVER, OTHER = "server", "other"
"""Kinds besides AUTHORITY and CLIENT; if it could be for servers, it is judged as such."""

_ANY_SERVER = frozenset({"serverAuth", "anyExtendedKeyUsage"})
_SIGNATURES = frozenset({"codeSigning", "timeStamping", "OCSPSigning"})
_SERVER = pattern(r"serv|srv|https|web|www|host|tls|ssl|pbx", re.IGNORECASE)
_CLIENT = pattern(r"client|usr|user|person|mail|smime", re.IGNORECASE)


def purpose(name: str, made: Certificate, *, unknown: Collection[str], named_by: str | None) -> tuple[str, str]:
    """Return what a section is for, AUTHORITY, CLIENT, SERVER or OTHER, and why.

    `made` is a certificate with the extensions of the section `name`; the values of `unknown` ones are partly unknown.
    `named_by` says what uses the section; None: nothing in the config uses it.
    """
    has_hosts = any(each.kind in ("DNS", "IP") for each in made.names)
    usages = made.extended_key_usage or ()
    signs = "keyCertSign" in (made.key_usage or ()) and not usages
    if made.is_authority and not has_hosts and (name != COMMON or signs):
        return AUTHORITY, "CA:TRUE"
    if "extendedKeyUsage" not in unknown and _is_of_others(name, usages, has_hosts=has_hosts):
        return CLIENT if "clientAuth" in usages else OTHER, f"its extendedKeyUsage is {', '.join(usages)}"
    if named_by is not None or name == COMMON:
        return SERVER, named_by or "its name"
    if usages and "extendedKeyUsage" not in unknown and not _may_be_server(name, usages, has_hosts=has_hosts):
        return CLIENT if "clientAuth" in usages else OTHER, f"its extendedKeyUsage is {', '.join(usages)}"
    if not usages and not has_hosts and _CLIENT.search(name) and not sounds_like_server(name):
        return CLIENT, "its name"
    return SERVER, _why_server(name, usages, has_hosts=has_hosts)


def _is_of_others(name: str, usages: Collection[str], *, has_hosts: bool) -> bool:
    """Tell whether name and usages are those of clients, or of signatures, even if a config uses the section."""
    if not _ANY_SERVER.isdisjoint(usages) or sounds_like_server(name):
        return False
    if "clientAuth" in usages:
        return _CLIENT.search(name) is not None
    return not _SIGNATURES.isdisjoint(usages) and not has_hosts


def sounds_like_server(name: str) -> bool:
    """Tell whether the name of a section is one for servers."""
    return _SERVER.search(name) is not None


def _may_be_server(name: str, usages: Collection[str], *, has_hosts: bool) -> bool:
    """Tell whether a section with an extended key usage may be meant for servers, even if the usage is wrong."""
    if not _ANY_SERVER.isdisjoint(usages) or sounds_like_server(name):
        return True
    return has_hosts and not _CLIENT.search(name)


def _why_server(name: str, usages: Collection[str], *, has_hosts: bool) -> str:
    if not _ANY_SERVER.isdisjoint(usages):
        return f"its extendedKeyUsage has {min(_ANY_SERVER.intersection(usages))}"
    if sounds_like_server(name):
        return "its name"
    return "its subjectAltName has a host" if has_hosts else "nothing in it says otherwise"
