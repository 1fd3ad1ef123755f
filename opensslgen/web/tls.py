"""TLS in front of the form: accepts connections, decrypts them, and passes the bytes to waitress over a Unix socket.

waitress has no TLS, and `serving` says why not cheroot. This does not read HTTP: waitress applies the same limits as
on the loopback. It gets the address of the client from the path of the socket, and from nothing that a client writes.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
import ssl
import threading
from collections import defaultdict
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opensslgen.errors import Error, UsageError
from opensslgen.rules.chain import issuer_among

from .http_server import PER_ADDRESS

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from opensslgen.openssl.command import OpenSSL
    from opensslgen.pki.lookup import Found
    from opensslgen.x509.certificate import Certificate

CONNECTIONS = 150
"""Open at once at most; each takes two file descriptors."""
HANDSHAKE = 10.0
"""Seconds."""
LONGEST = 300.0
"""Seconds that a connection may last."""
_FAREWELL = 2.0
"""Seconds to wait for the client's close_notify, which many never send."""
_CHUNK = 1 << 16


class Front:
    """The TLS front, which runs in a separate thread."""

    def __init__(self, listener: socket.socket, *, context: ssl.SSLContext, backend: str) -> None:
        """Take the socket that listens, and the path of the one that waitress listens on."""
        self._listener, self._context, self._backend = listener, context, backend
        self._open: dict[str, list[asyncio.Task[None]]] = defaultdict(list)
        """By client address, the oldest first."""
        self._ends: dict[str, str] = {}
        """The client address by the path of the socket that is connected to waitress."""
        self._numbers = itertools.count()
        self._loop = asyncio.new_event_loop()
        self._accepting: asyncio.Task[None] | None = None
        listener.setblocking(False)
        self._thread = threading.Thread(target=self._loop.run_forever, name="tls", daemon=True)

    def __enter__(self) -> Front:
        """Begin to accept connections."""
        self._thread.start()

        async def begin() -> None:
            self._accepting = asyncio.ensure_future(self._accept())

        asyncio.run_coroutine_threadsafe(begin(), self._loop).result()
        return self

    def client(self, end: str) -> str:
        """Return the IP address of the client behind the socket with this path; "" if it has gone."""
        return self._ends.get(end, "")

    def stop_accepting(self) -> None:
        """Accept no more connections; the open ones go on."""

        async def stop() -> None:
            if self._accepting:
                self._accepting.cancel()
                await asyncio.wait({self._accepting})
            self._listener.close()

        asyncio.run_coroutine_threadsafe(stop(), self._loop).result()

    def __exit__(self, *_: object) -> None:
        """Close all connections, and end the thread."""
        self.stop_accepting()

        async def end() -> None:
            tasks = [task for connections in self._open.values() for task in connections]
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks, timeout=5)

        asyncio.run_coroutine_threadsafe(end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _accept(self) -> None:
        while True:
            try:
                accepted, address = await self._loop.sock_accept(self._listener)
            except OSError:
                await asyncio.sleep(0.1)  # too many open files, or the client has gone
                continue
            connections = self._open[address[0]]
            task = asyncio.ensure_future(self._serve(accepted, host=address[0]))
            connections.append(task)
            task.add_done_callback(partial(self._forget, host=address[0]))
            # Nobody can take all the places, not even from a browser with the same address.
            if len(connections) > PER_ADDRESS or sum(map(len, self._open.values())) > CONNECTIONS:
                max(self._open.values(), key=len)[0].cancel()

    async def _serve(self, accepted: socket.socket, *, host: str) -> None:
        # The client may go away, not speak TLS, or take too long.
        with suppress(OSError, asyncio.TimeoutError):
            await asyncio.wait_for(self._relay(accepted, host=host), LONGEST)

    def _forget(self, task: asyncio.Task[None], *, host: str) -> None:
        self._open[host].remove(task)
        if not self._open[host]:
            del self._open[host]

    async def _relay(self, accepted: socket.socket, *, host: str) -> None:
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        # From here on the transport owns the socket and closes it.
        transport, _ = await self._loop.connect_accepted_socket(
            lambda: protocol, accepted, ssl=self._context, ssl_handshake_timeout=HANDSHAKE
        )
        writer = asyncio.StreamWriter(transport, protocol, reader, self._loop)
        try:
            end = f"{self._backend}{next(self._numbers)}"
            self._ends[end] = host
            try:
                inner_reader, inner_writer = await self._backend_by(end)
                try:
                    await _either(_pump(reader, inner_writer), _pump(inner_reader, writer))
                finally:
                    inner_writer.close()
            finally:
                del self._ends[end]
                Path(end).unlink(missing_ok=True)
            writer.close()
            with suppress(OSError, asyncio.TimeoutError):
                await asyncio.wait_for(writer.wait_closed(), _FAREWELL)
        finally:
            # The Python of Debian 12, 3.11.2, cannot abort a connection that is closed already.
            with suppress(AttributeError):
                transport.abort()

    async def _backend_by(self, end: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to waitress from a socket with this path."""
        inner = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            inner.setblocking(False)
            inner.bind(end)
            await self._loop.sock_connect(inner, self._backend)
        except BaseException:
            inner.close()
            raise
        return await asyncio.open_unix_connection(sock=inner)


async def _either(*ways: Coroutine[Any, Any, None]) -> None:
    """Run both until one of them ends."""
    tasks = [asyncio.ensure_future(way) for way in ways]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_CHUNK):
        writer.write(data)
        await writer.drain()


def context_of(found: Found, *, authority: Certificate, above: Path, openssl: OpenSSL) -> ssl.SSLContext:
    """Return the TLS settings for a certificate in the folder; raises UsageError unless the folder's CA has issued it.

    `above` is the file with the issuers of an intermediate up to the root; a root's folder has none.
    """
    if issuer_among(found.certificate, [authority]) is None or not {"chain", "key"} <= found.files.keys():
        raise UsageError(f"{found.path} has no key here, or this folder's own root has not issued it")
    trusted = [above, "-untrusted", found.issuer_path] if above.exists() else [found.issuer_path]
    arguments = ["verify", "-CAfile", *map(str, trusted), "-purpose", "sslserver", str(found.path)]
    process = openssl.run(arguments, check=False)
    # OpenSSL 1.0 also exits with 0 for an expired certificate; only this line means success in every version.
    if process.exit_code != 0 or process.stdout.decode("utf-8", "replace").strip() != f"{found.path}: OK":
        raise UsageError(f"openssl verify does not accept {found.path} for a server under this folder's own root")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(found.files["chain"], found.files["key"])
    except (OSError, ssl.SSLError) as error:
        raise Error(f"cannot use {found.files['chain']} and {found.files['key']}: {error}") from error
    return context
