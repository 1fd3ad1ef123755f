"""Get a server's certificates with `openssl s_client`, and parse its output.

Only the layout of the output is trusted, because the names in it come from the server.
"""

from __future__ import annotations

import re
import socket
import time
from binascii import Error as Base64Error
from binascii import a2b_base64
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from opensslgen.errors import UnreadableError
from opensslgen.patterns import pattern
from opensslgen.text import visible

from .command import OpenSSL, OpenSSLError, reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .process import Process

STARTTLS: dict[str, str | None] = {
    "smtp": None,
    "pop3": None,
    "imap": None,
    "ftp": None,
    "xmpp": None,
    "lmtp": "-starttls lmtp",
    "sieve": "-starttls sieve",
    "ldap": "-starttls ldap",
    "xmpp-server": "-starttls ldap",
    "irc": "-starttls ldap",
    "postgres": "-starttls ldap",
    "mysql": "-starttls ldap",
    "nntp": "-starttls ldap",
    "telnet": "-starttls ldap",
}
"""The protocols for STARTTLS, with the capability in CAPABILITIES that each needs."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of a server."""

    chain: tuple[bytes, ...]
    """Certificates in DER, in the order in which the server sent them; at least one."""
    protocol: str | None
    """Such as "TLSv1.2"; None if the handshake was not completed."""
    notes: tuple[str, ...]
    cipher: str | None = None
    """The cipher suite by openssl's name; None if the handshake was not completed."""
    has_extended_master_secret: bool | None = None
    """Whether TLS 1.2 uses it (RFC 7627); None if this openssl does not say, or the protocol has no need of it."""
    with_modern: bool | None = None
    """Whether it agrees to a suite in MODERN where only those are offered; None if it chose one anyway, or unknown."""


MODERN = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""The cipher suites of TLS 1.2 with forward secrecy and authenticated encryption, as openssl-ciphers(1) writes them."""


def is_modern(cipher: str) -> bool:
    """Tell whether a cipher suite, by openssl's name, is one of MODERN, or of TLS 1.3."""
    return cipher.startswith("TLS_") or (
        cipher.startswith("ECDHE-") and any(mode in cipher for mode in ("-GCM-", "-CHACHA20-"))
    )


def answer(openssl: OpenSSL, address: str, port: int, *, starttls: str | None, servername: str | None) -> Answer:
    """Return the answer of a server at an IP address within openssl's time limit; `servername` is for SNI (RFC 6066).

    Raises UnreadableError with the reason if it sends no certificate, and OpenSSLError if openssl cannot be started.
    """
    if ":" in address and not openssl.can("s_client to IPv6"):
        raise UnreadableError(f"{_version(openssl)} cannot talk to IPv6 addresses")
    if starttls and (needed := STARTTLS[starttls]) and not openssl.can(needed):
        raise UnreadableError(f"{_version(openssl)} does not know -starttls {starttls}")
    deadline = time.monotonic() + openssl.timeout
    # -host and -port, because LibreSSL does not understand the brackets of an IPv6 address.
    arguments = ["-host", address, "-port", str(port), "-showcerts"]
    if servername:
        arguments += ["-servername", servername]
    if starttls:
        arguments += ["-starttls", starttls]
        if servername and starttls.startswith("xmpp") and openssl.can("-xmpphost"):
            arguments += ["-xmpphost", servername]
    talk = _talk(openssl, arguments)
    left = deadline - time.monotonic()
    if talk.protocol is None and talk.connected and not talk.stopped and left > 0 and openssl.can("@SECLEVEL"):
        # By default openssl rejects old protocols and signatures, short keys, and servers without a certificate.
        lenient = ["-cipher", "ALL:+aNULL:@SECLEVEL=0"]
        if openssl.can("-legacy_server_connect"):
            lenient.append("-legacy_server_connect")
        second = _talk(replace(openssl, timeout=left), [*arguments, *lenient])
        if second.protocol is not None:
            if not second.chain:
                raise UnreadableError("it speaks TLS, but sends no certificate")
            return _answer(second, (_LENIENT, *_doubts(second)))
    if not talk.chain:
        raise UnreadableError(_refusal(talk, openssl, address, port, starttls=starttls))
    found = _answer(talk, _doubts(talk))
    left = deadline - time.monotonic()
    if found.protocol == "TLSv1.2" and found.cipher and not is_modern(found.cipher) and left > 0:
        # The server may prefer this suite, and also know one that Apple's devices offer.
        third = _talk(replace(openssl, timeout=left), [*arguments, "-cipher", MODERN])
        found = replace(found, with_modern=None if third.stopped else third.protocol is not None)
    return found


