"""Running a site for a while, so that neither slow clients nor greedy ones keep others out."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from waitress import wasyncore
from waitress.server import create_server

if TYPE_CHECKING:
    import socket

    from flask import Flask

LONGEST = 60.0
"""Seconds that one connection may last, however busy it is."""
IDLE = 10
"""Seconds for which a connection may say nothing."""
OF_ONE_CLIENT = 16
"""Connections of one address; where there are more, the oldest are closed."""
_LIMITS: dict[str, Any] = {
    "asyncore_use_poll": True,
    "channel_timeout": IDLE,
    "cleanup_interval": 1,
    # Below the 256 files that macOS lets a process open.
    "connection_limit": 200,
    "ident": None,
    "log_socket_errors": False,
    "max_request_header_size": 8192,
    "threads": 4,
}


def serve(app: Flask, listener: socket.socket, *, seconds: float, largest_body: int = 1024) -> None:
    """Answer requests at a bound socket for so many seconds, or until Ctrl-C; what was asked before is answered.

    `largest_body` is in bytes: a larger one is not read.
    """
    logging.getLogger("waitress").setLevel(logging.ERROR)
    channels: dict[int, Any] = {}
    server: Any = create_server(app, map=channels, sockets=[listener], max_request_body_size=largest_body, **_LIMITS)
    end = time.monotonic() + seconds
    try:
        with suppress(KeyboardInterrupt):
            while (left := end - time.monotonic()) > 0:
                _turn(channels, min(left, 1.0))
                _close_overdue(server.active_channels.values())
    finally:
        server.accepting = False
        server.task_dispatcher.shutdown(cancel_pending=False, timeout=5)
        _drain(server, channels)
        server.close()
        wasyncore.close_all(channels, ignore_all=True)


def _turn(channels: dict[int, Any], timeout: float) -> None:
    wasyncore.loop(timeout=timeout, use_poll=True, map=channels, count=1)


def _close_overdue(channels: Any) -> None:
    """Close what has lasted too long, and the oldest of a client that has too many."""
    by_client = defaultdict(list)
    now = time.time()
    for channel in channels:
        if now - channel.creation_time > LONGEST:
            channel.will_close = True
        by_client[channel.addr[0]].append(channel)
    for of_one in by_client.values():
        for channel in sorted(of_one, key=lambda channel: channel.creation_time)[:-OF_ONE_CLIENT]:
            channel.will_close = True


def _drain(server: Any, channels: dict[int, Any]) -> None:
    """Send what has been answered already, for two seconds at most."""
    end = time.monotonic() + 2
    while time.monotonic() < end and any(channel.total_outbufs_len for channel in server.active_channels.values()):
        _turn(channels, 0.1)
