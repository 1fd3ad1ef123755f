"""Carry a deployment out as a transaction: look, copy and activate, prove, keep; or undo, and prove that."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from opensslgen.errors import Error
from opensslgen.names.general import parse_host
from opensslgen.plan.deploy import KEEP, UNDO, looking, recovering, transaction, undoing

from .channel import SILENCE, Channel, by
from .order import digest, prepare
from .proof import Prover

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opensslgen.openssl.command import OpenSSL
    from opensslgen.pki.store import Store
    from opensslgen.plan.deploy import Deployment
    from opensslgen.plan.targets import Port, Where

    from .channel import Conversation, Heard
    from .order import Prepared
    from .proof import Shown

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
        notes: list[str] = [] if order.target.note is None else [order.target.note]
        for _ in range(_TRIES):
            seen = self.channel.ask(looking(order))
            if seen.text("lock") and not check:
                raise Error(f"another deployment is at work on {self.channel.title}: {seen.text('lock')}")
            if (left := seen.text("left")) and not check:
                notes += self._recovered()
                continue
            before = {shown.port: shown for shown in self.prover.shown(order.ports)}
            files = self._files(seen, contents)
            is_done = not left and self._is_done(files, before)
            notes += [f"what an earlier run has left there {left}"] if left else []
            if is_done or check or self._transact(contents, password, seen, before, notes):
                return Outcome(
                    deployment=order, title=self.channel.title, is_changed=not is_done, is_check=check, files=files,
                    before=before, notes=tuple(notes),
                )  # fmt: skip
        raise Error(f"others change the files on {self.channel.title} again and again")

    def _is_done(self, files: tuple[tuple[str, str], ...], shown: Mapping[Port, Shown]) -> bool:
        """Tell whether the files are those of the export, as far as they can be compared, and each port shows it."""
        are_compared = all(copy.is_comparable for copy in self._order.copies)
        return (
            all(state in ("same", "encrypted") for _, state in files)
            and bool(shown or are_compared)
            and not any(each.fault(self.prepared.chain) for each in shown.values())
        )

    def _recovered(self) -> list[str]:
        """Undo or complete what an earlier run has left, prove it, and return what is to be said of it."""
        heard = self.channel.ask(recovering(self._order, by=by()))
        if fault := self._fault_of_old(heard):
            return [*heard.notes, f"not all ports show what they showed before it: {fault}"]
        return heard.notes

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

    def _transact(
        self,
        contents: Mapping[str, bytes],
        password: str | None,
        seen: Heard,
        before: Mapping[Port, Shown],
        notes: list[str],
    ) -> bool:
        """Carry it out; return False if somebody else has changed the files since they were seen. Raises Error."""
        order, title = self._order, self.channel.title
        shown = " ".join(f"{port}={print_}" for port, each in before.items() for print_ in each.fingerprints)
        digests = [seen.text(f"file.{number}") or "" for number in range(len(order.copies))]
        text = transaction(order, contents, by=by(), digests=digests, before=shown, password=password)
        self.say(f"copying to {title}, and activating")
        with self.channel.conversation(text) as conversation:
            heard = conversation.heard
            fault, is_proved = self._fault_after(conversation)
        is_kept = is_proved and heard.text("kept") is not None
        if is_kept or heard.text("moved") is not None:
            notes += heard.notes
            return is_kept
        if heard.text("begun") is None:
            raise Error(fault)
        if heard.text("restored") is None:
            # The connection broke: the shell there undoes it without us, unless it had heard the last word.
            self.say("the connection broke: asking what is there now")
            self._recover(fault)
            files = self._files(self.channel.ask(looking(order)), contents)
            if self._is_done(files, {shown.port: shown for shown in self.prover.shown(order.ports)}):
                return True
        old = {port: each for port, each in before.items() if each.fingerprints}
        faults = self.prover.prove(tuple(old), lambda each: _changed(each, old[each.port]), seconds=UNDO_SECONDS)
        if faults:
            raise Error(
                f"{fault}; the old files are back, but not all ports show what they showed before: {_text(faults)}"
            )
        proved = f", and {len(old)} ports show what they showed before" if old else ""
        raise Undone(f"{fault}; the old files are back{proved}")

    def _fault_after(self, conversation: Conversation) -> tuple[str, bool]:
        """Have the target activate the files, prove them, and say whether they stay.

        Return the fault, if any, and whether each port was proved: before that, a target that says `kept` is wrong.
        """
        order = self._order
        if conversation.hear("activated", silence=SILENCE + order.wait) is None:
            return conversation.fault(), False
        self.say(f"asking {len(order.ports)} ports of {self.prover.host}")
        faults = self.prover.prove(order.ports, lambda each: each.fault(self.prepared.chain), seconds=order.wait)
        conversation.send(UNDO if faults else KEEP)
        is_whole = conversation.hear("end") == "end"
        if faults:
            fault = f"{self.channel.title} does not show the new certificate after {order.wait} s: {_text(faults)}"
            return fault, False
        return "" if is_whole else conversation.fault(), True

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
        if fault := self._fault_of_old(heard):
            raise Error(f"the old files are back, but not all ports show what they showed before: {fault}")
        old = _shown_before(heard)
        unknown = [str(port) for port in self._order.ports if str(port) not in old]
        notes = [f"not asked, as it is not known what they showed before: port {', '.join(unknown)}"] if unknown else []
        back = sorted(name for name in heard.values if name.startswith("back."))
        return Outcome(
            deployment=self._order, title=self.channel.title, is_changed=True, is_undone=True,
            files=tuple((heard.values[name], "restored") for name in back), notes=(*heard.notes, *notes),
        )  # fmt: skip

    def _fault_of_old(self, heard: Heard) -> str:
        """Wait until the ports show what the target says that they showed, and return which do not."""
        old = _shown_before(heard)
        faults = self.prover.prove(
            [port for port in self._order.ports if str(port) in old],
            lambda each: None if {*each.fingerprints} == old[str(each.port)] else f"it shows {each.text}",
            seconds=UNDO_SECONDS,
        )
        return _text(faults)


def carrier(
    prepared: Prepared,
    destination: str,
    *,
    openssl: OpenSSL,
    host: str | None = None,
    ssh: tuple[str, ...] = ("ssh",),
    sudo: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> Run:
    """Return what carries a deployment out; `host` is asked for its ports, if not the destination. Raises Error."""
    order, channel = prepared.deployment, Channel(destination, ssh, sudo)
    asked = host or (channel.host() if order.ports else "")
    if asked:
        parse_host(asked)
    return Run(
        prepared=prepared, channel=channel, prover=Prover(asked, order.servername, lambda: openssl), say=say
    )  # fmt: skip


def deploy_to(place: Where, name: str, *, store: Store, openssl: OpenSSL, check: bool = False) -> Outcome:
    """Deploy a certificate of a pki folder to a place with a destination; raises Error."""
    assert place.destination
    prepared = prepare(name, place.loaded, place.changes, store=store)
    run = carrier(prepared, place.destination, openssl=openssl)
    return run.deploy(*prepared.contents(store, openssl), check=check)


def _shown_before(heard: Heard) -> dict[str, set[str]]:
    """Return the fingerprints that each port showed before the deployment, as it was noted on the target."""
    old: dict[str, set[str]] = {}
    for word in (heard.text("ports") or "").split():
        port, _, fingerprint = word.partition("=")
        old.setdefault(port, set()).add(fingerprint)
    return old


def _text(faults: Mapping[Port, str]) -> str:
    return "; ".join(f"port {port}: {what}" for port, what in faults.items())


def _changed(now: Shown, before: Shown) -> str | None:
    if {*now.fingerprints} == {*before.fingerprints}:
        return None
    return f"it shows {now.text}, and showed {before.text}"
