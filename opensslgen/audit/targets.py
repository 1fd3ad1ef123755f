"""The audit of certificates, requests, bundles, configs, scripts and servers."""

from __future__ import annotations

import os
import re
from collections import deque
from dataclasses import replace
from functools import cache, partial
from itertools import chain, islice
from typing import TYPE_CHECKING, NoReturn, TypeVar, Union

from opensslgen.budget import Reserve
from opensslgen.errors import UnreadableError
from opensslgen.files.read import STDIN, File, chunks, open_file, pieces, read_up_to, walk
from opensslgen.patterns import pattern

from .kinds import kind_of
from .records import is_index
from .result import Result, Settings
from .signatures import AtHand, limited, settle
from .verdict import Piece, authorities_in, judge_content, judge_file, judge_piece

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from opensslgen.openssl.command import OpenSSL

    from .live import ServerTarget
    from .signatures import Verdict


T = TypeVar("T")

FEW = 512
"""Up to this many files or blocks are judged in this process: starting others would take as long."""
_BATCH = 1000
"""Files or blocks that are judged together, so that one openssl verifies the signatures of all."""
_SPLIT = 1 << 16
"""With `each`, files larger than this many bytes are split into blocks, which several processes judge."""
_BLOCK = 1000
"""Approximate size of a certificate in bytes; used only for progress."""


def audit(targets: Sequence[str], settings: Settings) -> Iterator[Result]:
    """Yield the verdict on each thing that the targets contain, in their order, as they are judged.

    A target is a file, a folder, - for standard input, or a server as host:port; a path that exists takes precedence.
    Raises UsageError for an invalid server.
    """
    return map_audit(targets, settings, then=_itself)


_NOWHERE = f"{os.devnull}/-"
"""A path that is in no pki folder."""


def audit_content(data: bytes, name: str, settings: Settings) -> list[Result]:
    """Return the verdict on uploaded data; its name is only shown, never opened."""
    content = read_up_to([data], limit=settings.limit)
    found = limited(lambda: judge_content(content, File(_NOWHERE, named=True), settings, AtHand()), settings, name)
    return [replace(result, target=name) for result in settle(found, settings)]


def _itself(what: T) -> T:
    return what


def map_audit(
    targets: Sequence[str], settings: Settings, *, then: Callable[[Result], T], progress: Callable[[int], object] = int
) -> Iterator[T]:
    """Yield the value of `then` for each verdict of `audit`, in the same order.

    `then` is called in the process that judged, so that certificates need not be sent between processes; it must be a
    module-level function. `progress` is called with the number of files and blocks done since the last call.
    """
    return _map_audit(_units([_target(text, settings) for text in targets], settings), settings, then, progress)


def _map_audit(
    units: Iterator[_Unit], settings: Settings, then: Callable[[Result], T], progress: Callable[[int], object]
) -> Iterator[T]:
    beginning = list(islice(units, FEW + 1))
    units = chain(beginning, units)
    if len(beginning) > FEW:
        from opensslgen.batch.workers import cores

        if isinstance(beginning[0], Piece):
            # Processes that are forked find these, and need not read the whole file again.
            _at_hand_here().authorities_within(beginning[0].target, authorities_in)
        if (processes := settings.jobs or cores()) > 1:
            yield from _shared_out(units, settings, then, progress, processes=processes)
            return
    at_hand = AtHand()
    for batch in _batches(units):
        yield from map(then, _verdicts(batch, settings, at_hand))
        progress(len(batch))


def extent(targets: Sequence[str], settings: Settings) -> int:
    """Return the approximate total of the numbers that `progress` will get."""
    total = 0
    for target in targets:
        for file in walk(target) if os.path.isdir(target) else (File(target, named=True),):  # noqa: PTH112
            total += 1
            if settings.each:
                try:
                    total += os.stat(file.path).st_size // _BLOCK  # noqa: PTH116
                except OSError:
                    continue
    return total