def _answer(talk: _Talk, notes: tuple[str, ...]) -> Answer:
    return Answer(talk.chain, talk.protocol, notes, talk.cipher, talk.has_extended_master_secret)


def _version(openssl: OpenSSL) -> str:
    return " ".join(openssl.banner.split()[:2])


_LENIENT = "it answers only at openssl's security level 0, which allows old protocols and signatures, and short keys"


@dataclass(frozen=True, slots=True)
class _Talk:
    """The output of s_client for one connection."""

    process: Process
    stopped: bool
    """Whether we stopped it because it took too long or printed too much."""
    connected: bool = False
    """Whether it reported a TCP connection; if we stopped it early, that may be missing."""
    chain: tuple[bytes, ...] = ()
    protocol: str | None = None
    cipher: str | None = None
    has_extended_master_secret: bool | None = None


def _talk(openssl: OpenSSL, arguments: Sequence[str]) -> _Talk:
    try:
        # Q ends s_client as soon as the handshake is done.
        process, stopped = openssl.run(["s_client", *arguments], stdin=b"Q\n", check=False), False
    except OpenSSLError as error:
        if error.left is None:
            raise
        process, stopped = error.left, True
    return _read(process, stopped=stopped)


# openssl prints a name at the end of a line, after the text below, and never prints a line break in it (1.0 and
# LibreSSL write \x0A, the others \0A). So text from the server cannot look like a line of s_client, if we match all
# lines in order from their beginning, and skip none.
_BLOCK = rb"-----BEGIN CERTIFICATE-----\n((?:[A-Za-z0-9+/=]{1,76}\n)+)-----END CERTIFICATE-----\n"
_HEAD = pattern(rb"CONNECTED\([0-9A-F]+\)\n(?:(?:read|write) [RWX] BLOCK\n)*---\n")
_CHAIN = b"Certificate chain\n"
_ENTRY = pattern(rb" ?([0-9]+) s:.*\n   i:.*\n(?:   [av]:.*\n)*" + _BLOCK)
_LEAF = pattern(rb"---\nServer certificate\n(?:" + _BLOCK + rb")?subject=")
# Names of CAs come before these lines; they begin with a slash or with the type of their first attribute.
_CIPHER = pattern(rb"^New, (\S+), Cipher is (\S+)$", re.MULTILINE)
_EXTENDED = pattern(rb"^    Extended master secret: (yes|no)$", re.MULTILINE)
_PROTOCOL = pattern(rb"^(?:    Protocol  |Protocol): ([A-Za-z0-9.]+)$", re.MULTILINE)


def _read(process: Process, *, stopped: bool) -> _Talk:
    """Parse the output of s_client; raises UnreadableError if its layout is unknown."""
    output = process.stdout
    head = _HEAD.match(output)
    if head is None:
        return _Talk(process, stopped, connected=output.startswith(b"CONNECTED("))
    at = head.end()
    chain: list[bytes] = []
    if output.startswith(_CHAIN, at):
        at += len(_CHAIN)
        while entry := _ENTRY.match(output, at):
            if int(entry[1]) != len(chain):
                raise UnreadableError("openssl s_client did not number its certificates in order")
            chain.append(_decoded(entry[2]))
            at = entry.end()
        leaf = _LEAF.match(output, at)
        if leaf is None or not chain:
            raise UnreadableError("openssl s_client printed its certificates in an unknown form")
        if leaf[1] and _decoded(leaf[1]) != chain[0]:
            raise UnreadableError("openssl s_client printed two different certificates for the server")
    cipher, protocol = _CIPHER.search(output, at), _PROTOCOL.search(output, at)
    if cipher is None or cipher[2] == b"(NONE)":
        version = None
    elif cipher[1] == b"TLSv1.3":
        # OpenSSL 1.1.1 prints the protocol elsewhere only after a session ticket, which the server may not send.
        version = "TLSv1.3"
    else:
        version = protocol[1].decode("ascii") if protocol else None
    extended = _EXTENDED.search(output, at) if version == "TLSv1.2" else None
    return _Talk(
        process,
        stopped,
        connected=True,
        chain=tuple(chain),
        protocol=version,
        cipher=visible(cipher[2].decode("ascii", "replace")) if cipher and version else None,
        has_extended_master_secret=extended[1] == b"yes" if extended else None,
    )


