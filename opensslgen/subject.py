"""The subject of a certificate: its attributes checked, and written as openssl's config and index hold them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .errors import UsageError
from .names import refuse_hidden, shown

# RFC 5280 appendix A.1; for emailAddress its 128 and not 255, which is what openssl holds to as well.
_UPPER_BOUNDS = {
    "common_name": 64,
    "organization": 64,
    "organizational_unit": 64,
    "state": 128,
    "locality": 128,
    "email_address": 128,
}
_SPECIAL = re.compile(r"""[\\$#"'`]""")
# OpenSSL 1.1.1 and LibreSSL read a line in pieces of 510 bytes and lose a backslash that ends one, and so the escape.
_LONGEST_LINE = 500  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A distinguished name with at most one of each attribute; `parse_subject` makes one from what people type."""

    common_name: str | None = None
    organization: str | None = None
    organizational_unit: str | None = None
    country: str | None = None
    state: str | None = None
    locality: str | None = None
    email_address: str | None = None

    @property
    def attributes(self) -> tuple[tuple[str, str], ...]:
        """The attributes that are there, by openssl's short names, in the order of openssl and easy-rsa."""
        everything = (
            ("C", self.country),
            ("ST", self.state),
            ("L", self.locality),
            ("O", self.organization),
            ("OU", self.organizational_unit),
            ("CN", self.common_name),
            ("emailAddress", self.email_address),
        )
        return tuple((name, value) for name, value in everything if value is not None)

    def config_lines(self) -> str:
        """Return the lines of a `prompt = no` distinguished-name section, without a newline at the end."""
        return "\n".join(_config_line(name, value) for name, value in self.attributes)

    def oneline(self) -> str:
        """Return the subject as OpenSSL 3 and later writes it to index.txt; earlier ones leave / and + bare."""
        return "".join(f"/{name}={_oneline(value)}" for name, value in self.attributes)


def parse_subject(
    *,
    common_name: str | None = None,
    organization: str | None = None,
    organizational_unit: str | None = None,
    country: str | None = None,
    state: str | None = None,
    locality: str | None = None,
    email_address: str | None = None,
) -> Subject:
    """Return a subject, None leaving an attribute out; `UsageError` on what RFC 5280 or openssl would not take."""
    texts = {
        "common_name": common_name,
        "organization": organization,
        "organizational_unit": organizational_unit,
        "country": country,
        "state": state,
        "locality": locality,
        "email_address": email_address,
    }
    subject = Subject(**{field: _checked(field, text) for field, text in texts.items() if text is not None})
    if not subject.attributes:
        raise UsageError("the subject is empty: give a common name with --cn")
    for name, value in subject.attributes:
        if len(_config_line(name, value).encode()) > _LONGEST_LINE:
            raise UsageError(f"{shown(value)} is too long for openssl: write a shorter {name}")
    return subject


def _checked(field: str, text: str) -> str:
    what = f"the {field.replace('_', ' ')}"
    refuse_hidden(text, what)
    value = text.strip()
    # Joiners alone, which refuse_hidden lets through inside words, would show as an empty name.
    if not value.strip("\u200c\u200d"):
        raise UsageError(f"{what} is empty: write one or leave it out")
    if field == "country":
        if not re.fullmatch(r"[A-Za-z]{2}", value):
            raise UsageError(f"{what} {shown(value)} is no country code: write its two letters, such as DE")
        return value.upper()
    if field == "email_address" and not re.fullmatch(r"[!-~]+@[!-~]+", value):
        raise UsageError(f"{what} {shown(value)} is no mail address in ASCII: write one such as name@example.com")
    if len(value) > _UPPER_BOUNDS[field]:
        cure = "give a shorter one with --cn" if field == "common_name" else "write a shorter one"
        limit = _UPPER_BOUNDS[field]
        raise UsageError(f"{what} {shown(value)} has {len(value)} characters, at most {limit} are allowed: {cure}")
    return value


def _config_line(name: str, value: str) -> str:
    return f"{name} = " + _SPECIAL.sub(lambda special: "\\" + special[0], value)


def _oneline(value: str) -> str:
    shown_bytes = (chr(byte) if 0x20 <= byte <= 0x7E else f"\\x{byte:02X}" for byte in value.encode())
    return "".join(f"\\{char}" if char in "/+" else char for char in shown_bytes)
