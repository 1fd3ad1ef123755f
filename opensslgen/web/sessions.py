"""The sessions and what they have made, in memory only, until the web interface stops."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from .auditing import Report
    from .pending import Delivery, Pending

T = TypeVar("T")

IDLE = 2 * 3600.0
"""Seconds without a request after which a session ends."""
LONGEST = 12 * 3600.0
"""Seconds after which a session ends."""
_SESSIONS = 100
_ORDERS = 20
"""Orders that one session remembers."""
_DELIVERIES = 60
"""Deliveries that one session remembers: more than one order can have."""
_REPORTS = 2
"""Audits whose reports one session can download."""
WRONG_PASSWORDS = 5
"""Of one client in a minute; others have to wait."""
_CLIENTS = 1000
"""Clients whose wrong passwords are remembered at once."""


@dataclass
class Session:
    """A browser that is logged in."""

    key: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    """What its cookie holds."""
    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    """The token in each of its forms, which no other site knows."""
    begun: float = 0.0
    seen: float = 0.0
    orders: dict[str, Pending] = field(default_factory=dict)
    """Jobs that wait for confirmation."""
    deliveries: dict[str, Delivery] = field(default_factory=dict)
    """What it has made; no other session gets its keys."""

    reports: dict[str, Report] = field(default_factory=dict)
    """What it has audited."""

    def remember(self, pending: Pending) -> str:
        """Keep an order, in place of the oldest if there are too many, and return its name in this session.

        One that runs is the last to go: its page is the only way to see how it ends.
        """
        return _keep(self.orders, pending, most=_ORDERS, busy={name for name, each in self.orders.items() if each.work})

    def deliver(self, delivery: Delivery) -> str:
        """Keep a delivery in the same way; backups are large, so only the latest is kept."""
        if delivery.kept:
            for name in [name for name, old in self.deliveries.items() if old.kept]:
                del self.deliveries[name]
        return _keep(self.deliveries, delivery, most=_DELIVERIES)

    def keep_report(self, report: Report) -> str:
        """Keep the report of an audit in the same way."""
        return _keep(self.reports, report, most=_REPORTS)


def _keep(kept: dict[str, T], thing: T, *, most: int, busy: Collection[str] = ()) -> str:
    while len(kept) >= most:
        kept.pop(next((name for name in kept if name not in busy), next(iter(kept))), None)
    name = secrets.token_hex(8)
    kept[name] = thing
    return name


class Sessions:
    """All sessions of one form."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Take the clock, in seconds."""
        self._clock = clock
        self._lock = threading.Lock()
        self._sessions: dict[bytes, Session] = {}

    def begin(self) -> Session:
        """Return a new session; the one that has been idle longest ends if there are too many."""
        now = self._clock()
        session = Session(begun=now, seen=now)
        with self._lock:
            while len(self._sessions) >= _SESSIONS:
                del self._sessions[min(self._sessions, key=lambda name: self._sessions[name].seen)]
            self._sessions[_digest(session.key)] = session
        return session

    def find(self, key: str) -> Session | None:
        """Return the session whose cookie holds the key, unless it has ended."""
        now = self._clock()
        with self._lock:
            # Looked up by a hash, so that the time it takes reveals nothing about the keys.
            session = self._sessions.get(_digest(key))
            if session is None:
                return None
            if now - session.seen > IDLE or now - session.begun > LONGEST:
                del self._sessions[_digest(key)]
                return None
            session.seen = now
            return session

    def end(self, session: Session) -> None:
        """Forget a session, and with it what it may download."""
        with self._lock:
            self._sessions.pop(_digest(session.key), None)


class Door:
    """Checks the token, which works once, or the password, of which each client can try only a few in a minute.

    The limit is per client, as otherwise anyone on the network could lock the owner out with wrong passwords. Somebody
    with many addresses gets more tries, still too few for a password of 12 characters.
    """

    def __init__(self, token: str | None, password: str | None, clock: Callable[[], float] = time.monotonic) -> None:
        """Take one of the two."""
        self._clock = clock
        self._lock = threading.Lock()
        self._token = token
        self._password = password
        self._wrong: dict[str, deque[float]] = {}
        """The times of wrong passwords by client, the latest client at the end."""

    def opens_by_token(self, token: str) -> bool:
        """Tell whether this is the token, which then no longer works."""
        with self._lock:
            if self._token is None or not _is_same(token, self._token):
                return False
            self._token = None
            return True

    def wait(self, address: str | None) -> float:
        """Return the seconds until this IP address may try a password again; 0: now."""
        with self._lock:
            return self._wait(_client(address))

    def _wait(self, client: str) -> float:
        wrong = self._wrong.get(client)
        if wrong is None or len(wrong) < WRONG_PASSWORDS:
            return 0.0
        return max(0.0, 60 - (self._clock() - wrong[0]))

    def opens_by_password(self, password: str, address: str | None) -> bool:
        """Tell whether this is the password; always no while this IP address has to wait."""
        client = _client(address)
        with self._lock:
            if self._password is None or self._wait(client):
                return False
            if _is_same(password, self._password):
                return True
            # The oldest time drops out, and so does the client whose last wrong password is the oldest.
            wrong = self._wrong.pop(client, None) or deque(maxlen=WRONG_PASSWORDS)
            wrong.append(self._clock())
            while len(self._wrong) >= _CLIENTS:
                del self._wrong[next(iter(self._wrong))]
            self._wrong[client] = wrong
            return False


def _client(address: str | None) -> str:
    """Return what identifies a client: its IPv4 address, or the /64 network of its IPv6 address."""
    try:
        found = ipaddress.ip_address((address or "").partition("%")[0])
    except ValueError:
        return ""
    if found.version == 6:
        return str(found.ipv4_mapped or ipaddress.ip_network((int(found), 64), strict=False))
    return str(found)


def _is_same(text: str, right: str) -> bool:
    """Compare in a time that reveals neither where two texts differ nor how long the right one is."""
    return hmac.compare_digest(_digest(text), _digest(right))


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
