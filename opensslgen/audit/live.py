"""Live servers: many are asked at once, and what they send is judged like a file."""

from __future__ import annotations

import math
import re
import socket
import threading
import time
from dataclasses import dataclass, replace
from functools import partial
from queue import Empty, PriorityQueue, SimpleQueue
from typing import TYPE_CHECKING

from opensslgen.errors import Error, UnreadableError, UsageError
from opensslgen.names.general import GeneralName, parse_host
from opensslgen.openssl.s_client import STARTTLS, Answer, answer, is_modern
from opensslgen.patterns import pattern
from opensslgen.rules.rule import Case, Finding, Rule, raised
from opensslgen.text import did_you_mean, quote
from opensslgen.x509.certificate import Certificate, decode

from .result import Result, Settings
from .signatures import Pending, settle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from opensslgen.openssl.command import OpenSSL
    from opensslgen.x509.names import Name


TIMEOUT = 10.0
"""Seconds that a name lookup may take, and then each connection to one of its addresses."""
JOBS = 16
"""Connections at the same time."""
MOST_JOBS = 256
"""Each takes an openssl process, some threads and half a dozen open files."""
OUTPUT = 1 << 20
"""Bytes of s_client's output; a chain has at most 100 KiB; if a server sends more, the connection is closed."""
OLD_PROTOCOLS = frozenset({"SSLv2", "SSLv3", "TLSv1", "TLSv1.0", "TLSv1.1"})

SCHEMES: dict[str, tuple[int, str | None]] = {
    "https": (443, None),
    "smtp": (25, "smtp"),
    "submission": (587, "smtp"),
    "smtps": (465, None),
    "imap": (143, "imap"),
    "imaps": (993, None),
    "pop3": (110, "pop3"),
    "pop3s": (995, None),
    "ldap": (389, "ldap"),
    "ldaps": (636, None),
    "ftp": (21, "ftp"),
    "ftps": (990, None),
    "lmtp": (24, "lmtp"),
    "sieve": (4190, "sieve"),
    "xmpp": (5222, "xmpp"),
    "xmpp-server": (5269, "xmpp-server"),
    "postgres": (5432, "postgres"),
    "mysql": (3306, "mysql"),
    "nntp": (119, "nntp"),
    "irc": (6667, "irc"),
    "ircs": (6697, None),
    "sips": (5061, None),
    "wss": (443, None),
}
"""The port of a URL scheme, and its STARTTLS protocol; None: TLS from the first byte."""

