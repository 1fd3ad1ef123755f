"""Which rows of an inventory have errors, which certificates to issue, and why."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from opensslgen.errors import Error
from opensslgen.jobs.job import Violation, authorities_of, fit_to_issuer, judge_now, refuse_violations, violations
from opensslgen.jobs.own_key import with_key
from opensslgen.jobs.sign import has_request
from opensslgen.names.slips import slips
from opensslgen.pki import index
from opensslgen.pki.folder import Folder
from opensslgen.plan import issue, layout
from opensslgen.plan.targets import places
from opensslgen.rules.path import wrong_key
from opensslgen.x509.certificate import Certificate, load
from opensslgen.x509.request import parse_request

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from opensslgen.openssl.command import OpenSSL
    from opensslgen.orders.inventory import Row
    from opensslgen.orders.order import LeafOrder
    from opensslgen.pki.store import Store
    from opensslgen.rules.rule import Finding

_AT_THE_END = timedelta(days=2)

MADE, LEFT, FAILED = "made", "left", "failed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a row."""

    line: int
    name: str
    state: str
    """MADE, LEFT (alone) or FAILED."""
    why: str
    """Why a certificate was issued, or the error."""
    not_after: datetime | None = None
    """Of the current certificate."""
    notes: tuple[str, ...] = ()
    deploy: str | None = None
    """Where it is installed, as the row says."""


