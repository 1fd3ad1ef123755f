"""The site for phones, started and stopped from the form."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from opensslgen.errors import Error
from opensslgen.report.trust import Fetches

from . import share
from .http_server import Limits, serve

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from opensslgen.openssl.command import OpenSSL
    from opensslgen.x509.certificate import Certificate

SECONDS = 30 * 60
"""How long the site is up unless it is stopped."""


class Sharing:
    """The site for phones: at most one, in a thread."""

    def __init__(self) -> None:
        """Begin without one."""
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._fault: Error | None = None
        self.offer: share.Offer | None = None
        """The site that is up."""
        self.ends = 0.0
        """When it ends by itself, by the monotonic clock."""
        self.fetches = Fetches()

    @property
    def minutes(self) -> int:
        """How long the site is still up, rounded up."""
        return max(0, -(-int(self.ends - time.monotonic()) // 60))

    def start(self, root: Certificate, *, pki: Path, openssl: Callable[[], OpenSSL]) -> None:
        """Put the site on this machine's address on its network; raises Error if that cannot be."""
        with self._lock:
            if self.offer is not None:
                return
            self._finish()
            ready, address = threading.Event(), share.lan_address()
            self._stop, self.fetches, self._fault = threading.Event(), Fetches(), None
            stop, fetches = self._stop, self.fetches

            def on_fetch(fetch: share.Fetch) -> None:
                fetches.line(fetch.address, fetch.device, fetch.name)

            def run(port: int | None = None) -> None:
                try:
                    with share.offer(
                        root, address=address, port=port, pki=pki, openssl=openssl, on_fetch=on_fetch
                    ) as site:
                        self.ends, self.offer = time.monotonic() + SECONDS, site
                        serve(
                            site.app, site.listener, seconds=SECONDS, limits=Limits(),
                            ready=ready.set, until=stop.is_set,
                        )  # fmt: skip
                except Error as error:
                    if port is None:
                        run(0)  # the usual port is taken
                    else:
                        self._fault = error
                finally:
                    self.offer = None
                    ready.set()

            self._thread = threading.Thread(target=run, daemon=True)
            self._thread.start()
            ready.wait()
            if self._fault:
                raise self._fault

    def stop(self) -> None:
        """Take the site down, if it is up."""
        with self._lock:
            self._finish()

    def _finish(self) -> None:
        self._stop.set()
        if self._thread:
            self._thread.join(2 * Limits().grace)
            self._thread = None
