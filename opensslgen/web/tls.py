"""TLS in front of the form: takes connections, ends TLS, and hands on what is inside to a socket of ours.

waitress has no TLS, and every other server that has would be a second one to keep. This knows nothing of HTTP: what
comes out of TLS goes to waitress byte by byte, which holds it to the same limits as on the loopback. Whose it is, is
told by the name that our end of the connection has, and by nothing that a client could write.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
import ssl
import threading
from collections import defaultdict
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opensslgen.errors import Error, UsageError
from opensslgen.rules.chain import issuer_among

from .serving import OF_ONE_CLIENT

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

    from opensslgen.openssl.command import OpenSSL
    from opensslgen.pki.lookup import Found
    from opensslgen.x509.certificate import Certificate

CONNECTIONS = 150
"""Open at once at most; each takes two files, and the form behind has as many places."""
HANDSHAKE = 10.0
"""Seconds."""
LONGEST = 300.0
"""Seconds that one connection lasts."""
_FAREWELL = 2.0
"""Seconds in which the other side may say that it has understood the end, which many never do."""
_CHUNK = 1 << 16


class Front:
    """What is in front, while it runs in a thread of its own."""

    def __init__(self, listener: socket.socket, *, context: ssl.SSLContext, backend: str) -> None:
        """Take the socket that listens, and the path of the one to hand on to."""
        self._listener, self._context, self._backend = listener, context, backend
        self._open: dict[str, list[asyncio.Task[None]]] = defaultdict(list)
        """By the address of the client, the oldest first."""
        self._ends: dict[str, str] = {}
        """The address of the client by the path of our end of the connection to waitress."""
        self._numbers = itertools.count()
        self._loop = asyncio.new_event_loop()
        self._accepting: asyncio.Task[None] | None = None
        listener.setblocking(False)
        self._thread = threading.Thread(target=self._loop.run_forever, name="tls", daemon=True)

    def start(self) -> None:
        """Take connections from now on."""
        self._thread.start()

        async def begin() -> None:
            self._accepting = asyncio.ensure_future(self._accept())

        asyncio.run_coroutine_threadsafe(begin(), self._loop).result()

    def client(self, end: str) -> str:
        """Return the IP address of the client whose bytes come from the socket of this path; "" if it has gone."""
        return self._ends.get(end, "")

    def stop_accepting(self) -> None:
        """Take no more connections; those that there are go on."""

        async def stop() -> None:
            if self._accepting:
                self._accepting.cancel()
                await asyncio.wait({self._accepting})
            self._listener.close()

        asyncio.run_coroutine_threadsafe(stop(), self._loop).result()

    def close(self) -> None:
        """End all connections, and the thread."""
        self.stop_accepting()

        async def end() -> None:
            tasks = [task for of_one in self._open.values() for task in of_one]
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
                await asyncio.sleep(0.1)  # too many open files, or a client that has gone again
                continue
            of_one = self._open[address[0]]
            task = asyncio.ensure_future(self._serve(accepted, host=address[0]))
            of_one.append(task)
            task.add_done_callback(partial(self._forget, host=address[0]))
            # Nobody takes all the places, neither from others nor from a browser at the same address.
            if len(of_one) > OF_ONE_CLIENT or sum(map(len, self._open.values())) > CONNECTIONS:
                max(self._open.values(), key=len)[0].cancel()

    async def _serve(self, accepted: socket.socket, *, host: str) -> None:
        # It may go away, or never speak TLS, or take too long.
        with suppress(OSError, asyncio.TimeoutError):
            await asyncio.wait_for(self._relay(accepted, host=host), LONGEST)

    def _forget(self, task: asyncio.Task[None], *, host: str) -> None:
        self._open[host].remove(task)
        if not self._open[host]:
            del self._open[host]

    async def _relay(self, accepted: socket.socket, *, host: str) -> None:
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        # From here on the socket is the transport's, which closes it whatever happens.
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
        """Connect to waitress from a socket of this path."""
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
    """Do both until one of them ends."""
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


@contextmanager
def front(listener: socket.socket, *, context: ssl.SSLContext, backend: str) -> Iterator[Front]:
    """Run TLS in front of a socket that is named by its path."""
    running = Front(listener, context=context, backend=backend)
    running.start()
    try:
        yield running
    finally:
        running.close()


def context_of(found: Found, *, authority: Certificate, above: Path, openssl: OpenSSL) -> ssl.SSLContext:
    """Return the TLS settings for a certificate of the folder; raises UsageError unless its authority has issued it.

    `above` is the file with what stands above an intermediate, the root among it; a root's folder has none.
    """
    if issuer_among(found.certificate, [authority]) is None or not {"chain", "key"} <= found.files.keys():
        raise UsageError(f"{found.path} has no key here, or is not of this folder's own root")
    trusted = [above, "-untrusted", found.issuer_path] if above.exists() else [found.issuer_path]
    arguments = ["verify", "-CAfile", *map(str, trusted), "-purpose", "sslserver", str(found.path)]
    process = openssl.run(arguments, check=False)
    # OpenSSL 1.0 exits with 0 for an expired certificate, too; this is the sign of success that holds on all.
    if process.exit_code != 0 or process.stdout.decode("utf-8", "replace").strip() != f"{found.path}: OK":
        raise UsageError(f"{found.path} is not accepted by openssl verify for a server under this folder's own root")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(found.files["chain"], found.files["key"])
    except (OSError, ssl.SSLError) as error:
        raise Error(f"cannot use {found.files['chain']} and {found.files['key']}: {error}") from error
    return context
