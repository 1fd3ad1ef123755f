"""Key usages and extended key usages, as people type them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from opensslgen.errors import UsageError
from opensslgen.patterns import pattern
from opensslgen.text import did_you_mean, quote
from opensslgen.x509.extensions import EXTENDED_KEY_USAGES, KEY_USAGES, PRINTED_USAGES

_DOTTED = pattern(r"[0-9]+(?:\.[0-9]+)+")


def extended_key_usages(texts: Iterable[str]) -> tuple[str, ...]:
    """Return extended key usages by openssl's names, or dotted; raises UsageError for an unknown one."""
    usages = []
    for text in _words(texts):
        if _DOTTED.fullmatch(text):
            usages.append(EXTENDED_KEY_USAGES.get(text, text))
        else:
            usages.append(_find_name(text, PRINTED_USAGES, "extended key usage"))
    return tuple(dict.fromkeys(usages))


def key_usages(texts: Iterable[str]) -> tuple[str, ...]:
    """Return key usages by openssl's names; raises UsageError for an unknown one."""
    return tuple(dict.fromkeys(_find_name(text, KEY_USAGES, "key usage") for text in _words(texts)))


def _words(texts: Iterable[str]) -> Iterator[str]:
    """Yield each value of an option that can be repeated and can hold a list with commas."""
    return (word.strip(" ") for text in texts for word in text.split(","))


def _find_name(text: str, names: Collection[str], what: str) -> str:
    """Return the name as openssl writes it."""
    for name in names:
        if name.lower() == text.lower():
            return name
    hint = did_you_mean(text, names).strip() or None
    raise UsageError(f"unknown {what} {quote(text)}: write one of {', '.join(names)}", hint=hint)
