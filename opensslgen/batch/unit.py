"""Certificates that one process makes, checks and stages together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from opensslgen.errors import Error
from opensslgen.files.write import explain_errors, free_name
from opensslgen.jobs.job import like_old_p12, old_p12
from opensslgen.jobs.sign import has_request
from opensslgen.openssl.run import run_together
from opensslgen.openssl.workplace import Workplace
from opensslgen.plan import issue, layout
from opensslgen.plan.secrets import P12_PASSWORD
from opensslgen.plan.steps import Plan, Publish, Record, What
from opensslgen.x509.certificate import load
from opensslgen.x509.request import parse_request

from .wanted import FAILED, Batch, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from opensslgen.orders.order import LeafOrder
    from opensslgen.pki.store import Publication, Store
    from opensslgen.plan.issue import Issuer


@dataclass(frozen=True, slots=True)
class Unit:
    """Orders that a process gets at once."""

    number: int
    work: Path
    orders: tuple[LeafOrder, ...]
    outcomes: tuple[Outcome, ...]


@dataclass(frozen=True, slots=True)
class UnitResult:
    """What a process returns for a unit."""

    number: int
    outcomes: tuple[Outcome, ...]
    publication: Publication | None


def make(unit: Unit, *, batch: Batch, issuer: Issuer | None) -> UnitResult:
    """Make and check the certificates of a unit in its work folder, and stage them."""
    work = unit.work
    plans: dict[int, Plan] = {}
    notes: dict[int, tuple[str, ...]] = {}
    faults: dict[int, str] = {}
    for position, order in enumerate(unit.orders):
        try:
            with explain_errors(batch.store.path):
                plans[position], notes[position] = _plan(order, issuer, batch, prefix=f"n{position}-")
        except Error as error:
            faults[position] = error.message
    found = run_together([*plans.values()], Workplace(work=work, openssl=batch.openssl, secrets=batch.secrets))
    faults |= {position: fault.message for position, fault in zip(plans, found, strict=True) if fault}
    made = [position for position in plans if position not in faults]
    ends: dict[int, datetime] = {}
    publication = None
    try:
        with explain_errors(work):
            for position in made:
                certificate = load(work / plans[position].records[0].certificate)
                ends[position] = certificate.not_after
                fault = batch.violation(unit.orders[position], certificate)
                if fault:
                    faults[position] = fault
            publication = _stage_files(
                unit, [plan for position, plan in plans.items() if position not in faults], batch.store
            )
    except Error as error:
        faults |= dict.fromkeys((position for position in made if position not in faults), error.message)
    outcomes = (
        replace(outcome, state=FAILED, why=faults[position])
        if position in faults
        else replace(outcome, not_after=ends[position], notes=outcome.notes + notes[position])
        for position, outcome in enumerate(unit.outcomes)
    )
    return UnitResult(unit.number, tuple(outcomes), publication)


def _plan(order: LeafOrder, issuer: Issuer | None, batch: Batch, *, prefix: str) -> tuple[Plan, tuple[str, ...]]:
    """Return the plan of an order, and notes about it; raises Error if it could not be published.

    Where there is a PKCS#12 file of the old certificate, a new one is made as well.
    """
    if order.p12 is None and (form := like_old_p12(order.stem, batch.store)):
        if P12_PASSWORD not in batch.secrets:
            raise Error(
                f"{batch.store.path / layout.p12(order.stem)} holds the old certificate, and to make it again, its"
                " password is needed: use --p12-password-file FILE, or remove the file"
            )
        order = replace(order, p12=form)
    if order.request is not None:
        publish = not has_request(parse_request(order.request.encode()), order.stem, batch.store)
        request = issue.existing_request(order, order.request, prefix=prefix, publish=publish, verify=False)
        plan = issue.leaf(order, issuer, request=request, prefix=prefix)
    else:
        below = None if order.kind.is_self_signed else issuer
        plan = issue.leaf(order, below, prefix=prefix, one_command=batch.openssl.can("req -CA"))
        # With two commands there is a request, which is not kept.
        plan = replace(plan, publish=tuple(each for each in plan.publish if each.what is not What.REQUEST))
    moves, notes = old_p12(order, batch.store)
    plan = plan.keep_existing()
    plan = replace(plan, publish=plan.publish + moves)
    # A row that cannot be published must not stop the rows that are published with it.
    batch.store.refuse_odd_files(plan)
    batch.store.refuse_repeated(plan)
    return plan, notes


def _stage_files(unit: Unit, plans: Iterable[Plan], store: Store) -> Publication | None:
    """Return the staged files of a unit; None if all its orders failed."""
    records: list[Record] = []
    publish: list[Publish] = []
    for plan in plans:
        records += plan.records
        publish += plan.publish
        for target in [publish.target for publish in plan.publish if publish.what is What.KEY]:
            request = layout.request(Path(target).stem)
            if (store.path / request).exists():
                # It is for the old key, and of no use with the new one.
                publish.append(Publish(f"../{request}", free_name(store.path, request), None))
    whole = Plan("many", (), tuple(records), tuple(publish))
    return store.stage(whole, work=unit.work) if publish else None
