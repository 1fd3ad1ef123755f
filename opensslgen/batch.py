"""Many certificates at once, on all cores, until the pki folder is as an inventory wants it.

What is there, valid and as asked is left alone, so that a batch can run daily and go on after any interruption. Rows
are given to processes some at a time; what those have made and checked is published together, all or nothing, as one
certificate is.
"""

from __future__ import annotations

import shutil
import time
from collections import deque
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from . import index, recipes, workflow
from .authority import with_key
from .certificate import load
from .csr import parse_request
from .disk import name_beside
from .errors import Error
from .folder import Folder
from .jobs import Violation, fitted, has_request, refuse_violations, stale_p12, stored_issuer, violations
from .names import slips
from .plan import Plan, Publish
from .profiles import rules_of
from .readback import faults as faults_of
from .rules import Case, judge
from .workers import cores, workers

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from .certificate import Certificate
    from .inventory import Row
    from .openssl import OpenSSL
    from .orders import LeafOrder
    from .plan import Record
    from .recipes import Issuer
    from .rules import Finding
    from .store import Staged, Store

_ROOM = 32
"""How much a process is given at most, to be made and then checked and published together; see `_weight`."""
_LEAST = 4
TURN = 20.0
"""Seconds after which the folder's lock is given back for a moment, so that others come to their turn."""
_PAUSE = 0.05
_AT_THE_END = timedelta(days=2)

