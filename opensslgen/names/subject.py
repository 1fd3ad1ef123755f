"""The subject of a certificate: its attributes, checked, and written for openssl's config and index."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from opensslgen.errors import UsageError
from opensslgen.patterns import pattern
from opensslgen.text import quote, refuse_hidden

# RFC 5280 appendix A.1; for emailAddress its 128 and not 255, which is what openssl holds to as well.
_UPPER_BOUNDS = {
    "common_name": 64,
    "organization": 64,
    "organizational_unit": 64,
    "state": 128,
    "locality": 128,
    "email_address": 128,
}
_OTHER_BOUND = 255
"""Of what only a request has, such as unstructuredName (RFC 2985 section 5.3.1)."""
_SPECIAL = pattern(r"""[\\$#"'`]""")
# OpenSSL 1.1.1 and LibreSSL read a line in pieces of 510 bytes and lose a backslash that ends one, and so the escape.
_LONGEST_LINE = 500  # bytes


# By openssl's short names, in the order of openssl and easy-rsa.
_FIELDS = {
    "C": "country",
    "ST": "state",
    "L": "locality",
    "O": "organization",
    "OU": "organizational_unit",
    "CN": "common_name",
    "emailAddress": "email_address",
}


class Subject(NamedTuple):
    """A distinguished name.

    `parse_subject` makes one from what people type, `strict_subject` from a request or a certificate.
    """

    attributes: tuple[tuple[str, str], ...]
    """By openssl's short names, in their order."""
    joined: frozenset[int] = frozenset()
    """Positions of attributes that stand in one relative distinguished name with the attribute before them."""

    @property
    def common_name(self) -> str | None:
        """The last common name, which is the most specific one, or None."""
        return dict(self.attributes).get("CN")

    def config_lines(self) -> str:
        """Return the lines of a `prompt = no` distinguished-name section, without a newline at the end."""
        names = [name for name, _ in self.attributes]
        return "\n".join(
            # Of two lines with one key openssl takes the last, and it takes what stands before a full stop for no part
            # of the key. A plus joins an attribute to the one before it.
            _config_line(
                f"{position}.+{name}"
                if position in self.joined
                else f"{position}.{name}"
                if names.count(name) > 1 or "." in name
                else name,
                value,
            )
            for position, (name, value) in enumerate(self.attributes)
        )

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
    """Return a subject, None leaving an attribute out; `UsageError` on values that RFC 5280 or openssl would reject."""
    texts = {
        "common_name": common_name,
        "organization": organization,
        "organizational_unit": organizational_unit,
        "country": country,
        "state": state,
        "locality": locality,
        "email_address": email_address,
    }
    checked = {field: _check(field, text) for field, text in texts.items() if text is not None}
    if not checked:
        raise UsageError("the subject is empty: give a common name with --cn")
    return Subject(
        tuple((name, _fit_line(name, checked[field])) for name, field in _FIELDS.items() if field in checked)
    )


def strict_subject(attributes: Iterable[tuple[str, str]], joined: frozenset[int] = frozenset()) -> Subject:
    """Return the subject of a request or a certificate, in its order; `UsageError` on values that nobody may type.

    It may be empty, or have an empty common name; a rule reports that.
    """
    found: list[tuple[str, str]] = []
    for name, value in attributes:
        if (name, value) != ("CN", ""):
            if len(_check(_FIELDS.get(name, name), value)) != len(value):
                raise UsageError(f"the {name} of its subject, {quote(value)}, begins or ends with a space")
            _fit_line(name, value)
        found.append((name, value))
    return Subject(tuple(found), joined)


def _fit_line(name: str, value: str) -> str:
    if len(_config_line(name, value).encode()) > _LONGEST_LINE:
        raise UsageError(f"{quote(value)} is too long for openssl: write a shorter {name}")
    return value


def _check(field: str, text: str) -> str:
    what = f"the {field.replace('_', ' ')}"
    refuse_hidden(text, what)
    value = text.strip()
    # Joiners alone, which refuse_hidden allows inside words, would look like an empty name.
    if not value.strip("\u200c\u200d"):
        raise UsageError(f"{what} is empty: write one or leave it out")
    if field == "country":
        if not re.fullmatch(r"[A-Za-z]{2}", value):
            raise UsageError(f"{what} {quote(value)} is not a country code: write its two letters, such as DE")
        return value.upper()
    if field == "email_address" and not re.fullmatch(r"[!-~]+@[!-~]+", value):
        raise UsageError(f"{what} {quote(value)} is not a mail address in ASCII: write one such as name@example.com")
    if len(value) > _UPPER_BOUNDS.get(field, _OTHER_BOUND):
        cure = "give a shorter one with --cn" if field == "common_name" else "write a shorter one"
        limit = _UPPER_BOUNDS.get(field, _OTHER_BOUND)
        raise UsageError(f"{what} {quote(value)} has {len(value)} characters, at most {limit} are allowed: {cure}")
    return value


def _config_line(name: str, value: str) -> str:
    return f"{name} = " + _SPECIAL.sub(lambda special: "\\" + special[0], value)


def _oneline(value: str) -> str:
    shown_bytes = (chr(byte) if 0x20 <= byte <= 0x7E else f"\\x{byte:02X}" for byte in value.encode())
    return "".join(f"\\{char}" if char in "/+" else char for char in shown_bytes)
