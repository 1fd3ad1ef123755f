"""Serve a site, so that neither slow clients nor greedy ones keep others out, and stop without losing a request.

Why not cheroot (11.1), which speaks TLS: it shakes hands in the thread that accepts, so that one silent client keeps
everyone out for ten seconds; a slow client occupies a worker; it limits neither the time of a connection nor how many
an address has, takes two lengths for one body, and reads whatever is sent of a body that the app has refused.
"""

from __future__ import annotations

import errno
import logging
import math
import socket
import sys
import time
from collections import defaultdict
from contextlib import suppress
from copy import copy
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.server import create_server
from waitress.task import ErrorTask, WSGITask
from waitress.utilities import RequestEntityTooLarge

from opensslgen.errors import Error, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from flask import Flask

HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""Of every answer of both sites; each adds its own Content-Security-Policy."""
CONNECTIONS = 200
"""Open at once at most; below the 256 files that macOS lets a process open."""
PER_ADDRESS = 16
"""Connections of one address; if there are more, the oldest are closed."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much a client may use; no limit interrupts a request that is being answered."""

    body: int = 1024
    """Bytes of a request's body; a larger one is not read."""
    body_by_cookie: Callable[[str], int] | None = None
    """Returns how many of these bytes are read for a Cookie header; the app gets the head of a larger request, to
    refuse it on a page of its own. None: `body` for everyone, and waitress refuses."""
    longest: float = 60.0
    """Seconds that one connection may last, however busy it is."""
    idle: int = 10
    """Seconds for which a connection may be silent."""
    per_address: int = PER_ADDRESS
    grace: float = 5.0
    """Seconds that requests in progress have when the site stops."""


def open_listener(address: str, port: int) -> socket.socket:
    """Return a socket that listens on an IP address of this machine; raises UsageError or Error if it cannot be had."""
    try:
        if "%" in address:
            raise ValueError
        version = ip_address(address).version
    except ValueError:
        raise UsageError(f"{address!r} is not an IP address of this machine: write one such as 10.0.0.9") from None
    listener = socket.socket(socket.AF_INET if version == 4 else socket.AF_INET6)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        hint = "--port 0 takes any free port" if error.errno in (errno.EADDRINUSE, errno.EACCES) else None
        raise Error(f"cannot listen on {address}, port {port}: {error.strerror}", hint=hint) from error
    return listener


def serve(
    app: Flask,
    listener: socket.socket,
    *,
    seconds: float = math.inf,
    limits: Limits,
    scheme: str = "http",
    client: Callable[[str], str] | None = None,
    ready: Callable[[], None] = lambda: None,
    until: Callable[[], bool] = lambda: False,
    stopping: Callable[[], None] = lambda: None,
) -> None:
    """Answer requests on a socket for so many seconds, until Ctrl-C, or until `until` returns true.

    `ready` is called once requests are answered, `stopping` before it waits for the last of them. On a Unix socket,
    `client` returns the IP address of the client from the path of the other end.
    """
    logging.getLogger("waitress").setLevel(logging.ERROR)
    channels: dict[int, Any] = {}
    server: Any = create_server(
        app,
        map=channels,
        sockets=[listener],
        asyncore_use_poll=True,
        channel_timeout=limits.idle,
        cleanup_interval=1,
        clear_untrusted_proxy_headers=True,
        connection_limit=CONNECTIONS,
        ident=None,
        # Requests and answers can contain keys: they stay in memory.
        inbuf_overflow=2 * limits.body + 1,
        outbuf_overflow=1 << 28,
        log_socket_errors=False,
        max_request_body_size=limits.body,
        max_request_header_size=8192,
        threads=4,
        url_scheme=scheme,
    )
    if client is not None:
        # waitress takes every client of such a socket for localhost.
        server.fix_addr = lambda path: (client(path), None)
    if limits.body_by_cookie:
        server.channel_class = _channel_class(limits.body_by_cookie)
    end = time.monotonic() + seconds
    try:
        with suppress(KeyboardInterrupt):
            ready()
            while not until() and (left := end - time.monotonic()) > 0:
                _turn(channels, min(left, 0.5))
                _close_overdue(server.active_channels.values(), limits)
        stopping()
        # The socket is closed, and not merely ignored, so that new clients get an error at once.
        server.del_channel()
        listener.close()
        server.socket.close()
        _drain(server, channels, seconds=limits.grace)
    finally:
        server.task_dispatcher.shutdown(timeout=1)
        wasyncore.close_all(channels, ignore_all=True)


class _Refusal(ErrorTask, WSGITask):
    """Answers a request that waitress refuses; the app answers if the body is too large."""

    def execute(self) -> None:
        refused: Any = self.request
        if not isinstance(refused.error, RequestEntityTooLarge):
            super().execute()
            return
        self.set_close_on_finish()
        self.complete = False
        refused.body_rcv = None
        # A body in chunks has no length; this one is too large for every app.
        refused.headers.setdefault("CONTENT_LENGTH", str(sys.maxsize))
        WSGITask.execute(self)


def _channel_class(body_by_cookie: Callable[[str], int]) -> type[HTTPChannel]:
    """Return connections that read of each body as much as its cookie allows."""

    class Parser(HTTPRequestParser):
        def parse_header(self, header_plus: bytes) -> None:
            super().parse_header(header_plus)
            self.adj = copy(self.adj)
            self.adj.max_request_body_size = body_by_cookie(self.headers.get("COOKIE", ""))

    class Channel(HTTPChannel):
        error_task_class = _Refusal
        parser_class = Parser

    return Channel


def _turn(channels: dict[int, Any], timeout: float) -> None:
    wasyncore.loop(timeout=timeout, use_poll=True, map=channels, count=1)


def _close_overdue(channels: Iterable[Any], limits: Limits) -> None:
    """Close connections that last too long, and the oldest ones of an address that has too many."""
    by_address = defaultdict(list)
    now = time.time()
    for channel in channels:
        if channel.requests:
            continue
        if now - channel.creation_time > limits.longest:
            channel.will_close = True
        by_address[channel.addr[0]].append(channel)
    for several in by_address.values():
        for channel in sorted(several, key=lambda channel: channel.creation_time)[: -limits.per_address]:
            channel.will_close = True


def _drain(server: Any, channels: dict[int, Any], *, seconds: float) -> None:
    """Finish the requests in progress, and give clients two seconds to take the answers."""
    now = time.monotonic()
    finished, sent = now + seconds, now + 2
    while any(channel.requests for channel in server.active_channels.values()) and time.monotonic() < finished:
        _turn(channels, 0.1)
        sent = time.monotonic() + 2
    while any(channel.total_outbufs_len for channel in server.active_channels.values()) and time.monotonic() < sent:
        _turn(channels, 0.1)