MADE, LEFT, FAILED = "made", "left", "failed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a row."""

    line: int
    name: str
    state: str
    """MADE, LEFT (alone) or FAILED."""
    why: str
    """Why it was made, or what is wrong."""
    not_after: datetime | None = None
    """Of the certificate that is there now."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Batch:
    """What all rows have in common."""

    store: Store
    openssl: OpenSSL
    secrets: Mapping[str, str]
    within: timedelta
    """What ends so soon, and is in the last third of its life, is made anew."""
    allow: Collection[str] = ()
    jobs: int | None = None
    """Processes; None: one for each core."""

    def faults(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Yield the rows that have a fault by themselves, or name the files of another; nothing is made."""
        issuer, above = self.store.issuer(), self.store.above()
        taken: dict[str, int] = {}
        for row in rows:
            fault = row.fault
            if row.order is not None:
                fault = self._fault(row.order, issuer, above)
                # The file systems of macOS do not tell A from a.
                before = taken.setdefault(row.order.stem.lower(), row.line)
                if before != row.line:
                    fault = fault or f"its files are called {row.order.stem}, as those of line {before}"
            if fault:
                yield replace(row, fault=fault, order=None)

    def _fault(self, order: LeafOrder, issuer: Certificate | None, above: tuple[Certificate, ...]) -> str | None:
        if order.key_usage and "keyCertSign" in order.key_usage:
            return "the key usage keyCertSign is an authority's"
        try:
            order = with_key(order, self.openssl)
            if issuer and not order.kind.is_self_signed:
                order, _ = fitted(order, self.store, issuer, fixed_days=False)
            for demand in recipes.demands(order.names):
                if not self.openssl.can(demand):
                    return f"{self.openssl.banner} cannot {demand}"
            expected = order.expected(not_before=datetime.now(timezone.utc))
            below = None if order.kind.is_self_signed else issuer
            refuse_violations(
                expected, below, profile=order.kind.profile, allow=self.allow, above=above if below else ()
            )
        except Violation as violation:
            return _listed(violation.findings)
        except Error as error:
            return error.message
        return None

    def violation(self, order: LeafOrder, certificate: Certificate) -> str | None:
        """Return which rules a finished certificate breaks; None if none."""
        issuer, above = (None, ()) if order.kind.is_self_signed else (self.store.issuer(), self.store.above())
        case = Case(certificate, issuer, datetime.now(timezone.utc), chain=(issuer, *above) if issuer and above else ())
        found = violations(judge(case, rules_of([order.kind.profile], self.allow)))
        return _listed(found) or None

    def wanting(self, rows: Iterable[Row]) -> Iterator[tuple[LeafOrder, Outcome]]:
        """Yield the order of each row, and what is to become of it."""
        issuer, now, revoked = self.store.issuer(), datetime.now(timezone.utc), self._revoked()
        compromised = Folder(self.store.path).compromised
        for row in rows:
            if row.order is None:
                continue
            order, notes = row.order, tuple(slips(row.order.subject.common_name, row.order.names))
            try:
                order = with_key(order, self.openssl)
                if issuer and not order.kind.is_self_signed:
                    order, shortened = fitted(order, self.store, issuer, fixed_days=False)
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
            yield order, Outcome(row.line, row.name, MADE if why else LEFT, why or "as asked", ends, notes)

    def _revoked(self) -> frozenset[int]:
        """Return the serial numbers of what is revoked, by a program that leaves the file where it was, too."""
        path = self.store.path / "index.txt"
        entries = index.read(path) if path.exists() else ()
        return frozenset(entry.serial_number for entry in entries if entry.state == index.REVOKED)

    def _reason(
        self, order: LeafOrder, issuer: Certificate | None, now: datetime
    ) -> tuple[str | None, Certificate | None]:
        """Return why a certificate has to be made, None if what is there will do, and what is there."""
        if order.request is not None:
            has_request(parse_request(order.request.encode()), order.stem, self.store)
        path = self.store.path / "issued" / f"{order.stem}.crt"
        if not path.exists():
            return "it was not there", None
        there = load(path)
        if order.public_key is not None and there.public_key != order.public_key:
            return "it is for another key", there
        private = self.store.path / "private"
        beside = {
            "key": None if order.request else private / f"{order.stem}.key",
            "chain": None if order.kind.is_self_signed else path.with_name(f"{order.stem}-chain.pem"),
            "PKCS#12 file": private / f"{order.stem}.p12" if order.p12 else None,
        }
        for what, file in beside.items():
            if file and not file.exists():
                return f"its {what} was not there", there
        if there.ends_soon(self.within, now=now):
            return f"it ends on {there.not_after:%Y-%m-%d}", there
        return _difference(order, there, None if order.kind.is_self_signed else issuer), there

    def converge(self, rows: Iterable[Row]) -> Iterator[Outcome]:
        """Make what is missing, ends soon or is asked otherwise, and yield what became of each row, as it comes.

        The rows have no faults by themselves, and an authority is there for them. One that fails stops no other. Raises
        Error if the folder cannot be worked in.
        """
        self.store.finish()
        try:
            yield from self._converge(rows)
        except BaseException:
            # By now the processes have ended, and with them all work in the folders that they were given.
            self.store.finish()
            raise

    def _converge(self, rows: Iterable[Row]) -> Iterator[Outcome]:
        wanting = self.wanting(rows)
        issuer = None if self.store.issuer() is None else stored_issuer(self.store)
        # Started before the lock is taken, which they would hold on to if this process were killed.
        with workers(self.jobs or cores(), partial(_make, batch=self, issuer=issuer)) as crew:
            units: dict[int, _Unit] = {}
            ahead, number = _Ahead(wanting, len(crew)), 0
            while ahead.more:
                with self.store.locked():
                    ends = time.monotonic() + TURN
                    done: _Done | None = None
                    while True:
                        # Whoever is idle gets something to do before the last answer is published.
                        while not crew.are_busy:
                            yield from ahead.fill(until=ends)
                            if not ahead.weight:
                                break
                            number += 1
                            units[number] = _Unit(number, self.store.new_work(), *ahead.share())
                            crew.give(units[number])
                        if done:
                            yield from self._published(units.pop(done.number), done)
                        if not units:
                            break
                        done = crew.take_any()
                time.sleep(_PAUSE if ahead.more else 0)

    def _published(self, unit: _Unit, done: _Done) -> Iterator[Outcome]:
        """Publish what a process has made, together, and yield what became of its rows."""
        if done.staged:
            self.store.publish(done.staged, work=unit.work)
        else:
            shutil.rmtree(unit.work, ignore_errors=True)
        made = zip(unit.outcomes, done.faults, done.ends, done.notes, strict=True)
        for outcome, fault, not_after, notes in made:
            if fault is None:
                yield replace(outcome, not_after=not_after, notes=outcome.notes + notes)
            else:
                yield replace(outcome, state=FAILED, why=fault)

    def staged(self, unit: _Unit, plans: Iterable[Plan]) -> Staged | None:
        """Return what a unit is to publish, made ready; None if all of it failed."""
        records: list[Record] = []
        publish: list[Publish] = []
        for plan in plans:
            records += plan.records
            publish += plan.publish
            for target in [publish.target for publish in plan.publish if publish.what == "key"]:
                request = f"reqs/{Path(target).stem}.req"
                if (self.store.path / request).exists():
                    # Of the key before, and for that one alone.
                    publish.append(Publish(f"../{request}", name_beside(self.store.path, request), None, ""))
        whole = Plan("many", (), tuple(records), tuple(publish))
        return self.store.staged(whole, work=unit.work) if publish else None

    def plans(self, unit: _Unit, issuer: Issuer | None) -> list[Plan]:
        """Return the plans of a unit's orders."""
        at_once = self.openssl.can("req -CA")
        plans = []
        for position, order in enumerate(unit.orders):
            name = f"n{position}"
            if order.request is not None and issuer is not None:
                publish = not has_request(parse_request(order.request.encode()), order.stem, self.store)
                plans.append(recipes.signed_in_batch(order, issuer, name=name, publish=publish))
            else:
                below = None if order.kind.is_self_signed else issuer
                plans.append(recipes.in_batch(order, below, name=name, at_once=at_once))
        return plans


