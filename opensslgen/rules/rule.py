"""What is judged, what a rule is, and how rules give findings."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from opensslgen.x509.certificate import Certificate
from opensslgen.x509.names import Name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import date, datetime, timedelta

    from opensslgen.names.general import GeneralName
    from opensslgen.x509.public_keys import PublicKey
    from opensslgen.x509.request import Request

ERROR, WARNING, NOTE = "error", "warning", "note"
ANY = "any extension"


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a certificate, and with which part of it."""

    message: str
    extension: str | None = None
    """Short name, or else object identifier, of the extension that it is about."""
    name: GeneralName | None = None
    """The subject alternative name that it is about."""


Messages = tuple[str | Fault, ...]
"""Faults; one that is a text alone is about the certificate, or the extension that its rule is about."""
PASS: Messages = ()


@dataclass(frozen=True)
class Case:
    """What is judged: a certificate, its issuer if it is known, and the time of judgement."""

    certificate: Certificate
    """One that is expected and not made yet has no DER; rules on what openssl adds by itself leave it alone."""
    issuer: Certificate | None
    at: datetime
    within: timedelta | None = None
    """A certificate that ends within this time of `at` is a finding."""
    chain: tuple[Certificate, ...] = ()
    """The certificates above it, its issuer first, each followed by its own issuer."""
    key: PublicKey | None = None
    """The public half of a private key that came with it."""
    host: GeneralName | None = None
    """The name or address by which a server was asked."""
    others: tuple[Certificate, ...] = ()
    """What came with it, in the order in which it came, part of its chain or not."""

    @cached_property
    def authorities(self) -> tuple[Certificate, ...]:
        """The certificates above it, each once: its issuer, then the others of the chain."""
        if self.issuer is None and not self.chain:
            return ()
        found = {} if self.issuer is None else {self.issuer.der: self.issuer}
        for certificate in self.chain:
            found.setdefault(certificate.der, certificate)
        found.pop(self.certificate.der, None)
        return tuple(found.values())


@dataclass(frozen=True, slots=True)
class Rule:
    """One demand, where it comes from, and how it is checked."""

    id: str
    severity: str
    reason: str
    """One sentence: what breaks if it is not met."""
    citation: str
    effective: date | None
    """Only certificates whose validity begins on this day (UTC) or later have to meet it."""
    check: Callable[[Case], Messages] | None
    """Returns what is wrong, nothing if the certificate complies; None where the reader of a file or server says it."""
    of_requests: bool = False
    """Whether it also holds for what a certificate request asks for."""
    extension: str | None = None
    """Short name of the extension that it is about, so that a config can break it; ANY: each finding names its own."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A demand that a certificate does not meet."""

    rule: Rule
    message: str
    line: int | None = None
    """In a config or script, counted from 1."""
    extension: str | None = None
    """Short name, or else object identifier, of the extension that it is about, where its rule does not say it."""
    name: GeneralName | None = None
    """The subject alternative name that it is about."""


def judge(case: Case, rules: Iterable[Rule]) -> list[Finding]:
    """Return the findings of all the rules that have a check, in their order."""
    begins = case.certificate.not_before.date()
    found: list[Finding] = []
    for rule in rules:
        if rule.check is not None and (rule.effective is None or begins >= rule.effective):
            messages = rule.check(case)
            if messages:
                found += [_finding(rule, message) for message in messages]
    return found


def _finding(rule: Rule, fault: str | Fault) -> Finding:
    if isinstance(fault, str):
        return Finding(rule, fault)
    return Finding(rule, fault.message, extension=fault.extension, name=fault.name)


def judge_request(
    request: Request, rules: Iterable[Rule], *, at: datetime, key: PublicKey | None = None
) -> list[Finding]:
    """Return the findings on what a request asks for, as if a certificate were made of it, as it is, at this time."""
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


def raised(rules: Iterable[Rule], rule: str, message: str, *, line: int | None = None) -> tuple[Finding, ...]:
    """Return the finding of a reader, or nothing if the rule with this id is not among those that apply."""
    return tuple(Finding(each, message, line) for each in rules if each.id == rule)
