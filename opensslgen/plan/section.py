"""The section [ v3_req ] of an extension file: the extensions of a leaf."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from opensslgen.config.reader import ConfigError, read_config
from opensslgen.errors import UsageError
from opensslgen.names.general import GeneralName, parse_names
from opensslgen.orders.kinds import SERVER_USAGES
from opensslgen.patterns import pattern
from opensslgen.text import quote

from . import template

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from opensslgen.orders.order import LeafOrder

from opensslgen.orders.usages import key_usages


@dataclass(frozen=True, kw_only=True)
class Section:
    """The values for the templates of leaves: v3_req.cnf, self-signed.cnf, gen_certs.cnf."""

    names: tuple[GeneralName, ...]
    key_usage: tuple[str, ...]
    extended_key_usage: tuple[str, ...] = SERVER_USAGES
    basic_constraints: str = "CA:FALSE"
    is_nameless: bool = False
    """Whether the subject is empty, and so its names critical (RFC 5280 section 4.2.1.6)."""
    crl_url: str | None = None
    """Where clients find the CRL."""
    given: Mapping[str, str] = field(default_factory=dict)
    """Values to write as they are, by the names of the vendor's script; they mean the same as the fields above."""

    def fill(self, text: str) -> str:
        """Return a template filled with these values, under the names that the vendor's script uses.

        Raises UsageError for a template that uses other names, has no place for a value, or
        has no section [ v3_req ].
        """
        if self.crl_url and "$CRL_URL" not in text:
            raise UsageError("the template has no line crlDistributionPoints = $CRL_URL, so --crl-url has no effect")
        critical = ("critical",) if self.is_nameless and not _CRITICAL_NAMES.search(text) else ()
        filled = template.fill(
            text,
            {
                "CA": self.basic_constraints,
                "KEY_USAGE": ",".join(self.key_usage),
                "SUBJECT_ALT_NAME": ",".join((*critical, *map(str, dict.fromkeys(self.names)))),
                "EXTENDED_KEY_USAGE": ",".join(self.extended_key_usage),
                "CRL_URL": f"URI:{self.crl_url}" if self.crl_url else "",
                **self.given,
            },
        )
        _refuse_reading(filled)
        # openssl silently ignores other sections.
        if not any(line.replace(" ", "").replace("\t", "") == "[v3_req]" for line in filled.splitlines()):
            raise UsageError("the template has no section [ v3_req ]")
        return filled


_CRITICAL_NAMES = pattern(r"critical[ \t]*,[ \t]*\$\{?SUBJECT_ALT_NAME")
_READING = pattern(r"ENV::|proxyCertInfo|openssl_conf")
_DIRECTIVE = pattern(r"^[ \t]*\.(include|pragma)", re.MULTILINE)
_LEAK = "which could put a secret into a certificate"
_OTHER_SECTIONS = ("ENV", "req", "ca")
_OTHER_KEYS = ("openssl_conf", "oid_file", "oid_section", "RANDFILE", "proxyCertInfo")


def _refuse_reading(filled: str) -> None:
    """Raise UsageError for an extension file that makes openssl read other data, or that is malformed.

    Such data may be secret: the environment, the CA's key. Older versions parse some lines
    differently (1.1.1 drops a backslash at the 510th byte of a line), so the plain text is checked as well.
    """
    try:
        config = read_config(filled)
    except ConfigError as error:
        raise UsageError(f"the template is not an extension file: {error.message}") from error
    plain = re.sub(r"[\\\"'`\s]", "", filled)
    if config.environment or "ENV" in config.sections or "ENV::" in plain:
        raise UsageError(f"the template reads the environment (ENV::), {_LEAK}")
    if config.includes or config.pragmas or _DIRECTIVE.search(filled):
        raise UsageError(f"the template has a line .include or .pragma, {_LEAK}: write out what it would include")
    for section in config.sections.values():
        if section.name in _OTHER_SECTIONS:
            raise UsageError(f"the template has a section [ {section.name} ], {_LEAK}: leave it out")
        for entry in section.entries:
            if entry.key in _OTHER_KEYS:
                raise UsageError(f"line {entry.line} of the template sets {entry.key}, {_LEAK}: leave it out")
    if found := _READING.search(plain):
        raise UsageError(f"the template mentions {found[0]}, {_LEAK}: leave it out")


def section_of(order: LeafOrder) -> Section:
    """Return the values for the extension file of a leaf."""
    return Section(
        names=order.names,
        key_usage=order.usages,
        extended_key_usage=order.extended_key_usage,
        is_nameless=not order.subject.attributes,
        crl_url=order.crl_url,
    )


def from_script(variables: Mapping[str, str], *, names: Iterable[str], key_usage: tuple[str, ...]) -> Section:
    """Return the section that the vendor's script would write with its variables CA, KEY_USAGE, SUBJECT_ALT_NAME.

    `names` and `key_usage` override the variables, whose values are written as they are, blanks included. Raises
    UsageError for a bad value.
    """
    alternative_names, usage = variables.get("SUBJECT_ALT_NAME", ""), variables.get("KEY_USAGE", "")
    texts = tuple(names) or (alternative_names,)
    found = tuple(name for text in texts for name in parse_names(text))
    usages = key_usage or key_usages([usage] if usage else [])
    given = {}
    if not names and [_as_written(each.strip(" ")) for each in alternative_names.split(",")] == list(map(str, found)):
        given["SUBJECT_ALT_NAME"] = alternative_names
    if not key_usage and usage and tuple(each.strip(" ") for each in usage.split(",")) == usages:
        given["KEY_USAGE"] = usage
    constraints = variables.get("CA") or "CA:FALSE"
    if not re.fullmatch(r"(critical ?, ?)?CA:(TRUE|FALSE)( ?, ?pathlen:[0-9]{1,3})?", constraints):
        raise UsageError(f"CA is {quote(constraints)}: write CA:FALSE, or CA:TRUE for a CA")
    return Section(
        names=found,
        key_usage=usages or ("digitalSignature", "keyEncipherment"),
        basic_constraints=constraints,
        given=given,
    )


def _as_written(name: str) -> str:
    """Return a name in lower case but for its prefix: openssl reads it in any case, and no other form of it."""
    kind, colon, value = name.partition(":")
    return f"{kind}{colon}{value.lower()}"