class _Ahead:
    """Orders that wait for a process; what is read ahead is as much as all processes can be given."""

    def __init__(self, wanting: Iterator[tuple[LeafOrder, Outcome]], processes: int) -> None:
        """Take the orders, each with what is to become of it, and how many processes share them."""
        self.weight = 0
        self.more = True
        """Whether there may be orders that were not read yet."""
        self._wanting = wanting
        self._processes = processes
        self._waiting: deque[tuple[LeafOrder, Outcome]] = deque()

    def fill(self, *, until: float) -> Iterator[Outcome]:
        """Read ahead, but not after a time of `time.monotonic`; yield what became of the rows that need nothing."""
        while self.more and self.weight < self._processes * _ROOM and time.monotonic() < until:
            order, outcome = next(self._wanting, (None, None))
            if order is None or outcome is None:
                self.more = False
            elif outcome.state == MADE:
                self._waiting.append((order, outcome))
                self.weight += _weight(order)
            else:
                yield outcome

    def share(self) -> tuple[tuple[LeafOrder, ...], tuple[Outcome, ...]]:
        """Return the next orders for a process: fewer as the end comes near, so that all processes end together."""
        most = max(_LEAST, self.weight // self._processes)
        taken: list[tuple[LeafOrder, Outcome]] = []
        weight = 0
        while self._waiting and (not taken or weight + _weight(self._waiting[0][0]) <= most):
            taken.append(self._waiting.popleft())
            weight += _weight(taken[-1][0])
        self.weight -= weight
        orders, outcomes = zip(*taken, strict=True)
        return orders, outcomes


def _weight(order: LeafOrder) -> int:
    """Return how long a certificate takes, beside one whose key takes no time: RSA keys take long."""
    if order.key_type.algorithm != "RSA" or order.key_file or order.request:
        return 1
    return max(1, ((order.key_type.bits or 0) // 1024) ** 2)


@dataclass(frozen=True, slots=True)
class _Unit:
    """What a process is given at once."""

    number: int
    work: Path
    orders: tuple[LeafOrder, ...]
    outcomes: tuple[Outcome, ...]


@dataclass(frozen=True, slots=True)
class _Done:
    """What a process has made of a unit."""

    number: int
    faults: tuple[str | None, ...]
    ends: tuple[datetime | None, ...]
    notes: tuple[tuple[str, ...], ...]
    staged: Staged | None


def _make(unit: _Unit, *, batch: Batch, issuer: Issuer | None) -> _Done:
    """Make and check the certificates of a unit in its work folder, and make them ready to be published."""
    work, openssl = unit.work, batch.openssl
    if issuer:
        workflow.run(Plan("issuers", issuer.steps), work=work, openssl=openssl, secrets={})
    stale = [stale_p12(order, batch.store) for order in unit.orders]
    plans = [
        replace(plan, publish=plan.publish + aside)
        for plan, (aside, _) in zip(batch.plans(unit, issuer), stale, strict=True)
    ]
    parts = [recipes.without_checks(plan) for plan in plans]
    ran = workflow.run_many([making for making, _ in parts], work=work, openssl=openssl, secrets=batch.secrets)
    faults = {position: str(fault) for position, fault in enumerate(ran) if fault}
    checks = {position: check for position, (_, (check,)) in enumerate(parts) if position not in faults}
    if checks:
        try:
            found = faults_of(list(checks.values()), work=work, openssl=openssl)
            faults |= {position: fault for position, fault in zip(checks, found, strict=True) if fault}
        except (Error, OSError) as error:
            faults |= dict.fromkeys(checks, str(error))
    ends: dict[int, datetime] = {}
    for position in checks.keys() - faults.keys():
        certificate = load(work / checks[position].certificate)
        ends[position] = certificate.not_after
        fault = batch.violation(unit.orders[position], certificate)
        if fault:
            faults[position] = fault
    staged = None
    try:
        staged = batch.staged(unit, [plan for position, plan in enumerate(plans) if position not in faults])
    except (Error, OSError) as error:
        faults |= dict.fromkeys(ends, str(error))
    every = range(len(plans))
    return _Done(
        unit.number,
        tuple(map(faults.get, every)),
        tuple(map(ends.get, every)),
        tuple(note for _, note in stale),
        staged,
    )


def _listed(findings: Iterable[Finding]) -> str:
    return "; ".join(f"{finding.message} [{finding.rule.id}]" for finding in findings)


def _difference(order: LeafOrder, there: Certificate, issuer: Certificate | None) -> str | None:
    """Return in what the certificate that is there is not as asked; None if it is."""
    key = there.public_key
    asked: tuple[tuple[str, object, object], ...] = (
        ("names", set(order.names), set(there.names)),
        ("subject", tuple(order.subject.attributes), tuple(there.subject.attributes)),
        ("extended key usage", set(order.extended_key_usage), set(there.extended_key_usage or ())),
        ("kind of key", (order.key_type.algorithm, order.key_type.bits), (key.algorithm, key.bits)),
        ("key usage", set(order.usages), set(there.key_usage or ())),
        ("URL of the revocation list", order.crl_url, next(iter(there.crl_urls or ()), None)),
        ("self-signed", order.kind.is_self_signed, there.is_self_signed),
    )
    # What the user's own template says is not known here.
    for what, wanted, found in asked if order.template is None else asked[:2]:
        if wanted != found:
            return f"another {what} is asked for" if what != "self-signed" else "another issuer is asked for"
    if issuer and (there.issuer != issuer.subject or not _same_key(there, issuer)):
        return "it is below another authority"
    # What was shortened because the authority ends would otherwise be made anew each day.
    shortened = issuer is not None and issuer.not_after - there.not_after < _AT_THE_END
    if there.validity.days != order.days and not shortened:
        return f"{order.days} days are asked for, and not {there.validity.days}"
    return None


def _same_key(certificate: Certificate, issuer: Certificate) -> bool:
    authority, subject = certificate.authority_key_identifier, issuer.subject_key_identifier
    return not (authority and authority.key_identifier and subject) or authority.key_identifier == subject
