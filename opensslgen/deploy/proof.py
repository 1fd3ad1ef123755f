"""Proof: each port is asked by the audit's live reader what it shows, until it shows what it has to, or time is up."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from opensslgen.audit.live import ServerTarget, judge_servers
from opensslgen.audit.result import Settings
from opensslgen.names.general import parse_host
from opensslgen.x509.certificate import fingerprint_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opensslgen.audit.result import Result
    from opensslgen.openssl.command import OpenSSL
    from opensslgen.plan.targets import Port

TIMEOUT = 5.0
"""Seconds that one connection may take."""
_PAUSE = 0.5
"""Seconds between two rounds of questions."""


@dataclass(frozen=True)
class Shown:
    """What a port shows."""

    port: Port
    chains: tuple[tuple[bytes, ...], ...]
    """The certificates in DER that each address sends, the leaf first."""
    faults: tuple[str, ...]
    """Why an address sends none."""

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """SHA-256 of each leaf that is shown, each once."""
        return tuple(dict.fromkeys(fingerprint_of(chain[0]) for chain in self.chains))

    @property
    def text(self) -> str:
        """The same for people."""
        return ", ".join(self.fingerprints) or (self.faults[0] if self.faults else "nothing")

    def fault(self, chain: Sequence[bytes]) -> str | None:
        """Return what is wrong, or None if this chain is shown: on one address, and nothing else on any other."""
        if not self.chains:
            return self.faults[0] if self.faults else "it shows nothing"
        for shown in self.chains:
            if shown[0] != chain[0]:
                return f"it shows {fingerprint_of(shown[0])}"
            if any(above not in shown for above in chain[1:]):
                return "it shows the new certificate, but not all of the CAs above it"
        return None


@dataclass(frozen=True)
class Prover:
    """Who asks the ports of a host."""

    host: str
    servername: str | None
    openssl: Callable[[], OpenSSL]

    def shown(self, ports: Sequence[Port]) -> list[Shown]:
        """Ask each port once."""
        targets = [self._target(port) for port in ports]
        settings = Settings(rules=(), at=datetime.now(timezone.utc), openssl=self.openssl, timeout=TIMEOUT)
        by_port: dict[int, list[Result]] = {port.number: [] for port in ports}
        numbers = {target.text: target.port for target in targets}
        for result in judge_servers(targets, settings=settings, timeout=TIMEOUT):
            by_port[numbers[result.target.partition(" (")[0]]].append(result)
        return [
            Shown(
                port,
                tuple(result.answer.chain for result in by_port[port.number] if result.answer),
                tuple(result.unreadable for result in by_port[port.number] if result.unreadable),
            )
            for port in ports
        ]

    def prove(self, ports: Sequence[Port], accept: Callable[[Shown], str | None], *, seconds: float) -> dict[Port, str]:
        """Ask until each port is accepted, or time is up; return the faults of those that are not."""
        deadline = time.monotonic() + seconds
        faults: dict[Port, str] = {}
        waiting = list(ports)
        while waiting:
            answered = [(shown, accept(shown)) for shown in self.shown(waiting)]
            faults = {shown.port: fault for shown, fault in answered if fault}
            waiting = list(faults)
            if not waiting or time.monotonic() >= deadline:
                break
            time.sleep(_PAUSE)
        return faults

    def _target(self, port: Port) -> ServerTarget:
        host = parse_host(self.host).value
        text = f"[{host}]:{port.number}" if ":" in host else f"{host}:{port.number}"
        return ServerTarget(host, port.number, port.starttls, self.servername, text)
