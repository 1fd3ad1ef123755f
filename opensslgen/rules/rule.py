"""The case that rules judge, the rules, and their findings."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from opensslgen.budget import check
from opensslgen.x509.certificate import Certificate
from opensslgen.x509.names import Name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import date, datetime, timedelta

    from opensslgen.names.general import GeneralName
    from opensslgen.x509.public_keys import PublicKey
    from opensslgen.x509.request import Request

ERROR, WARNING, NOTE = "error", "warning", "note"
ANY = "any extension"


class Fault(NamedTuple):
    """What is wrong with a certificate, and with which part of it."""

    message: str
    extension: str | None = None
    """Short name or object identifier of the extension that is wrong."""
    name: GeneralName | None = None
    """The subject alternative name that is wrong."""


Messages = tuple[str | Fault, ...]
"""Errors; a plain text concerns the whole certificate, or the extension that the rule names."""
PASS: Messages = ()


@dataclass(frozen=True, eq=False, repr=False)  # each method that is made costs time when a command starts
class Case:
    """What rules judge: a certificate, its issuer if available, and the time."""

    certificate: Certificate
    """It has no DER if it is not issued yet; rules about what openssl itself adds then pass."""
    issuer: Certificate | None
    at: datetime
    within: timedelta | None = None
    """A certificate that expires within this time after `at` is a finding."""
    chain: tuple[Certificate, ...] = ()
    """Its issuer, the issuer's issuer, and so on."""
    is_anchored: bool = False
    """Whether the last certificate of the chain is trusted, so that its own issuer does not matter."""
    key: PublicKey | None = None
    """The public key of the private key next to it."""
    host: GeneralName | None = None
    """The name or address of the server that was contacted."""
    others: tuple[Certificate, ...] = ()
    """The other certificates in the same file or from the same server, in their order."""

    @cached_property
    def authorities(self) -> tuple[Certificate, ...]:
        """The issuers, each once: the direct one, then the others of the chain."""
        if self.issuer is None and not self.chain:
            return ()
        found = {} if self.issuer is None else {self.issuer.der: self.issuer}
        for certificate in self.chain:
            found.setdefault(certificate.der, certificate)
        found.pop(self.certificate.der, None)
        return tuple(found.values())

    def title(self, certificate: Certificate) -> str:
        """Return how messages call one of its certificates; the one that is judged may not have its subject yet."""
        return "it" if certificate is self.certificate else f"its issuer {certificate.subject}"


class Rule(NamedTuple):
    """One requirement, its source, and its check."""

    id: str
    severity: str
    reason: str
    """One sentence: what breaks if the certificate violates it."""
    citation: str
    effective: date | None = None
    """It applies to certificates whose validity begins on this day (UTC) or later."""
    check: Callable[[Case], Messages] | None = None
    """Returns what is wrong; None if the code that reads a file or server raises the findings."""
    of_requests: bool = False
    """Whether it also applies to requests (CSRs)."""
    extension: str | None = None
    """Short name of the extension that it concerns, for findings on configs; ANY: each finding names the extension."""
    until: date | None = None
    """It applies only to certificates whose validity begins before this day (UTC): a stricter rule follows it."""

    def as_severe_as(self, severity: str) -> Rule:
        """Return the rule with the severity that a profile gives it."""
        return self if severity == self.severity else self._replace(severity=severity)

    def applies_on(self, day: date) -> bool:
        """Tell whether it applies to certificates whose validity begins on this day."""
        return (self.effective is None or day >= self.effective) and (self.until is None or day < self.until)


def rule(
    id: str,  # noqa: A002 - as the field is called
    severity: str,
    citation: str,
    *,
    since: date | None = None,
    until: date | None = None,
    of_requests: bool = False,
    extension: str | None = None,
) -> Callable[[Callable[[Case], Messages]], Rule]:
    """Return a decorator that makes a check a rule; the docstring of the check says what breaks."""
    return lambda check: Rule(
        id,
        severity,
        check.__doc__ or "",
        citation,
        since,
        check,
        of_requests=of_requests,
        extension=extension,
        until=until,
    )


def declared(names: Mapping[str, object]) -> tuple[Rule, ...]:
    """Return the rules among the global names of a module, in the order of their definitions."""
    return tuple(each for each in names.values() if isinstance(each, Rule))


class Finding(NamedTuple):
    """A rule that a certificate violates, and how."""

    rule: Rule
    message: str
    line: int | None = None
    """In a config or script, from 1."""
    extension: str | None = None
    """Short name or object identifier of the extension that is wrong, if the rule does not name it."""
    name: GeneralName | None = None
    """The subject alternative name that is wrong."""
    days: int | None = None
    """The validity that is wrong, where a config or script gives it."""

    def __str__(self) -> str:
        return f"{self.message} [{self.rule.id}]"


def judge(case: Case, rules: Iterable[Rule]) -> list[Finding]:
    """Return the findings of all rules that have a check, in the order of the rules."""
    check()
    begins = case.certificate.not_before.date()
    found: list[Finding] = []
    for rule, look in _checks(rules, begins):
        if messages := look(case):
            found += [_finding(rule, message) for message in messages]
    return found


_latest: tuple[tuple[Rule, ...], date, list[tuple[Rule, Callable[[Case], Messages]]]] | None = None
"""What `_checks` returned last: certificates of one CA often begin on one day."""


def _checks(rules: Iterable[Rule], day: date) -> list[tuple[Rule, Callable[[Case], Messages]]]:
    """Return the rules that apply to certificates whose validity begins on this day, with their checks."""
    global _latest  # noqa: PLW0603 - a cache with one place
    latest = _latest
    if latest and latest[0] is rules and latest[1] == day:
        return latest[2]
    found = [(rule, rule.check) for rule in rules if rule.check is not None and rule.applies_on(day)]
    if isinstance(rules, tuple):
        _latest = rules, day, found
    return found


def _finding(rule: Rule, fault: str | Fault) -> Finding:
    if isinstance(fault, str):
        return Finding(rule, fault)
    return Finding(rule, fault.message, extension=fault.extension, name=fault.name)


def judge_request(
    request: Request, rules: Iterable[Rule], *, at: datetime, key: PublicKey | None = None
) -> list[Finding]:
    """Return the findings on a request, as if a certificate with all that it asks for were issued at this time."""
    asked = Certificate(
        serial_number=1 << 126,
        signature_algorithm=request.signature_algorithm,
        signature_hash=request.signature_hash,
        issuer=Name(()),
        subject=request.subject,
        not_before=at,
        not_after=at,
        public_key=request.public_key,
        subject_alternative_names=request.subject_alternative_names,
        extended_key_usage=request.extended_key_usage,
        key_usage=request.key_usage,
        basic_constraints=request.basic_constraints,
        extensions=request.extensions,
        deviations=request.deviations,
    )
    return judge(Case(asked, None, at, key=key), [rule for rule in rules if rule.of_requests])


def raised(
    rules: Iterable[Rule], rule: str, message: str, *, line: int | None = None, days: int | None = None
) -> tuple[Finding, ...]:
    """Return a finding of the rule with this id, or nothing if that rule does not apply."""
    return tuple(Finding(each, message, line, days=days) for each in rules if each.id == rule)