_Unit = Union[File, Piece, Result, "tuple[ServerTarget, ...]"]


def _target(text: str, settings: Settings) -> File | ServerTarget:
    """Return the file, folder or server that a target means; anything else is reported as missing."""
    if text == STDIN or os.path.lexists(text):
        return File(text, named=True)
    from .live import server_target

    servername = settings.servername.value if settings.servername else None
    found = server_target(text, starttls=settings.starttls, servername=servername)
    if found:
        return found
    server = _server_meant(text)
    return File(
        text, named=True, unreadable=f"no such file or directory; for a server, write {server}" if server else None
    )


_FILE_NAME = pattern(
    r"\.(?:cer|cfg|cnf|conf|crl|crt|csr|csv|der|jks|json|key|old|p10|p12|p7[abcs]|p8|pem|pfx|pub|req|sh|txt|yaml|yml)$",
    re.IGNORECASE,
)
_URL = pattern(r"[a-z]+://([^/?#@]+)(?:[/?#].*)?", re.IGNORECASE)


def _server_meant(text: str) -> str | None:
    """Return HOST:PORT if somebody may have meant a server by the name of a missing file; None otherwise."""
    from opensslgen.errors import UsageError
    from opensslgen.names.general import parse_host

    url = _URL.fullmatch(text)
    host, colon, port = (url[1] if url else text).rpartition(":")
    if colon and port.isascii() and port.isalpha() and not url:
        port = "443"  # such as host:https
    elif not (colon and port.isascii() and port.isdigit()):
        host, port = url[1] if url else text, "443"
    try:
        name = parse_host(host.strip("[]"))
    except UsageError:
        return None
    if name.kind == "DNS" and not url and ("." not in host or _FILE_NAME.search(host)):
        return None
    return f"[{name.value}]:{port}" if ":" in name.value else f"{name.value}:{port}"


def _units(targets: Iterable[File | ServerTarget], settings: Settings) -> Iterator[_Unit]:
    """Yield the units to judge; consecutive servers are asked together."""
    servers: list[ServerTarget] = []
    for target in targets:
        if not isinstance(target, File):
            servers.append(target)
            continue
        if servers:
            yield tuple(servers)
            servers = []
        is_folder = os.path.isdir(target.path)  # noqa: PTH112
        for file in walk(target.path) if is_folder else (target,):
            yield from _split(file, settings) if settings.each else (file,)
    if servers:
        yield tuple(servers)


def _split(file: File, settings: Settings) -> Iterator[_Unit]:
    """Yield a large PEM file block by block, and any other file as one."""
    try:
        with open_file(file) as found:
            if found is None:
                return
            stream, status = found
            if status is None or status.st_size > _SPLIT:
                read = chunks(stream)
                head = next(read, b"")
                if kind_of(head) == "pem":
                    mode = status.st_mode & 0o777 if status else None
                    for line, data in pieces(chain((head,), read), limit=settings.limit):
                        yield Piece(file.path, line, data, mode)
                    return
                if status is None:
                    found_content = read_up_to(chain((head,), read), limit=settings.limit)
                    yield from settle(
                        limited(partial(judge_content, found_content, file, settings, AtHand()), settings, file.path),
                        settings,
                    )
                    return
        yield file
    except UnreadableError as error:
        yield Result(target=file.path, kind="file", unreadable=error.message)


def _verdicts(batch: Sequence[_Unit], settings: Settings, at_hand: AtHand) -> Iterable[Result]:
    """Return the verdicts on units that are judged together, or on servers that are asked together."""
    first = batch[0]
    if not isinstance(first, File | Piece | Result):
        from .live import JOBS, judge_servers

        return judge_servers(first, settings=settings, timeout=settings.timeout, jobs=settings.jobs or JOBS)
    reserve = Reserve(settings.time_limit)
    return settle((verdict for unit in batch for verdict in _of_unit(unit, settings, at_hand, reserve)), settings)


