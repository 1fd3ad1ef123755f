"""Orders are handed out to processes on all cores, and what those have made is published."""

from __future__ import annotations

import shutil
import time
from collections import deque
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from opensslgen.errors import Error
from opensslgen.jobs.job import stored_issuer
from opensslgen.jobs.passphrase import opens_key
from opensslgen.plan.secrets import CA_PASSPHRASE

from .unit import Unit, make
from .wanted import FAILED, MADE
from .workers import Died, cores, workers

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from opensslgen.orders.inventory import Row
    from opensslgen.orders.order import LeafOrder
    from opensslgen.pki.store import Store

    from .unit import Done
    from .wanted import Batch, Outcome
    from .workers import Workers

_ROOM = 32
"""How much a process is given at most, to be made and then checked and published together; see `_weight`."""
_LEAST = 4
TURN = 20.0
"""Seconds after which the folder's lock is given back for a moment, so that others come to their turn."""
_PAUSE = 0.05


def converge(batch: Batch, rows: Iterable[Row]) -> Iterator[Outcome]:
    """Make what is missing, ends soon or is asked otherwise, and yield what became of each row, as it comes.

    The rows have no faults by themselves, and an authority is there for them. One that fails stops no other. Raises
    Error if the folder cannot be worked in, or its key needs another passphrase.
    """
    batch.store.finish()
    if CA_PASSPHRASE in batch.secrets and not opens_key(batch.secrets[CA_PASSPHRASE], batch.store, batch.openssl):
        # Each row would find it out by itself.
        raise Error(f"this is not the passphrase of {batch.store.path / batch.store.ca_key}")
    try:
        yield from _converge(batch, rows)
    except BaseException:
        # By now the processes have ended, and with them all work in the folders that they were given.
        batch.store.finish()
        raise


def _converge(batch: Batch, rows: Iterable[Row]) -> Iterator[Outcome]:
    decisions = batch.decide(rows)
    issuer = None if batch.store.issuer() is None else stored_issuer(batch.store)
    # Started before the lock is taken, which they would hold on to if this process were killed.
    with workers(batch.jobs or cores(), partial(make, batch=batch, issuer=issuer)) as crew:
        units: dict[int, Unit] = {}
        ahead, number = _Ahead(decisions, len(crew)), 0
        while ahead.more:
            with batch.store.locked():
                ends = time.monotonic() + TURN
                done: Done | None = None
                while True:
                    # Whoever is idle gets something to do before the last answer is published.
                    while not crew.are_busy:
                        yield from ahead.fill(until=ends)
                        if not ahead.weight:
                            break
                        number += 1
                        units[number] = Unit(number, batch.store.new_work(), *ahead.share())
                        crew.give(units[number])
                    if done:
                        yield from _publish(units.pop(done.number), done, batch.store)
                    if not units:
                        break
                    done, failed = _answer(crew, units)
                    yield from failed
            time.sleep(_PAUSE if ahead.more else 0)


def _answer(crew: Workers[Unit, Done], units: dict[int, Unit]) -> tuple[Done | None, list[Outcome]]:
    """Return what a process has made, or if it has died what becomes of its rows; raises Died for the last of them."""
    try:
        return crew.take_any(), []
    except Died as died:
        if not crew:
            raise
        lost = units.pop(died.batch.number)
        shutil.rmtree(lost.work, ignore_errors=True)
        return None, [replace(outcome, state=FAILED, why=died.message) for outcome in lost.outcomes]


def _publish(unit: Unit, done: Done, store: Store) -> Iterator[Outcome]:
    """Publish what a process has made, together, and yield what became of its rows."""
    if done.staged:
        store.publish(done.staged, work=unit.work)
    else:
        shutil.rmtree(unit.work, ignore_errors=True)
    made = zip(unit.outcomes, done.faults, done.ends, done.notes, strict=True)
    for outcome, fault, not_after, notes in made:
        if fault is None:
            yield replace(outcome, not_after=not_after, notes=outcome.notes + notes)
        else:
            yield replace(outcome, state=FAILED, why=fault)


class _Ahead:
    """Orders that wait for a process; what is read ahead is as much as all processes can be given."""

    def __init__(self, decisions: Iterator[tuple[LeafOrder | None, Outcome]], processes: int) -> None:
        """Take the orders, each with what is to become of it, and how many processes share them."""
        self.weight = 0
        self.more = True
        """Whether there may be orders that were not read yet."""
        self._decisions = decisions
        self._processes = processes
        self._waiting: deque[tuple[LeafOrder, Outcome]] = deque()

    def fill(self, *, until: float) -> Iterator[Outcome]:
        """Read ahead, but not after a time of `time.monotonic`; yield what became of the rows that need nothing."""
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
