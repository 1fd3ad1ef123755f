"""Serve the form: plain HTTP on the loopback address, TLS elsewhere; and stop on a signal."""

from __future__ import annotations

import signal
import socket
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .config import UPLOAD_LIMIT
from .gate import body_limit
from .http_server import CONNECTIONS, Limits, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from ssl import SSLContext
    from types import FrameType

    from flask import Flask

    from .tls import Front

LONGEST = 120.0
"""Seconds that a connection may last while no request is being answered."""
_GRACE = 150.0
"""Seconds that requests in progress have when the form stops; an openssl command has 120."""


def serve_form(
    app: Flask, listener: socket.socket, *, context: SSLContext | None = None, ready: Callable[[], None]
) -> None:
    """Answer requests until Ctrl-C, SIGTERM or SIGHUP, over TLS if there is a context; finish those in progress.

    `ready` is called once requests are answered. A second signal stops at once.
    """
    workers = app.extensions["opensslgen.workers"]
    limits = Limits(body=2 * UPLOAD_LIMIT, body_by_cookie=body_limit(app), longest=LONGEST, idle=30, grace=_GRACE)
    with ExitStack() as stack:
        stop = _StopSignal()
        stack.callback(stop.restore)
        stack.callback(app.extensions["opensslgen.sharing"].stop)
        if context is None:
            serve(app, listener, limits=limits, ready=ready, until=stop.is_set, stopping=stop.restore)
            workers.finish(_GRACE)
            return
        inner, front = stack.enter_context(tls_front(listener, context))

        def stopping() -> None:
            stop.restore()
            front.stop_accepting()

        # The TLS front counts the connections of an address.
        limits = replace(limits, per_address=CONNECTIONS)
        serve(
            app, inner, limits=limits, scheme="https", client=front.client,
            ready=ready, until=stop.is_set, stopping=stopping,
        )  # fmt: skip
        workers.finish(_GRACE)


@contextmanager
def tls_front(listener: socket.socket, context: SSLContext) -> Iterator[tuple[socket.socket, Front]]:
    """Accept TLS on a socket, and yield the one on which waitress, which has no TLS, gets what is inside."""
    from .tls import Front

    # It is in a folder that only this user can open.
    with (
        tempfile.TemporaryDirectory(prefix="opensslgen-web-") as folder,
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as inner,
    ):
        path = str(Path(folder) / "socket")
        inner.bind(path)
        with Front(listener, context=context, backend=path) as front:
            yield inner, front


class _StopSignal:
    """Whether a signal has come; it is noted, as an exception could interrupt anything."""

    def __init__(self) -> None:
        self._is_set = False
        self._before: dict[int, Any] = {}
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            self._before[number] = signal.signal(number, self._note)

    def _note(self, _: int, __: FrameType | None) -> None:
        self._is_set = True

    def is_set(self) -> bool:
        return self._is_set

    def restore(self) -> None:
        """Restore the default effect of the signals."""
        while self._before:
            signal.signal(*self._before.popitem())
