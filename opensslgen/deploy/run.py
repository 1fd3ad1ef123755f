"""Carry a deployment out as a transaction: look, copy and activate, prove, keep; or undo, and prove that."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from opensslgen.errors import Error
from opensslgen.plan.deploy import KEEP, looking, recovering, transaction, undoing

from .channel import by
from .order import digest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opensslgen.plan.deploy import Deployment
    from opensslgen.plan.targets import Port

    from .channel import Channel, Heard
    from .order import Prepared
    from .proof import Prover, Shown

UNDO_SECONDS = 30.0
"""Seconds that the ports have to show the old certificate again."""
_TRIES, _PAUSE = 5, 2.0
"""How often the target is asked after a broken connection, and the seconds between."""


class Undone(Error):
    """A deployment failed, and what was there before is there again."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a deployment has changed, or would change."""

    deployment: Deployment
    title: str
    """Of the target's host."""
    is_changed: bool
    is_check: bool = False
    """Whether it was only looked at."""
    is_undone: bool = False
    """Whether the deployment before was undone."""
    files: tuple[tuple[str, str], ...] = ()
    """The path of each file, and whether it is "new", "changed", "same", or "encrypted", which cannot be compared."""
    before: Mapping[Port, Shown] = field(default_factory=dict)
    """What each port showed."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Run:
    """A deployment, its channel, and who asks the ports."""

    prepared: Prepared
    channel: Channel
    prover: Prover
    say: Callable[[str], None] = lambda _: None
    """Gets a line on what happens now."""

    @property
    def _order(self) -> Deployment:
        return self.prepared.deployment

    def deploy(self, contents: Mapping[str, bytes], password: str | None, *, check: bool) -> Outcome:
        """Bring the target to show the certificate, unless it does so already; raises Error, or Undone."""
        order = self._order
        seen = self.channel.ask(looking(order))
        if seen.text("lock") and not check:
            raise Error(f"another deployment is at work on {self.channel.title}: {seen.text('lock')}")
        before = {shown.port: shown for shown in self.prover.shown(order.ports)}
        files = self._files(seen, contents)
        left, about = seen.text("left"), order.target.note
        notes = (*((f"what an earlier run has left there {left}",) if left else ()), *((about,) if about else ()))
        is_done = (
            all(state in ("same", "encrypted") for _, state in files)
            and not left
            and (before or all(copy.is_comparable for copy in order.copies))
            and not any(shown.fault(self.prepared.chain) for shown in before.values())
        )
        if is_done or check:
            return Outcome(
                deployment=order, title=self.channel.title, is_changed=not is_done, is_check=check, files=files,
                before=before, notes=notes,
            )  # fmt: skip
        heard = self._transact(contents, password, before)
        return Outcome(
            deployment=order, title=self.channel.title, is_changed=True, files=files, before=before,
            notes=(*heard.notes, *((about,) if about else ())),
        )  # fmt: skip

    def _files(self, seen: Heard, contents: Mapping[str, bytes]) -> tuple[tuple[str, str], ...]:
        found = []
        for number, copy in enumerate(self._order.copies):
            there = seen.text(f"file.{number}")
            if not copy.is_comparable:
                found.append((copy.path, "encrypted"))
                continue
            is_same = there == digest(contents[copy.source])
            found.append((copy.path, "same" if is_same else "changed" if there else "new"))
        return tuple(found)

    def _transact(self, contents: Mapping[str, bytes], password: str | None, before: Mapping[Port, Shown]) -> Heard:
        order, title = self._order, self.channel.title
        shown = " ".join(f"{port}={print_}" for port, each in before.items() for print_ in each.fingerprints)
        text = transaction(order, contents, by=by(), before=shown, password=password)
        fault = None
        self.say(f"copying to {title}, and activating")
        with self.channel.conversation(text) as conversation:
            heard = conversation.heard
            if conversation.hear("activated") is None:
                fault = conversation.fault()
            else:
                self.say(f"asking {len(order.ports)} ports of {self.prover.host}")
                faults = self.prover.prove(
                    order.ports, lambda each: each.fault(self.prepared.chain), seconds=order.wait
                )
                if not faults:
                    conversation.send(KEEP)
                    if conversation.hear("end") == "end":
                        return heard
                    fault = conversation.fault()
                else:
                    fault = "; ".join(f"port {port}: {what}" for port, what in faults.items())
                    fault = f"{title} does not show the new certificate after {order.wait} s: {fault}"
                    conversation.send(b"undo\n")
                    conversation.hear("end")
        if heard.text("kept") is not None:
            return heard
        self._prove_undone(fault, heard, before)
        raise AssertionError

    def _prove_undone(self, fault: str, heard: Heard, before: Mapping[Port, Shown]) -> None:
        """Raise the error of a failed deployment, which says what is there now."""
        if heard.text("begun") is None:
            raise Error(fault)
        if heard.text("restored") is None:
            # The connection broke: the shell there undoes it without us, or the next one does.
            self.say("the connection broke: asking what is there now")
            heard = self._recover(fault)
        old = {port: shown for port, shown in before.items() if shown.fingerprints}
        faults = self.prover.prove(tuple(old), lambda each: _changed(each, old[each.port]), seconds=UNDO_SECONDS)
        if faults:
            which = "; ".join(f"port {port}: {what}" for port, what in faults.items())
            raise Error(f"{fault}; the old files are back, but not all ports show what they showed before: {which}")
        proved = f", and {len(old)} ports show what they showed before" if old else ""
        raise Undone(f"{fault}; the old files are back{proved}")

    def _recover(self, fault: str) -> Heard:
        for left in reversed(range(_TRIES)):
            try:
                return self.channel.ask(recovering(self._order, by=by()))
            except Error as error:
                if not left:
                    raise Error(
                        f"{fault}; then {error.message}",
                        hint="what was begun is undone when the shell there ends, or by the next deployment",
                    ) from error
            time.sleep(_PAUSE)
        raise AssertionError

    def undo(self) -> Outcome:
        """Undo the last deployment to the target, and prove that; raises Error."""
        heard = self.channel.ask(undoing(self._order, by=by()))
        old: dict[str, list[str]] = {}
        for word in (heard.text("ports") or "").split():
            port, _, print_ = word.partition("=")
            old.setdefault(port, []).append(print_)
        ports = [port for port in self._order.ports if str(port) in old]
        faults = self.prover.prove(
            ports,
            lambda each: None if {*each.fingerprints} == {*old[str(each.port)]} else f"it shows {each.text}",
            seconds=UNDO_SECONDS,
        )
        if faults:
            which = "; ".join(f"port {port}: {what}" for port, what in faults.items())
            raise Error(f"the old files are back, but not all ports show what they showed before: {which}")
        return Outcome(
            deployment=self._order, title=self.channel.title, is_changed=True, is_undone=True,
            files=tuple((copy.path, "restored") for copy in self._order.copies), notes=tuple(heard.notes),
        )  # fmt: skip


def _changed(now: Shown, before: Shown) -> str | None:
    if {*now.fingerprints} == {*before.fingerprints}:
        return None
    return f"it shows {now.text}, and showed {before.text}"
