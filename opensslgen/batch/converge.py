"""Distribute orders to processes on all cores, and publish the results."""

from __future__ import annotations

import shutil
import time
from collections import deque
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from opensslgen.jobs.job import issuer_of
from opensslgen.jobs.passphrase import opens_key, wrong_passphrase
from opensslgen.pki.index import refuse_damaged
from opensslgen.plan import layout
from opensslgen.plan.secrets import CA_PASSPHRASE

from .unit import Unit, UnitResult, make
from .wanted import FAILED, MADE, Batch, Outcome
from .workers import WorkerError, Workers, cores, workers

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from opensslgen.orders.inventory import Row
    from opensslgen.orders.order import LeafOrder
    from opensslgen.pki.store import Store


_ROOM = 32
"""The most that a process gets at once, to make, check and publish together; see `_weight`."""
_LEAST = 4
TURN = 20.0
"""Seconds after which the folder's lock is released for a moment, so that other runs get their turn."""
_PAUSE = 0.05


def converge(batch: Batch, rows: Iterable[Row]) -> Iterator[Outcome]:
    """Issue what is missing, expires soon or does not match its row, and yield the outcome of each row.

    The rows were checked, and there is a CA. A row that fails stops no other row. Raises
    Error if the folder cannot be worked in, or its key needs another passphrase.
    """
    batch.store.finish()
    refuse_damaged(batch.store.path / layout.INDEX)
    if CA_PASSPHRASE in batch.secrets and not opens_key(batch.secrets[CA_PASSPHRASE], batch.store, batch.openssl):
        # Otherwise each row would fail.
        raise wrong_passphrase(batch.store.path / batch.store.ca_key)
    try:
        yield from _converge(batch, rows)
    except BaseException:
        # The processes have ended, so nobody works in their folders.
        batch.store.finish()
        raise


def _converge(batch: Batch, rows: Iterable[Row]) -> Iterator[Outcome]:
    decisions = batch.decide(rows)
    issuer = None if batch.store.issuer() is None else issuer_of(batch.store)
    # They start before the lock is taken: they would inherit it, and keep it if this process were killed.
    with workers(batch.jobs or cores(), partial(make, batch=batch, issuer=issuer)) as crew:
        units: dict[int, Unit] = {}
        ahead, number = _Ahead(decisions, len(crew)), 0
        while ahead.more:
            with batch.store.lock():
                ends = time.monotonic() + TURN
                done: UnitResult | None = None
                while True:
                    # Idle processes get work before the last result is published.
                    while not crew.are_busy:
                        yield from ahead.fill(until=ends)
                        if not ahead.weight:
                            break
                        number += 1
                        units[number] = Unit(number, batch.store.new_work(), *ahead.share())
                        crew.give(units[number])
                    if done:
                        _publish(units.pop(done.number), done, batch.store)
                        yield from done.outcomes
                    if not units:
                        break
                    done, failed = _answer(crew, units)
                    yield from failed
            time.sleep(_PAUSE if ahead.more else 0)


def _answer(crew: Workers[Unit, UnitResult], units: dict[int, Unit]) -> tuple[UnitResult | None, list[Outcome]]:
    """Return a result, or the outcomes of the rows whose process died; raises WorkerError if it was the last one."""
    try:
        return crew.take_any(), []
    except WorkerError as died:
        if not crew:
            raise
        lost = units.pop(died.batch.number)
        shutil.rmtree(lost.work, ignore_errors=True)
        return None, [replace(outcome, state=FAILED, why=died.message) for outcome in lost.outcomes]


def _publish(unit: Unit, done: UnitResult, store: Store) -> None:
    """Publish the files of a unit together."""
    if done.publication:
        store.publish(done.publication, work=unit.work)
    else:
        shutil.rmtree(unit.work, ignore_errors=True)


class _Ahead:
    """Orders that wait for a process: as many as all processes can be given at once."""

    def __init__(self, decisions: Iterator[tuple[LeafOrder | None, Outcome]], processes: int) -> None:
        self.weight = 0
        self.more = True
        """Whether there may be more orders to read."""
        self._decisions = decisions
        self._processes = processes
        self._waiting: deque[tuple[LeafOrder, Outcome]] = deque()

    def fill(self, *, until: float) -> Iterator[Outcome]:
        """Read orders until a time of `time.monotonic`; yield the outcomes of rows that need no certificate."""
        while self.more and self.weight < self._processes * _ROOM and time.monotonic() < until:
            order, outcome = next(self._decisions, (None, None))
            if outcome is None:
                self.more = False
            elif order is not None and outcome.state == MADE:
                self._waiting.append((order, outcome))
                self.weight += _weight(order)
            else:
                yield outcome

    def share(self) -> tuple[tuple[LeafOrder, ...], tuple[Outcome, ...]]:
        """Return the next orders for a process: fewer towards the end, so that all processes finish together."""
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
    """Return the time that a certificate takes, in units of one with an EC key; RSA keys take long."""
    if order.key_type.algorithm != "RSA" or order.key_file or order.request:
        return 1
    return max(1, ((order.key_type.bits or 0) // 1024) ** 2)
