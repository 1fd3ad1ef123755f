"""How openssl prints a certificate that we made, as the shell workflow also checks it.

Only for our own certificates with validated names: other certificates can make openssl print anything.
"""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import TYPE_CHECKING, NamedTuple

from opensslgen.errors import Error
from opensslgen.patterns import pattern
from opensslgen.x509.extensions import PRINTED_USAGES

if TYPE_CHECKING:
    from opensslgen.x509.certificate import Certificate

ARGUMENTS = ("-noout", "-text", "-startdate", "-enddate")
"""Arguments of `openssl x509`; `parse` reads the output of every version since 1.0.1."""

OF_MANY = ("-print_certs", "-text", "-noout")
"""Arguments of `openssl pkcs7`; `parse_many` reads the output of every version."""

_USAGE_LINE = pattern(r"^ {12}X509v3 Extended Key Usage:(?: critical)? *\n {16}(.*)$", re.MULTILINE)
_DATE_LINE = pattern(r"^(notBefore|notAfter)=(\w{3}) ([ \d]\d) (\d\d):(\d\d):(\d\d) (\d{4}) GMT$", re.MULTILINE)
_VALIDITY_LINE = pattern(
    r"^ {12}Not (Before|After ?): ?(\w{3}) ([ \d]\d) (\d\d):(\d\d):(\d\d) (\d{4}) GMT *$", re.MULTILINE
)
_HEAD = pattern(r"^Certificate:$", re.MULTILINE)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Printout(NamedTuple):
    """The fields of Apple's rules, as openssl prints them."""

    extended_key_usage: tuple[str, ...]
    """In openssl's words; it may be empty."""
    not_before: datetime
    not_after: datetime


def parse(text: str) -> Printout:
    """Parse the output of `openssl x509` with ARGUMENTS; raises Error if it cannot be read."""
    return _read(text, {match[1]: _moment(match) for match in _DATE_LINE.finditer(text) if match[2] in _MONTHS})


def parse_many(text: str) -> list[Printout]:
    """Parse the output of `openssl pkcs7` with OF_MANY, for each certificate; raises Error as `parse` does."""
    parts = _HEAD.split(text)[1:]
    dates = [[match for match in _VALIDITY_LINE.finditer(part) if match[2] in _MONTHS] for part in parts]
    return [
        _read(part, {f"not{match[1].strip()}": _moment(match) for match in matches})
        for part, matches in zip(parts, dates, strict=True)
    ]


def _read(text: str, dates: dict[str, datetime]) -> Printout:
    if set(dates) != {"notBefore", "notAfter"}:
        raise Error("the validity that openssl printed cannot be read")
    usages = _USAGE_LINE.findall(text)
    if len(usages) > 1:
        raise Error("openssl printed the extended key usage twice")
    usage = tuple(usages[0].split(", ")) if usages else ()
    return Printout(usage, dates["notBefore"], dates["notAfter"])


def _moment(match: re.Match[str]) -> datetime:
    month = _MONTHS.index(match[2]) + 1
    day, hour, minute, second, year = map(int, match.groups()[2:])
    return datetime(year, month, day, hour, minute, second, tzinfo=timezone.utc)


def disagreement(printed: Printout, certificate: Certificate) -> str | None:
    """Return the difference between openssl's output and our decoding of one certificate, or None."""
    if (printed.not_before, printed.not_after) != (certificate.not_before, certificate.not_after):
        return f"validity: openssl prints until {printed.not_after}, decoded until {certificate.not_after}"
    decoded = certificate.extended_key_usage or ()
    same = len(decoded) == len(printed.extended_key_usage) and all(
        PRINTED_USAGES.get(usage, words) == words
        for usage, words in zip(decoded, printed.extended_key_usage, strict=True)
    )
    if not same:
        return f"extended key usage: openssl prints {printed.extended_key_usage}, decoded {decoded}"
    return None
