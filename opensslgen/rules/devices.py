"""On which devices a certificate works. The answers never go beyond published rules and measurements."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from opensslgen.orders.kinds import kind_of

from .apple import APPLE
from .profiles import PROFILES, rules_of
from .roles import AUTHORITY, role_of
from .rule import ERROR, Case, Finding, Rule, judge

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from opensslgen.x509.certificate import Certificate

APPLE_DEVICES, ANDROID, PYTHON, BROWSERS = "iPhone, iPad, Mac", "Android", "Python 3.13 and later", "browsers"
ALL = "all clients"

_GOOD = "no known problem"
_STRICT = "complies with its strict check and with the library cryptography"
_ON_ANDROID = "Chrome trusts a root that you installed; an app does only if its developer chose that"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is known about a certificate on one kind of device."""

    device: str
    complies: bool | None
    """None if there is no rule for it."""
    words: str
    findings: tuple[Finding, ...] = ()
    """The violated rules."""


def verdicts(
    certificate: Certificate,
    *,
    issuer: Certificate | None,
    is_private: bool,
    at: datetime,
    path: str = "",
    proof: Iterable[Finding] = (),
) -> list[Verdict]:
    """Return what is known about a certificate for each kind of device, first for all devices.

    The path is the certificate's file, and the proof holds openssl's findings on its signature.
    """
    case = Case(certificate, issuer, at)
    if role_of(certificate, path=path).name == AUTHORITY:
        said = _of_authority(case, at_root=certificate.is_self_signed)
    elif kind_of(certificate) in ("client", "other"):
        said = _of_client(case)
    else:
        said = _of_server(case, is_private=is_private)
        if certificate.is_authority:
            # A CA certificate with a server's names may also be meant as a root.
            as_root = [finding for finding in judge(case, rules_of(("root",))) if finding.rule.id.startswith("root-")]
            said.append(_verdict("installed on a phone as a root", as_root, _GOOD))
    if broken := tuple(proof):
        said[0] = _verdict(ALL, (*broken, *said[0].findings), _GOOD)
    return said


def _of_server(case: Case, *, is_private: bool) -> list[Verdict]:
    found = judge(case, rules_of(("apple",)))
    strict = [finding for finding in judge(case, rules_of(("strict",))) if finding.rule.id.startswith("strict-")]
    if is_private:
        browsers = Verdict(BROWSERS, None, "no further rule; the limits for public CAs do not apply to your own root")
    else:
        public = [finding for finding in judge(case, rules_of(("public",))) if finding.rule.id.startswith("public-")]
        browsers = _verdict(
            BROWSERS,
            public,
            "complies with the rules for public CAs, if a public CA issued it",
            "violates the rules for public CAs, if a public CA issued it",
        )
    return [
        _verdict(ALL, _not_of_apple(found), _GOOD),
        _apple(found, "complies with Apple's published rules"),
        Verdict(ANDROID, None, f"no special rules are known; {_ON_ANDROID}"),
        _verdict(PYTHON, strict, _STRICT),
        browsers,
    ]


def _of_authority(case: Case, *, at_root: bool) -> list[Verdict]:
    found = judge(case, rules_of(("root",)))
    on_phones = [finding for finding in found if finding.rule.id in ("root-cn", "root-ca", "root-key-cert-sign")]
    everybody = [finding for finding in _not_of_apple(found) if not finding.rule.id.startswith("root-")]
    strict = [
        finding
        for finding in judge(case, rules_of(("strict", "root")))
        if finding.rule.id.startswith("strict-") or finding.rule.id == "root-eku"
    ]
    said = [
        _verdict(ALL, everybody, _GOOD),
        _apple(found, "complies with Apple's published rules for a server's issuers"),
        _verdict(PYTHON, strict, _STRICT),
    ]
    if at_root:
        said += [
            _verdict(
                "installed on a phone",
                on_phones,
                "works as a root; on an iPhone, also switch it on under Certificate Trust Settings",
            ),
            Verdict(ANDROID, None, _ON_ANDROID),
        ]
    # Some appliances use one certificate both as a server and as a CA.
    if any(name.kind in ("DNS", "IP") for name in case.certificate.names):
        of_server = [finding for finding in judge(case, rules_of(("apple",))) if finding not in found]
        said.append(_verdict("used by a server", of_server, _GOOD))
    return said


def _of_client(case: Case) -> list[Verdict]:
    # Rules that are in both profiles hold for every certificate.
    both = set(PROFILES["apple"].rules) & set(PROFILES["root"].rules)
    found = judge(case, [rule for rule in rules_of(("apple",)) if rule.id in both])
    return [
        _verdict(ALL, _not_of_apple(found), _GOOD),
        Verdict(APPLE_DEVICES, None, "Apple's published rules are for servers, and this is not a server's certificate"),
    ]


def _of_apple(rule: Rule) -> bool:
    return rule.id.startswith(("apple-", "ats-"))


def _not_of_apple(found: Iterable[Finding]) -> list[Finding]:
    return [finding for finding in found if not _of_apple(finding.rule)]


def _apple(found: Iterable[Finding], good: str) -> Verdict:
    of_apple = [finding for finding in found if _of_apple(finding.rule)]
    published = [finding for finding in of_apple if finding.rule.citation == APPLE]
    bad = f"violates Apple's published rule{'s' if len(published) > 1 else ''}"
    return _verdict(
        APPLE_DEVICES, of_apple, good, bad if published else "uses something that Apple's code does not accept"
    )


def _verdict(device: str, found: Iterable[Finding], good: str, bad: str = "violates these rules") -> Verdict:
    findings = tuple(found)
    if any(finding.rule.severity == ERROR for finding in findings):
        return Verdict(device, False, bad, findings)
    return Verdict(device, True, "may have a problem" if findings else good, findings)