def _of_unit(unit: _Unit, settings: Settings, at_hand: AtHand, reserve: Reserve) -> Iterable[Verdict]:
    if isinstance(unit, File):
        judged = partial(judge_file, unit, settings, at_hand)
        # A pki folder may have any number of certificates; the work for each of them is limited.
        if is_index(unit.path):
            return judged()
        return limited(judged, settings, unit.path, reserve=None if unit.named else reserve)
    if isinstance(unit, Piece):
        judged = partial(judge_piece, unit, settings, at_hand)
        return limited(judged, settings, unit.target, line=unit.line, reserve=reserve)
    assert isinstance(unit, Result)
    return (unit,)


def _shared_out(
    units: Iterable[_Unit],
    settings: Settings,
    then: Callable[[Result], T],
    progress: Callable[[int], object],
    *,
    processes: int,
) -> Iterator[T]:
    """Yield the answers to all units; other processes work on most of them, batch by batch."""
    from opensslgen.batch.workers import workers

    work = partial(
        _answers, settings=replace(settings, password=_elsewhere, openssl=_openssl_finder(settings)), then=then
    )
    at_hand = AtHand()
    given: deque[list[_Unit]] = deque()
    """The batches for other processes, and between them single units for this process."""
    with workers(processes, work) as crew:

        def first() -> Iterator[T]:
            batch = given.popleft()
            answers = crew.take() if _travels(batch[0]) else [None]
            for unit, answer in zip(batch, answers, strict=True):
                yield from map(then, _verdicts([unit], settings, at_hand)) if answer is None else answer
            progress(len(batch))

        for batch in _batches(units):
            while crew.are_busy or len(given) > 2 * processes:
                yield from first()
            if _travels(batch[0]):
                crew.give(batch)
            given.append(batch)
        while given:
            yield from first()


def _travels(unit: _Unit) -> bool:
    """Tell whether another process can judge it: only this one has the standard input and the servers' threads."""
    return isinstance(unit, Piece) or (isinstance(unit, File) and unit.path != STDIN)


def _batches(units: Iterable[_Unit]) -> Iterator[list[_Unit]]:
    """Yield units in batches for other processes, and alone each unit that this process has to judge."""
    batch: list[_Unit] = []
    for unit in units:
        if _travels(unit):
            batch.append(unit)
        if batch and (len(batch) == _BATCH or not _travels(unit)):
            yield batch
            batch = []
        if not _travels(unit):
            yield [unit]
    if batch:
        yield batch


class _ElsewhereError(Exception):
    """The unit has to be judged in the main process, which can ask for passwords."""


def _elsewhere(*_: object) -> NoReturn:
    raise _ElsewhereError


def _openssl_finder(settings: Settings) -> Callable[[], OpenSSL]:
    """Return a function that returns the openssl that this process found, for other processes."""
    from opensslgen.openssl.command import OpenSSLError

    try:
        return partial(_itself, settings.find_openssl())
    except OpenSSLError as error:
        return partial(_report_missing, error.message)


def _report_missing(message: str) -> NoReturn:
    from opensslgen.openssl.command import OpenSSLError

    raise OpenSSLError(message)


@cache
def _at_hand_here() -> AtHand:
    """Return what a worker process keeps from one batch to the next."""
    return AtHand()


def _answers(batch: list[_Unit], settings: Settings, then: Callable[[Result], T]) -> list[list[T] | None]:
    """Return the value of `then` for the verdicts on each unit; None if it has to be judged in the main process."""
    at_hand, reserve = _at_hand_here(), Reserve(settings.time_limit)
    found: list[Verdict] = []
    counts: list[int | None] = []
    for unit in batch:
        try:
            verdicts = [*_of_unit(unit, settings, at_hand, reserve)]
        except _ElsewhereError:
            counts.append(None)
        else:
            found += verdicts
            counts.append(len(verdicts))
    results = iter(map(then, settle(found, settings)))
    return [None if count is None else [*islice(results, count)] for count in counts]
