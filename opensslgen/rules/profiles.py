"""Profiles: the rules for one kind of certificate, or of one kind of client."""

from __future__ import annotations

import copyreg
from collections.abc import Collection
from typing import NamedTuple

from opensslgen.errors import UsageError
from opensslgen.suggest import suggest
from opensslgen.text import did_you_mean

from . import apple, ats, chain, client, form, names, public, raised, root, strict
from .rule import ERROR, WARNING, Rule

RULES: dict[str, Rule] = {
    rule.id: rule
    for module in (apple, ats, public, strict, root, client, chain, form, names, raised)
    for rule in module.RULES
}
"""All rules by their ids; rules that belong to a single profile come first."""


def _rule_of(id: str, severity: str) -> Rule:  # noqa: A002 - as the field is called
    return RULES[id].as_severe_as(severity)


# A check cannot be sent to other processes, so a rule is sent by its id.
copyreg.pickle(Rule, lambda rule: (_rule_of, (rule.id, rule.severity)))


class Profile(NamedTuple):
    """A named table of rules."""

    name: str
    title: str
    rules: tuple[str, ...]
    """By their ids."""
    instead: tuple[str, ...] = ()
    """Rules of other profiles that do not apply if this one is also chosen."""
    warnings: tuple[str, ...] = ()
    """Rules that are only warnings in this profile, unless another one that is also chosen makes them errors."""


# The code that reads files, configs, scripts and servers raises them, so they belong to every profile.
_OF_READERS = tuple(rule.id for rule in RULES.values() if rule.check is None and not rule.id.startswith("ats-"))

_ANYTHING = (
    "not-der",
    "malformed",
    "expired",
    "not-yet-valid",
    "expires-soon",
    "key-mismatch",
    "issuer-mismatch",
    "aki-mismatch",
    "issuer-not-ca",
    "issuer-key-usage",
    "issuer-eku",
    "path-length",
    "name-constraints",
    "chain-order",
    "chain-unrelated",
    "critical-unknown",
    "ec-explicit",
    "serial-negative",
    "serial-long",
    "serial-21-bytes",
    "serial-short",
)
_KEYS = ("apple-key-size", "apple-key-type", "apple-signature-hash", "apple-signature-type")
_ATS = tuple(rule for rule in RULES if rule.startswith("ats-"))
_ATS_ERRORS = tuple(rule for rule in _ATS if RULES[rule].severity == ERROR)
_APPLE = ("apple-san", "apple-eku", "apple-validity")
_SERVER = (
    "leaf-is-ca",
    "host-mismatch",
    "ip-as-dns",
    "ip-also-as-dns",
    "dns-malformed",
    "leaf-outlives-issuer",
    "key-usage",
    "cn-not-in-san",
    "san-twice",
    "name-near-miss",
    "wildcard-tld",
)

PROFILES = {
    profile.name: profile
    for profile in (
        Profile(
            "apple",
            "Apple's published rules for TLS servers, and what every client requires of a leaf",
            (*_KEYS, *_APPLE, *_ATS, "no-common-name", *_SERVER, *_ANYTHING),
            warnings=_ATS_ERRORS,
        ),
        Profile(
            "appliance",
            "like apple, and the common name that Avaya IP Office and Synology require",
            (*_KEYS, *_APPLE, *_ATS, "empty-cn", *_SERVER, *_ANYTHING),
            instead=("no-common-name",),
            warnings=_ATS_ERRORS,
        ),
        Profile(
            "ats",
            "App Transport Security: what Apple's system services may demand of servers from iOS 27 on",
            (*_KEYS, *_APPLE, *_ATS, *_SERVER, *_ANYTHING),
        ),
        Profile(
            "public",
            "what the CA/Browser Forum requires of public CAs, and Apple of all servers",
            (*_KEYS, *(rule for rule in RULES if rule.startswith("public-")), *_SERVER, *_ANYTHING),
        ),
        Profile(
            "strict",
            "what Python 3.13 and later and its library cryptography require",
            (
                *("apple-key-size", "apple-signature-hash", "apple-san"),
                *(rule for rule in RULES if rule.startswith("strict-")),
                *_SERVER,
                # The strict rules cover these, and more.
                *(rule for rule in _ANYTHING if rule not in ("issuer-key-usage", "issuer-eku", "not-der")),
            ),
        ),
        Profile(
            "client",
            "what servers require of a client's certificate",
            (
                *_KEYS,
                "client-eku",
                "empty-cn",
                "leaf-is-ca",
                "leaf-outlives-issuer",
                "key-usage",
                "san-twice",
                "ip-as-dns",
                "ip-also-as-dns",
                "dns-malformed",
                *_ANYTHING,
            ),
        ),
        Profile(
            "root",
            "what a phone requires of a root",
            (*(rule for rule in RULES if rule.startswith("root-")), *_KEYS, *_ANYTHING),
            instead=(
                *(*_APPLE, *_ATS, "empty-cn", "no-common-name", "strict-eku", *_SERVER),
                *(rule for rule in RULES if rule.startswith("public-")),
            ),
        ),
    )
}


def breakable() -> list[str]:
    """Return the ids of the rules that an order for a server, a client or a CA can break, sorted."""
    profiles = [PROFILES[name] for name in ("apple", "client", "root")]
    ids = {rule for profile in profiles for rule in profile.rules if rule not in profile.warnings}
    errors = {rule for rule in ids if RULES[rule].severity == ERROR and RULES[rule].check is not None}
    # The first three need more than an order: a date of the user's, a host and a key.
    return sorted(errors - {"expires-soon", "host-mismatch", "key-mismatch"} | {"clock"})


def rules_of(names: Collection[str], allowed: Collection[str] = ()) -> tuple[Rule, ...]:
    """Return the rules of some profiles, each once, without the `allowed` ones; raises UsageError for unknown ids.

    With the profile for roots, the rules for servers do not apply, even if a profile for servers is also chosen.
    """
    for name in names:
        if name not in PROFILES:
            hint = f"{did_you_mean(name, PROFILES)}the profiles are {', '.join(PROFILES)}"
            raise UsageError(f"unknown profile {name!r}", hint=hint)
    for rule in allowed:
        if rule not in RULES:
            several = "repeat the option for each rule; " if "," in rule else did_you_mean(rule, RULES)
            hint = f"{several}to see all rules: {suggest('rules')}"
            raise UsageError(f"unknown rule {rule!r}", hint=hint)
    profiles = [PROFILES[name] for name in dict.fromkeys(names)]
    dropped = {rule for profile in profiles for rule in profile.instead}.union(allowed)
    ids = dict.fromkeys(rule for profile in profiles for rule in (*profile.rules, *_OF_READERS))
    as_errors = {rule for profile in profiles for rule in profile.rules if rule not in profile.warnings}
    as_warnings = {rule for profile in profiles for rule in profile.warnings} - as_errors
    return tuple(
        RULES[rule].as_severe_as(WARNING) if rule in as_warnings else RULES[rule] for rule in ids if rule not in dropped
    )
