"""Let the form be reached: on the loopback as it is, elsewhere behind TLS; and stop without losing anything."""

from __future__ import annotations

import signal
import socket
import tempfile
import time
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from opensslgen.errors import Error

from . import UPLOAD_LIMIT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from ssl import SSLContext
    from types import FrameType
    from typing import Any

    from flask import Flask

CONNECTIONS = 400
"""Open at once at most; what is slow takes a place and nothing else, as a request is answered once it is complete."""
IDLE = 30.0
"""Seconds after which a connection is closed on which nothing comes."""
LONGEST = 120.0
"""Seconds after which a connection is closed on which something does come, but no whole request."""
GRACE = 150.0
"""Seconds that requests in progress have left when the form is stopped; an openssl command has 120."""
_BODY = UPLOAD_LIMIT + (64 << 10)


def listener(address: str, port: int) -> socket.socket:
    """Return a socket that listens on an address of this machine; raises Error if that cannot be had."""
    try:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        found = socket.socket(family, socket.SOCK_STREAM)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((address, port))
        found.listen(128)
    except OSError as error:
        raise Error(f"cannot listen on {address}, port {port}: {error.strerror or error}") from error
    return found


def serve(app: Flask, sock: socket.socket, *, context: SSLContext | None = None, ready: Callable[[], None]) -> None:
    """Answer requests until Ctrl-C, SIGTERM or SIGHUP; then finish those that have begun, and return.

    `ready` is called once requests are answered. A second Ctrl-C does not wait.
    """
    from waitress.server import create_server

    with ExitStack() as stack:
        inner = sock
        if context is not None:
            # waitress knows no TLS. The socket between lies in a folder that only we can enter.
            from .tls import front

            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="opensslgen-web-"))
            path = str(Path(folder) / "socket")
            inner = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            inner.bind(path)
        server = create_server(
            app,
            sockets=[inner],
            threads=4,
            connection_limit=CONNECTIONS,
            asyncore_use_poll=True,
            channel_timeout=int(IDLE),
            cleanup_interval=5,
            max_request_header_size=16 << 10,
            max_request_body_size=_BODY,
            # Keys may be in what is sent and answered: neither goes to the disk.
            inbuf_overflow=4 * _BODY,
            outbuf_overflow=64 << 20,
            url_scheme="http" if context is None else "https",
            clear_untrusted_proxy_headers=True,
            expose_tracebacks=False,
            log_socket_errors=False,
            ident=None,
        )
        stack.callback(_close, server)
        outer = None
        if context is not None:
            outer = stack.enter_context(front(sock, context=context, backend=path))
        with _stopping(server) as stopping:
            ready()
            while not stopping:
                _once(server)
            if outer is not None:
                outer.stop_accepting()
        _drain(server)


def _once(server: Any) -> None:
    """Let waitress look once at all its connections, and close those that have lasted too long."""
    server.asyncore.loop(timeout=1, use_poll=server.adj.asyncore_use_poll, map=server._map, count=1)
    begun = time.time() - LONGEST
    for channel in tuple(server.active_channels.values()):
        # waitress itself only asks whether anything has come lately, be it a byte.
        if not channel.requests and channel.creation_time < begun:
            channel.will_close = True


@contextmanager
def _stopping(server: Any) -> Iterator[list[int]]:
    """Yield a list that gains the number of each signal that asks us to stop."""
    received: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        received.append(number)
        server.pull_trigger()

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _drain(server: Any) -> None:
    """Accept nothing more, and answer what was asked before."""
    server.del_channel()
    server.socket.close()
    deadline = time.monotonic() + GRACE
    while time.monotonic() < deadline and any(
        channel.requests or channel.total_outbufs_len for channel in server.active_channels.values()
    ):
        _once(server)


def _close(server: Any) -> None:
    server.task_dispatcher.shutdown(timeout=1)
    with suppress(OSError):
        server.asyncore.close_all(server._map)
