"""The index of an authority, as `openssl ca` and easy-rsa keep it: one line for each certificate ever made.

A line has six tab-separated fields: state, end of validity, revocation, serial number, file name, subject. Any other
line is refused by its number; `openssl ca` reads on over some faults, and then finds a certificate or not.
"""

from __future__ import annotations

import re
import stat
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from opensslgen.errors import UnreadableError
from opensslgen.text import quote, visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

VALID, REVOKED, EXPIRED = "V", "R", "E"
"""The states. What has expired is "V" until somebody runs `openssl ca -updatedb`."""

_SERIAL = re.compile(r"-?(?:[0-9A-Fa-f]{2})+")
_TIME = re.compile(r"(?:[0-9]{2}){6,7}Z")
_ESCAPES = re.compile(r"(?:\\x[0-9A-F]{2})+")


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the index."""

    state: str
    """VALID, REVOKED or EXPIRED."""
    not_after: datetime
    """In UTC."""
    revoked_at: datetime | None
    """In UTC; None unless it is revoked."""
    reason: str | None
    """Such as "keyCompromise"; None if none was given."""
    serial_hex: str
    """As it is written in the file; usually in upper case, always with an even number of digits."""
    file: str
    """Nearly always "unknown"."""
    subject: str
    """As in the file, such as "/O=Acme/CN=pbx.example.com"; it tells a slash in a name from no other."""
    line: int
    """Counted from 1."""

    @property
    def serial_number(self) -> int:
        """The serial number."""
        return int(self.serial_hex, 16)

    @property
    def title(self) -> str:
        r"""The subject for people: openssl's \xC3\xBC is the letter it stands for, and what is invisible is not."""
        return visible(_ESCAPES.sub(_unescaped, self.subject))


def _unescaped(match: re.Match[str]) -> str:
    try:
        return bytes.fromhex(match[0].replace("\\x", "")).decode("utf-8")
    except UnicodeDecodeError:
        return match[0]


def is_whole(line: bytes) -> bool:
    """Tell whether a last line without a newline lacks nothing else, as an editor leaves it, or else was torn."""
    return line.count(b"\t") == 5


def mend_index(data: bytes) -> bytes:
    """Return an index as `openssl ca` can work on it.

    To openssl a carriage return is a part of the subject, so that it finds no certificate with that subject, and a last
    line without a newline does not count; a torn one has to go. openssl drops comments as well.
    """
    lines = data.replace(b"\r\n", b"\n").split(b"\n")
    last = lines.pop()
    if is_whole(last):
        lines.append(last.removesuffix(b"\r"))
    return b"".join(line + b"\n" for line in lines if not line.startswith(b"#"))


def read(
    path: Path,
    *,
    on_torn: Callable[[str], None] = lambda _: None,
    on_fault: Callable[[int, str], None] | None = None,
    mend: bool = False,
    state: str = "",
) -> Iterator[Entry]:
    """Yield the lines of an index one by one; raises UnreadableError, with file and line, at the first faulty one.

    A last line without a newline was torn by a kill or a full disk. It does not count, as it does not for openssl;
    `on_torn` gets a message about it. With `mend` it counts if it lacks nothing else, as `mend_index` will have it.
    `on_fault` gets number and fault of each faulty line, over which reading then goes on. With a `state`, lines that do
    not begin with it are skipped unread.
    """
    shown = visible(str(path))
    try:
        # To open a named pipe could take for ever.
        if not stat.S_ISREG(path.stat().st_mode):
            raise UnreadableError(f"{shown}: not a regular file")
        # Whatever is no UTF-8 is kept, and made visible where it is shown. Only a line feed ends a line.
        with path.open(encoding="utf-8", errors="surrogateescape", newline="\n") as file:
            for number, line in enumerate(file, 1):
                if not line.endswith("\n") and not (mend and is_whole(line.encode(errors="surrogateescape"))):
                    on_torn(f"{shown}, line {number}, has no end: it is torn, and does not count")
                elif line.startswith(state) and not line.startswith("#"):
                    try:
                        yield _entry(line.removesuffix("\n").removesuffix("\r"), number)
                    except ValueError as error:
                        if on_fault:
                            on_fault(number, str(error))
                            continue
                        raise UnreadableError(f"{shown}, line {number}: {error}") from error
    except OSError as error:
        raise UnreadableError(f"{shown}: {(error.strerror or str(error)).lower()}") from error


def _entry(line: str, number: int) -> Entry:
    """Return a line's entry, or raise ValueError that says what was expected."""
    fields = line.split("\t")
    if len(fields) > 6 and "\\\t" in line:
        # A tab within a field has a backslash before it.
        fields = [field.replace("\\\t", "\t") for field in re.split(r"(?<!\\)\t", line)]
    if len(fields) != 6:
        raise ValueError(
            f"{len(fields)} field{'' if len(fields) == 1 else 's'}; expected six tab-separated fields (state, end,"
            " revocation, serial number, file, subject)"
        )
    state, end, revocation, serial, file, subject = fields
    if state not in (VALID, REVOKED, EXPIRED):
        raise ValueError(f"the state is {_quote(state)}; expected V (valid), R (revoked) or E (expired)")
    if not _SERIAL.fullmatch(serial):
        raise ValueError(f"the serial number is {_quote(serial)}; expected an even number of hex digits")
    revoked_at = reason = None
    if state == REVOKED:
        time, _, why = revocation.partition(",")
        revoked_at = _time(time, "revocation")
        reason = why or None
    elif revocation:
        raise ValueError(f"the state is {state}, and the revocation {_quote(revocation)}; expected none")
    return Entry(state, _time(end, "end"), revoked_at, reason, serial, file, subject, number)


def _time(text: str, what: str) -> datetime:
    """Return a UTCTime, or the GeneralizedTime of years from 2050 on (RFC 5280 section 4.1.2.5)."""
    if _TIME.fullmatch(text):
        at = len(text) - 11
        year = int(text[:at])
        if at == 2:
            year += 2000 if year < 50 else 1900
        try:
            return datetime(
                year,
                int(text[at : at + 2]),
                int(text[at + 2 : at + 4]),
                int(text[at + 4 : at + 6]),
                int(text[at + 6 : at + 8]),
                int(text[at + 8 : at + 10]),
                tzinfo=timezone.utc,
            )
        except ValueError:
            pass
    raise ValueError(f"the time of the {what} is {_quote(text)}; expected one such as 290131235959Z")


def _quote(text: str) -> str:
    return quote(text, most=40, always=True)
