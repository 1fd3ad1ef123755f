"""Let the form be reached: on the loopback as it is, elsewhere behind TLS; and stop it when it is told to."""

from __future__ import annotations

import signal
import socket
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .app import UPLOAD_LIMIT
from .gate import body_limit
from .serving import CONNECTIONS, Limits, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from ssl import SSLContext
    from types import FrameType

    from flask import Flask

LONGEST = 120.0
"""Seconds that one connection lasts on which nothing is being made."""
_GRACE = 150.0
"""Seconds that requests in progress have left when the form is stopped; an openssl command has 120."""


def serve_form(
    app: Flask, listener: socket.socket, *, context: SSLContext | None = None, ready: Callable[[], None]
) -> None:
    """Answer requests until Ctrl-C, SIGTERM or SIGHUP, in TLS if there is a context; finish those that have begun.

    `ready` is called once requests are answered. A second signal does not wait.
    """
    limits = Limits(body=2 * UPLOAD_LIMIT, body_by_cookie=body_limit(app), longest=LONGEST, idle=30, grace=_GRACE)
    with ExitStack() as stack:
        asked = stack.enter_context(_asked_to_stop())
        if context is None:
            serve(app, listener, limits=limits, ready=ready, until=asked.is_set, stopping=asked.restore)
            return
        from .tls import front

        # waitress knows no TLS. The socket between lies in a folder that only we can enter.
        path = str(Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="opensslgen-web-"))) / "socket")
        inner = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        inner.bind(path)
        outer = stack.enter_context(front(listener, context=context, backend=path))

        def stopping() -> None:
            asked.restore()
            outer.stop_accepting()

        # What one address may have is counted in front.
        limits = replace(limits, per_address=CONNECTIONS)
        serve(
            app, inner, limits=limits, scheme="https", client=outer.client,
            ready=ready, until=asked.is_set, stopping=stopping,
        )  # fmt: skip


class _Asked:
    """Whether a signal has asked us to stop, noted instead of raised, which could be in the middle of anything."""

    def __init__(self) -> None:
        self._set = False
        self._before: dict[int, Any] = {}

    def note(self, _: int, __: FrameType | None) -> None:
        self._set = True

    def is_set(self) -> bool:
        return self._set

    def restore(self) -> None:
        """Let the next signal do what it did before."""
        while self._before:
            signal.signal(*self._before.popitem())


@contextmanager
def _asked_to_stop() -> Iterator[_Asked]:
    asked = _Asked()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asked._before[number] = signal.signal(number, asked.note)
    try:
        yield asked
    finally:
        asked.restore()