_URL = pattern(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*).*", re.DOTALL)
_HOST_PORT = pattern(r"(\[[^\[\]]*\]|[^:/\[\]]*):([0-9]+)", re.DOTALL | re.ASCII)
_BARE_IPV6 = re.compile(r"[0-9A-Fa-f.]*:[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*(%.*)?|\[.*\](:.*)?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class ServerTarget:
    """A server to ask."""

    host: str
    """A host name in lower-case ASCII, or an IP address in its shortest form."""
    port: int
    starttls: str | None
    """One of STARTTLS; None: TLS from the first byte."""
    servername: str | None
    """What is sent as server name (RFC 6066 section 3) in place of the host."""
    text: str
    """As it was given."""

    @property
    def name(self) -> GeneralName:
        """The name that the certificate has to contain."""
        return parse_host(self.servername or self.host)


def server_target(text: str, *, starttls: str | None = None, servername: str | None = None) -> ServerTarget | None:
    """Return the server that `host:port`, `[v6]:port` or a URL names; None if the text does not name one.

    A URL's scheme goes before `starttls`. Raises UsageError if the text is meant as a server, but is not a valid one.
    """
    if url := _URL.fullmatch(text):
        scheme, authority = url[1].lower(), url[2]
        if scheme not in SCHEMES:
            raise UsageError(
                f"{quote(text)} is not the URL of a server with TLS", hint=f"write {'://, '.join(SCHEMES)}://"
            )
        if "@" in authority:
            # It may contain a password, so it is not printed.
            raise UsageError(f"a {scheme} URL contains a user name: write only the host")
        port, starttls = SCHEMES[scheme]
        match = _HOST_PORT.fullmatch(authority) or _HOST_PORT.fullmatch(f"{authority}:{port}")
    else:
        match = _HOST_PORT.fullmatch(text)
    if match is None:
        if url or _BARE_IPV6.fullmatch(text):
            raise UsageError(f"{quote(text)} is not a host and port: write pbx.example.com:443 or [2001:db8::1]:443")
        return None
    host = _host(match[1], text)
    # int() refuses thousands of digits.
    port = int(match[2]) if len(match[2]) <= 5 else 0
    if not 1 <= port <= 65535:
        raise UsageError(f"{quote(text)} has the port {quote(match[2])}: ports are 1 to 65535")
    if starttls is not None and starttls not in STARTTLS:
        raise UsageError(
            f"{quote(starttls)} is not a protocol for STARTTLS: use one of {', '.join(STARTTLS)}",
            hint=did_you_mean(starttls, STARTTLS).strip() or None,
        )
    return ServerTarget(host, port, starttls, _servername(servername), text)


def _host(text: str, whole: str) -> str:
    try:
        name = parse_host(text[1:-1] if text.startswith("[") else text)
    except UsageError as error:
        raise UsageError(f"in {quote(whole)}: {error.message}") from error
    if text.startswith("[") and ":" not in name.value:
        raise UsageError(f"{quote(whole)} has brackets, but is not an IPv6 address")
    if name.value.startswith("*"):
        raise UsageError(f"{quote(whole)} is a wildcard: write the name of one server")
    return name.value


def _servername(text: str | None) -> str | None:
    if text is None:
        return None
    name = parse_host(text)
    if name.kind != "DNS" or name.value.startswith("*"):
        raise UsageError(f"{quote(text)} cannot be a server name: write the full name of one host")
    return name.value


def judge_servers(
    targets: Sequence[ServerTarget],
    *,
    settings: Settings,
    timeout: float = TIMEOUT,
    jobs: int = JOBS,
    anchors: tuple[Certificate, ...] = (),
    pool: tuple[Certificate, ...] = (),
    until: float = math.inf,
) -> Iterator[Result]:
    """Yield the verdict on each address of each server, in order, while others are still being asked.

    `anchors` are roots that are trusted if they fit, and `pool` are other CAs, even if the server does not send them.
    At most `jobs` of them are asked at once, each for at most `timeout` seconds; a name lookup has the same limit.
    None is asked after `until`, by the monotonic clock: a name may have thousands of addresses.
    """
    from opensslgen.openssl.command import OpenSSLError

    try:
        openssl = settings.find_openssl()
    except OpenSSLError as error:
        yield from (_unreadable(target.text, error.message) for target in targets)
        return
    openssl = replace(openssl, timeout=timeout, limit=OUTPUT)

    def ask(target: ServerTarget, address: str, title: str) -> Result:
        if time.monotonic() >= until:
            return _unreadable(title, "not asked, because the others took too long: ask it alone")
        return _verdict(openssl, target, address, title=title, settings=settings, anchors=anchors, pool=pool)

    work: _Work = PriorityQueue()
    done: _Done = SimpleQueue()

    def look_up(index: int) -> int:
        """Queue the addresses of a target and return their number."""
        target = targets[index]
        try:
            addresses = _addresses(target, timeout)
        except UnreadableError as error:
            done.put((index, 0, _unreadable(target.text, error.message)))
            return 1
        for place, address in enumerate(addresses):
            title = target.text if len(addresses) == 1 else f"{target.text} ({address})"
            work.put((index, place, partial(ask, target, address, title)))
        return len(addresses)

    for index in range(len(targets)):
        work.put((index, _LOOK_UP, partial(look_up, index)))
    threads = max(1, min(jobs, MOST_JOBS))
    for _ in range(threads):
        # They end with the program, which does not wait for them: one may still wait for a server.
        threading.Thread(target=_labour, args=(work, done), daemon=True).start()
    answers: dict[tuple[int, int], int | Result] = {}
    try:
        for index in range(len(targets)):
            count = _await(done, answers, (index, _LOOK_UP))
            assert isinstance(count, int)
            for place in range(count):
                result = _await(done, answers, (index, place))
                assert isinstance(result, Result)
                yield result
    finally:
        for number in range(threads):
            work.put((_STOP, number, None))


_LOOK_UP = -1
"""In place of the number of an address."""
_STOP = -1
"""In place of the number of a target."""
_Work = PriorityQueue[tuple[int, int, "Callable[[], int | Result] | None"]]
"""Numbers of a target and its address: the first target goes first."""
_Done = SimpleQueue[tuple[int, int, "int | Result | BaseException"]]


def _labour(work: _Work, done: _Done) -> None:
    while True:
        index, place, task = work.get()
        if task is None:
            return
        try:
            done.put((index, place, task()))
        except BaseException as error:  # a bug; it is raised where the answers are collected
            done.put((index, place, error))


def _await(done: _Done, answers: dict[tuple[int, int], int | Result], key: tuple[int, int]) -> int | Result:
    while key not in answers:
        index, place, answered = done.get()
        if isinstance(answered, BaseException):
            raise answered
        answers[index, place] = answered
    return answers.pop(key)


def _verdict(
    openssl: OpenSSL,
    target: ServerTarget,
    address: str,
    *,
    title: str,
    settings: Settings,
    anchors: tuple[Certificate, ...],
    pool: tuple[Certificate, ...],
) -> Result:
    """Return the verdict on one address of a server."""
    name = target.name
    servername = name.value if name.kind == "DNS" else None
    try:
        answered = answer(openssl, address, target.port, starttls=target.starttls, servername=servername)
        leaf, *others = (_certificate(der, number) for number, der in enumerate(answered.chain, 1))
    except Error as error:
        return _unreadable(title, error.message)
    findings, unchecked = _of_handshake(answered, settings.rules)
    pending = Pending(
        result=Result(
            target=title,
            kind="server",
            findings=findings,
            certificate=leaf,
            notes=(*answered.notes, *unchecked),
            answer=answered,
        ),
        anchors=anchors,
        pool=pool,
        case=Case(leaf, None, settings.at, settings.within, host=name, others=tuple(others)),
        rules=settings.rules,
    )
    (result,) = settle([pending], settings)
    before = pending.result.notes
    about_root = result.notes[len(before) :]
    sent = _describe_chain([leaf, *others], result.path)
    return replace(result, notes=(*before, sent, *about_root), sent=sent)


def _of_handshake(answered: Answer, rules: Sequence[Rule]) -> tuple[tuple[Finding, ...], tuple[str, ...]]:
    """Return the findings on the protocol and cipher suite of a server, and notes on what could not be checked."""
    if answered.protocol in OLD_PROTOCOLS:
        return raised(rules, "protocol", f"it uses {answered.protocol}; the minimum is TLS 1.2"), ()
    if answered.cipher is None:
        is_judged = any(rule.id == "ats-cipher" for rule in rules)
        return (), ("its protocol and cipher suite are not known, so they were not checked",) if is_judged else ()
    found: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    if not is_modern(answered.cipher):
        other = "a suite with ECDHE and AES-GCM or ChaCha20-Poly1305"
        if answered.with_modern:
            notes = (f"it prefers the cipher suite {answered.cipher}, but also agrees to {other}",)
        else:
            refused = f"and agrees to no {other.removeprefix('a ')}"
            if answered.with_modern is None:
                refused = f"and whether it agrees to {other} cannot be told"
            found = raised(rules, "ats-cipher", f"it uses the cipher suite {answered.cipher}, {refused}")
    if answered.has_extended_master_secret is False:
        found += raised(rules, "ats-extended-master-secret", "it does not use the extended master secret")
    return found, notes


def _describe_chain(chain: Sequence[Certificate], path: Sequence[Certificate]) -> str:
    """Return the chain that a server sent, from the leaf up, with a note where an issuer was not sent."""
    sent = {certificate.der for certificate in chain}
    titles = [_title(chain[0].subject)]
    for certificate in path:
        titles.append(_title(certificate.subject) + ("" if certificate.der in sent else ", *not sent*"))
    last = (chain[0], *path)[-1]
    if not last.is_self_signed:
        titles.append(f"{_title(last.issuer)}, *not sent*")
    text = f"sent: {' <- '.join(titles)}"
    used = {certificate.der for certificate in (chain[0], *path)}
    others = [_title(certificate.subject) for certificate in chain if certificate.der not in used]
    return f"{text}; also sent, but not part of the chain: {', '.join(others)}" if others else text


def _title(name: Name) -> str:
    return f"CN={name.common_name}" if name.common_name else str(name) or "a certificate without a subject"


def _unreadable(title: str, why: str) -> Result:
    return Result(target=title, kind="server", unreadable=why)


def _certificate(der: bytes, number: int) -> Certificate:
    try:
        return decode(der)
    except UnreadableError as error:
        raise UnreadableError(f"certificate {number} of its chain: {error.message}") from error


def _addresses(target: ServerTarget, timeout: float) -> list[str]:
    """Return all addresses of a server, in the order of preference; raises UnreadableError if there are none."""
    if parse_host(target.host).kind == "IP":
        return [target.host]
    answers: SimpleQueue[list[str] | OSError] = SimpleQueue()

    def look_up() -> None:
        try:
            # If this machine has no IPv6, it is not the server's error that its IPv6 address cannot be reached.
            found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
            answers.put(list(dict.fromkeys(str(place[0]) for *_, place in found)))
        except OSError as error:
            answers.put(error)

    # Nothing can interrupt a lookup.
    threading.Thread(target=look_up, daemon=True).start()
    try:
        answer = answers.get(timeout=timeout)
    except Empty:
        raise UnreadableError(f"{target.host} was not resolved within {timeout:g} s") from None
    if isinstance(answer, OSError):
        raise UnreadableError(f"{target.host} does not resolve: {answer.strerror or answer}")
    return answer
