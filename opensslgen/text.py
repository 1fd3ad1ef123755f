"""Make text that other people wrote safe to print, whatever characters it contains.

`visible` is for names and paths, `visible_lines` for whole messages, `brief` for text of a certificate, `quote` for
what a user typed, `meant` finds what they probably meant. `rfc3339` and `utc` write moments, `listed` lists names.
`refuse_hidden` rejects such characters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from opensslgen.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

# Invisible, although printable to Python (Unicode's Default_Ignorable_Code_Point, and the Braille blank).
_SHAPELESS = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0"
    + "".join(map(chr, range(0xFE00, 0xFE10)))
    + "".join(map(chr, range(0xE0100, 0xE01F0)))
)

CURLY_QUOTES = "\u201c\u201d\u201e\u201f\u00ab\u00bb\u2018\u2019\u201a\u201b\u2039\u203a"
LONG_DASHES = "\u2010\u2011\u2012\u2013\u2014\u2212"
"""What word processors make of quotation marks and hyphens, and what commands pasted from there contain."""


def visible(text: str) -> str:
    r"""Return text in which each character that cannot be seen, or changes how others look, is written as \u{202E}."""
    if text.isprintable() and (text.isascii() or _SHAPELESS.isdisjoint(text)):
        return text
    return "".join(char if char.isprintable() and char not in _SHAPELESS else f"\\u{{{ord(char):X}}}" for char in text)


def visible_lines(text: str) -> str:
    """Return the same for a text of several lines."""
    return "\n".join(map(visible, text.split("\n")))


def brief(text: str) -> str:
    """Return text of a certificate for a message: visible, at most 100 characters."""
    return visible(_cut(text, 100))


def rfc3339(moment: datetime) -> str:
    """Return a moment in UTC as RFC 3339 writes it; unlike strftime, with four digits of a year before 1000."""
    return f"{moment.replace(tzinfo=None).isoformat(timespec='seconds')}Z"


def utc(moment: datetime, precision: str = "seconds") -> str:
    """Return a moment in UTC for people, up to its seconds or minutes."""
    return f"{moment.replace(tzinfo=None).isoformat(' ', precision)} UTC"


def quote(text: str, *, most: int = 80, always: bool = False) -> str:
    """Return what a user typed for a message: visible, at most `most` characters.

    It is quoted if its end would otherwise be unclear, or `always`.
    """
    short = _cut(text, most)
    safe = visible(short)
    return safe if text and safe == short and " " not in text and not always else f"'{safe}'"


def meant(typed: str, known: Iterable[str]) -> str | None:
    """Return the known word that was probably meant by what a user typed; None if none is close."""
    import difflib  # only for mistakes

    words = {word.lower(): word for word in known}
    close = difflib.get_close_matches(typed.lower(), words, n=1)
    return words[close[0]] if close else None


def did_you_mean(typed: str, known: Iterable[str]) -> str:
    """Return a question about the known word that was probably meant, and a blank; nothing if none is close."""
    close = meant(typed, known)
    return f"did you mean {visible(close)}? " if close else ""


def listed(names: Sequence[str], most: int) -> str:
    """Return the first `most` names with commas, and how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


_HIDDEN = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
_JOINERS = "\u200c\u200d"  # Persian and Indic spelling need them; IDNA checks the characters around them


def refuse_hidden(text: str, what: str = "the name") -> None:
    """Raise UsageError for a control, format, private or unassigned character (Cc, Cf, Cn, Co, Cs, Zl, Zp)."""
    if text.isprintable():
        return
    import unicodedata  # names are printable

    for char in text:
        if unicodedata.category(char) in _HIDDEN and char not in _JOINERS:
            name = unicodedata.name(char, "a control or unassigned character")
            raise UsageError(f"{what} {quote(text)} has U+{ord(char):04X} ({name.lower()}): write it without")
