"""Running a site so that neither slow clients nor greedy ones keep others out, and ending it without loss."""

from __future__ import annotations

import logging
import math
import sys
import time
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.server import create_server
from waitress.task import ErrorTask, WSGITask
from waitress.utilities import RequestEntityTooLarge

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable

    from flask import Flask

CONNECTIONS = 200
"""Open at once at most; below the 256 files that macOS lets a process open."""
OF_ONE_CLIENT = 16
"""Connections of one address; where there are more, the oldest are closed."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What clients may take; a request that is being answered is ended by none of it."""

    body: int = 1024
    """Bytes of a request's body; a larger one is not read."""
    app_refuses: bool = False
    """Whether the app answers a request with a larger one, of which it gets the head alone, or waitress in a line."""
    longest: float = 60.0
    """Seconds that one connection may last, however busy it is."""
    idle: int = 10
    """Seconds for which a connection may say nothing."""
    of_one_client: int = OF_ONE_CLIENT
    grace: float = 5.0
    """Seconds for which the end waits for what is being answered."""


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
    """Answer requests at a bound socket for so many seconds, or until Ctrl-C, or until `until` says so.

    `ready` is called once requests are answered, `stopping` before the last of them are awaited. `client` returns the
    IP address for the path of a connection's other end, where the socket is one of the file system.
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
        # What is asked and answered may be a key: it stays in memory.
        inbuf_overflow=2 * limits.body + 1,
        outbuf_overflow=1 << 28,
        log_socket_errors=False,
        max_request_body_size=limits.body,
        max_request_header_size=8192,
        threads=4,
        url_scheme=scheme,
    )
    if client is not None:
        # waitress itself calls all that come over such a socket localhost.
        server.fix_addr = lambda path: (client(path), None)
    if limits.app_refuses:
        server.channel_class = _Channel
    end = time.monotonic() + seconds
    try:
        with suppress(KeyboardInterrupt):
            ready()
            while not until() and (left := end - time.monotonic()) > 0:
                _turn(channels, min(left, 0.5))
                _close_overdue(server.active_channels.values(), limits)
        stopping()
        # No more connections: the socket is closed, and not only left alone, so that clients are told.
        server.del_channel()
        listener.close()
        server.socket.close()
        _drain(server, channels, seconds=limits.grace)
    finally:
        server.task_dispatcher.shutdown(timeout=1)
        wasyncore.close_all(channels, ignore_all=True)


class _Refusal(ErrorTask, WSGITask):
    """Answers what waitress refuses: as it does, but has the app answer a request whose body is too large."""

    def execute(self) -> None:
        refused: Any = self.request
        if not isinstance(refused.error, RequestEntityTooLarge):
            super().execute()
            return
        self.set_close_on_finish()
        self.complete = False
        refused.body_rcv = None
        # A body in chunks has told nothing of its length; this one is too large for every app.
        refused.headers.setdefault("CONTENT_LENGTH", str(sys.maxsize))
        WSGITask.execute(self)


class _Channel(HTTPChannel):
    error_task_class = _Refusal


def _turn(channels: dict[int, Any], timeout: float) -> None:
    wasyncore.loop(timeout=timeout, use_poll=True, map=channels, count=1)


def _close_overdue(channels: Iterable[Any], limits: Limits) -> None:
    """Close what has lasted too long, and the oldest of a client that has too many."""
    by_client = defaultdict(list)
    now = time.time()
    for channel in channels:
        if channel.requests:
            continue
        if now - channel.creation_time > limits.longest:
            channel.will_close = True
        by_client[channel.addr[0]].append(channel)
    for of_one in by_client.values():
        for channel in sorted(of_one, key=lambda channel: channel.creation_time)[: -limits.of_one_client]:
            channel.will_close = True


def _drain(server: Any, channels: dict[int, Any], *, seconds: float) -> None:
    """Let what is being answered be finished, and sent if the client takes it within two seconds."""
    now = time.monotonic()
    finished, sent = now + seconds, now + 2
    while any(channel.requests for channel in server.active_channels.values()) and time.monotonic() < finished:
        _turn(channels, 0.1)
        sent = time.monotonic() + 2
    while any(channel.total_outbufs_len for channel in server.active_channels.values()) and time.monotonic() < sent:
        _turn(channels, 0.1)