@dataclass(frozen=True)
class Batch:
    """The settings of a batch."""

    store: Store
    openssl: OpenSSL
    secrets: Mapping[str, str]
    within: timedelta
    """A certificate that expires so soon, and is in the last third of its validity, is reissued."""
    allow: Collection[str] = ()
    jobs: int | None = None
    """Processes; None: one for each core."""

    def faults(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Yield the rows that have an error, or the same file names as an earlier row; nothing is made."""
        issuer, above = self.store.issuer(), self.store.above()
        taken: dict[str, int] = {}
        for row in rows:
            fault = row.fault
            if row.order is not None:
                fault = self._fault(row.order, issuer, above) or _fault_of_places(row.deploy)
                # The file systems of macOS do not tell A from a.
                before = taken.setdefault(row.order.stem.lower(), row.line)
                if before != row.line:
                    fault = fault or f"its files would be called {row.order.stem}, like those of line {before}"
            if fault:
                yield replace(row, fault=fault, order=None)

    def _fault(self, order: LeafOrder, issuer: Certificate | None, above: tuple[Certificate, ...]) -> str | None:
        if order.key_usage and "keyCertSign" in order.key_usage:
            return "the key usage keyCertSign is for CAs only"
        try:
            order = with_key(order, self.openssl)
            if issuer and not order.kind.is_self_signed:
                order, _ = fit_to_issuer(order, self.store, issuer, fixed_days=False)
            issue.extensions(order)
            for demand in issue.demands(order.names, issuer.name_constraints if issuer else None):
                if not self.openssl.can(demand):
                    return f"{self.openssl.banner} cannot {demand}"
            authorities = (issuer, *above) if issuer and not order.kind.is_self_signed else ()
            refuse_violations(order, authorities, allow=self.allow)
        except Violation as violation:
            return _explain(violation.findings)
        except Error as error:
            return error.message
        return None

    def violation(self, order: LeafOrder, certificate: Certificate) -> str | None:
        """Return the rules that a new certificate breaks, as text; None if it complies."""
        authorities = () if order.kind.is_self_signed else authorities_of(self.store)
        return _explain(violations(judge_now(certificate, authorities, profile=order.profile, allow=self.allow)))

    def decide(self, rows: Iterable[Row]) -> Iterator[tuple[LeafOrder | None, Outcome]]:
        """Yield the order and the outcome of each row; a row with an error has failed."""
        issuer, now, revoked = self.store.issuer(), datetime.now(timezone.utc), self._revoked()
        compromised = Folder(self.store.path).compromised
        for row in rows:
            if row.order is None:
                yield None, Outcome(row.line, row.name, FAILED, row.fault or "")
                continue
            order, notes = row.order, tuple(slips(row.order.subject.common_name, row.order.names))
            try:
                order = with_key(order, self.openssl)
                if issuer and not order.kind.is_self_signed:
                    order, shortened = fit_to_issuer(order, self.store, issuer, fixed_days=False)
                    notes += shortened
                if order.public_key in compromised:
                    raise Error("this key was revoked as compromised")
                why, there = self._reason(order, issuer, now)
                if why is None and there and there.serial_number in revoked:
                    why = "it was revoked"
            except Error as error:
                yield order, Outcome(row.line, row.name, FAILED, error.message, notes=notes)
                continue
            ends = there.not_after if there else None
            yield order, Outcome(row.line, row.name, MADE if why else LEFT, why or "as asked", ends, notes, row.deploy)

    def _revoked(self) -> frozenset[int]:
        """Return the serial numbers of revoked certificates; some programs leave their files in `issued/`."""
        path = self.store.path / layout.INDEX
        entries = index.read(path) if path.exists() else ()
        return frozenset(entry.serial_number for entry in entries if entry.state == index.REVOKED)

    def _reason(
        self, order: LeafOrder, issuer: Certificate | None, now: datetime
    ) -> tuple[str | None, Certificate | None]:
        """Return why a certificate must be issued, None if the current one will do; and the current one."""
        if order.request is not None:
            has_request(parse_request(order.request.encode()), order.stem, self.store)
        path = self.store.path / layout.certificate(order.stem)
        if not path.exists():
            return "it was missing", None
        there = load(path)
        if order.public_key is not None and there.public_key != order.public_key:
            return "it is for another key", there
        beside = {
            "key": None if order.request else layout.key(order.stem),
            "chain": None if order.kind.is_self_signed else layout.chain(order.stem),
            "PKCS#12 file": layout.p12(order.stem) if order.p12 else None,
        }
        for what, file in beside.items():
            if file and not (self.store.path / file).exists():
                return f"its {what} was missing", there
        if there.ends_soon(self.within, now=now):
            return f"it expires on {there.not_after.date()}", there
        return _difference(order, there, None if order.kind.is_self_signed else issuer), there


def _explain(findings: Iterable[Finding]) -> str | None:
    return "; ".join(map(str, findings)) or None


def _difference(order: LeafOrder, there: Certificate, issuer: Certificate | None) -> str | None:
    """Return how the current certificate differs from the order; None if it does not."""
    key = there.public_key
    asked: tuple[tuple[str, object, object], ...] = (
        ("issuer", order.kind.is_self_signed, there.is_self_signed),
        ("names", set(order.names), set(there.names)),
        ("subject", tuple(order.subject.attributes), tuple(there.subject.attributes)),
        ("extended key usage", set(order.extended_key_usage), set(there.extended_key_usage or ())),
        ("kind of key", (order.key_type.algorithm, order.key_type.bits), (key.algorithm, key.bits)),
        ("key usage", set(order.usages), set(there.key_usage or ())),
        ("URL of the CRL", order.crl_url, next(iter(there.crl_urls or ()), None)),
    )
    # The contents of the user's own template are not known here.
    for what, wanted, found in asked if order.template is None else asked[:3]:
        if wanted != found:
            return f"another {what} is asked for"
    if issuer and (there.issuer != issuer.subject or wrong_key(there, issuer)):
        return "another CA has issued it"
    # A certificate that was shortened because its CA expires would otherwise be reissued each day.
    shortened = issuer is not None and issuer.not_after - there.not_after < _AT_THE_END
    if there.validity.days != order.days and not shortened:
        return f"{order.days} days are asked for, not {there.validity.days}"
    return None


def _fault_of_places(text: str | None) -> str | None:
    """Return what is wrong with where a certificate is to be installed, or None."""
    try:
        places(text or "")
    except Error as error:
        return f"deploy: {error.message}"
    return None
