"""The index of a CA, as `openssl ca` and easy-rsa maintain it: one line for each certificate that was issued.

A line has six tab-separated fields: state, expiry, revocation, serial number, file name, subject. Any other line is
an error that names its number; `openssl ca` ignores some of them, and then may not find a certificate.
"""

from __future__ import annotations

import re
import stat
from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from opensslgen.errors import UnreadableError
from opensslgen.patterns import pattern
from opensslgen.text import quote, visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

VALID, REVOKED, EXPIRED = "V", "R", "E"
"""The states. An expired certificate remains "V" until somebody runs `openssl ca -updatedb`."""

REASONS = ("keyCompromise", "superseded", "cessationOfOperation", "affiliationChanged", "CACompromise", "unspecified")
"""Why a certificate can be revoked (RFC 5280 section 5.3.1); not certificateHold, which openssl cannot remove."""

_LONGEST_LINE = 1 << 20
_SERIAL = pattern(r"-?(?:[0-9A-Fa-f]{2})+")
_TIME = pattern(r"(?:[0-9]{2}){6,7}Z")
_ESCAPES = pattern(r"(?:\\x[0-9A-F]{2})+")


class Entry(NamedTuple):
    """One line of the index."""

    state: str
    """VALID, REVOKED or EXPIRED."""
    not_after: datetime
    """In UTC."""
    revoked_at: datetime | None
    """In UTC; None unless it was revoked."""
    reason: str | None
    """Such as "keyCompromise"; None if none was given."""
    serial_hex: str
    """As in the file: usually in upper case, always with an even number of digits."""
    file: str
    """Nearly always "unknown"."""
    subject: str
    """As in the file, such as "/O=Acme/CN=pbx.example.com"; a slash in a name is not escaped."""
    line: int
    """From 1."""

    @property
    def serial_number(self) -> int:
        """The serial number as a number."""
        return int(self.serial_hex, 16)

    @property
    def text(self) -> str:
        r"""The subject, in which openssl's \xC3\xBC is the letter ü."""
        return _ESCAPES.sub(_unescape, self.subject)

    @property
    def title(self) -> str:
        """The same for people: invisible characters become visible."""
        return visible(self.text)


def _unescape(match: re.Match[str]) -> str:
    try:
        return bytes.fromhex(match[0].replace("\\x", "")).decode("utf-8")
    except UnicodeDecodeError:
        return match[0]


def is_whole(line: bytes) -> bool:
    """Tell whether a last line without a newline is complete, as an editor leaves it, and not cut off."""
    return line.count(b"\t") == 5


def mend_index(data: bytes) -> bytes:
    """Return an index that `openssl ca` can work with.

    openssl takes a carriage return for a part of the subject, and ignores a last line without a newline. A line that is
    cut off is removed, and so are comments, as openssl removes them.
    """
    lines = data.replace(b"\r\n", b"\n").split(b"\n")
    last = lines.pop()
    if is_whole(last):
        lines.append(last.removesuffix(b"\r"))
    return b"".join(line + b"\n" for line in lines if not line.startswith(b"#"))


_END = 1 << 12
"""Bytes at the end of an index that are looked at before something is added."""


def refuse_damaged(path: Path) -> None:
    """Raise UnreadableError for an index with a line near its end that lacks fields: nothing in it can be revoked.

    An index may be long, so `doctor`, `list` and `revoke` alone read all of it.
    """
    if not path.exists():
        return
    with path.open("rb") as file:
        cut = file.seek(max(0, file.seek(0, 2) - _END))
        lines = file.read().split(b"\n")
    if any(line.count(b"\t") < 5 and not line.startswith(b"#") for line in lines[bool(cut) : -1]):
        for _ in read(path):  # it says which line, and what is wrong with it
            pass


def read(
    path: Path,
    *,
    on_torn: Callable[[str], None] = lambda _: None,
    on_fault: Callable[[int, str], None] | None = None,
    mend: bool = False,
    state: str = "",
) -> Iterator[Entry]:
    """Yield the lines of an index one by one; raises UnreadableError, with file and line, at the first error.

    A last line without a newline was cut off by a kill or a full disk. It is ignored, as openssl ignores it, and
    `on_torn` gets a message about it. With `mend` it counts if it is complete otherwise, as in `mend_index`. An
    `on_fault` gets the number and the error of each wrong line, and reading continues. With a `state`, lines of other
    states are skipped unread.
    """
    shown = visible(str(path))
    try:
        # Opening a named pipe could take for ever.
        if not stat.S_ISREG(path.stat().st_mode):
            raise UnreadableError(f"{shown}: not a regular file")
        # What is not UTF-8 is kept, and made visible when printed. Only a line feed ends a line.
        with path.open(encoding="utf-8", errors="surrogateescape", newline="\n") as file:
            for number, line in enumerate(iter(partial(file.readline, _LONGEST_LINE), ""), 1):
                if len(line) == _LONGEST_LINE:
                    raise UnreadableError(f"{shown}, line {number}: longer than {_LONGEST_LINE} characters")
                if not line.endswith("\n") and not (mend and is_whole(line.encode(errors="surrogateescape"))):
                    on_torn(f"{shown}, line {number}, is cut off, and was ignored")
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
    """Return the entry of a line; raises ValueError that says what was expected."""
    fields = line.split("\t")
    if len(fields) > 6 and "\\\t" in line:
        # A tab inside a field has a backslash before it.
        fields = [field.replace("\\\t", "\t") for field in re.split(r"(?<!\\)\t", line)]
    if len(fields) != 6:
        raise ValueError(
            f"{len(fields)} field{'' if len(fields) == 1 else 's'}; expected six tab-separated fields (state, expiry,"
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