def _decoded(text: bytes) -> bytes:
    try:
        return a2b_base64(text)
    except Base64Error as error:
        raise UnreadableError("openssl s_client printed a certificate that is not base64") from error


_STACK = pattern(r"^[0-9A-Fa-f]+:error:[0-9A-Fa-f]*:[^:]*:[^:]*:([^:]+):", re.MULTILINE)
_ALERT = pattern(r"alert ([a-z ]+)")
_FAULTS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"^didn't f(?:ou|i)nd starttls", re.MULTILINE | re.IGNORECASE), "it does not offer TLS by STARTTLS"),
    (
        re.compile(r"wrong version number|unknown protocol|http request|https proxy request|packet length too long"),
        "it does not speak TLS{usual}",
    ),
    (
        re.compile(r"protocol version|unsupported protocol"),
        "it does not speak TLS, or only versions that {openssl} does not know{usual}",
    ),
    (_ALERT, "it ends the handshake with the alert {0}"),
    (
        re.compile(r"unexpected eof|ssl handshake failure|^(?:read|write):errno=|^poll error", re.MULTILINE),
        "it closes the connection before it sends a certificate{usual}",
    ),
)
"""The meaning of s_client's stderr in all versions; the first match is used."""
_USUAL = {25: "smtp", 587: "smtp", 110: "pop3", 143: "imap", 389: "ldap", 21: "ftp", 5432: "postgres", 3306: "mysql"}


def _complaint(process: Process) -> str:
    """Return the reason in the first entry of openssl's error stack, or an empty text."""
    reasons = _STACK.findall(process.stderr.decode("utf-8", "replace"))
    return visible(reasons[0][:80]) if reasons else ""


def _doubts(talk: _Talk) -> tuple[str, ...]:
    """Return notes about a connection that returned a chain but did not end well."""
    complaint = _complaint(talk.process)
    if talk.stopped:
        return ("it sent its certificate but did not finish the handshake, so the connection was closed",)
    if alert := _ALERT.search(complaint):
        return (f"it sent its certificate, and then the alert {alert[1]}; it may ask for a client's certificate",)
    if talk.protocol is None:
        return (f"it sent its certificate, but the handshake failed: {complaint or 'it ended too early'}",)
    return ()


def _refusal(talk: _Talk, openssl: OpenSSL, address: str, port: int, *, starttls: str | None) -> str:
    """Return why a server sent no certificate."""
    usual = f"; on port {port}, --starttls {_USUAL[port]} is usual" if port in _USUAL and not starttls else ""
    if talk.stopped or not talk.connected:
        fault = _no_connection(address, port, timeout=min(1.0, openssl.timeout))
        if fault:
            return f"no answer within {openssl.timeout:g} s" if fault == "timed out" else fault
        if talk.stopped:
            return f"it accepts the connection, but sent no TLS within {openssl.timeout:g} s{usual}"
    else:
        # Ignore lines with names, because a name may be any text.
        lines = talk.process.stderr.decode("utf-8", "replace").splitlines()
        errors = "\n".join(line for line in lines if not line.startswith(("depth=", "verify ")))
        for pattern, meaning in _FAULTS:
            if match := pattern.search(errors):
                return meaning.format(*match.groups(), openssl=_version(openssl), usual=usual)
    return f"openssl s_client failed: {_complaint(talk.process) or reason(talk.process)}"


def _no_connection(address: str, port: int, *, timeout: float) -> str | None:
    """Return why a TCP connection fails, or None; versions of openssl report it in different ways."""
    try:
        socket.create_connection((address, port), timeout=timeout).close()
    except OSError as error:
        return (error.strerror or str(error)).lower()
    return None
