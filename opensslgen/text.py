"""Text that other people wrote, made safe to print."""

from __future__ import annotations

import unicodedata

from opensslgen.errors import UsageError

# What has no shape and yet is printable to Python (Unicode's Default_Ignorable_Code_Point, and the Braille blank).
_SHAPELESS = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0"
    + "".join(map(chr, range(0xFE00, 0xFE10)))
    + "".join(map(chr, range(0xE0100, 0xE01F0)))
)


def visible(text: str) -> str:
    r"""Return text with each character that moves, hides or restyles others, or cannot be seen, as \u{202E}."""
    if text.isprintable() and (text.isascii() or _SHAPELESS.isdisjoint(text)):
        return text
    return "".join(char if char.isprintable() and char not in _SHAPELESS else f"\\u{{{ord(char):X}}}" for char in text)


def visible_lines(text: str) -> str:
    """Return the same of a text of several lines, which stay lines."""
    return "\n".join(map(visible, text.split("\n")))


_HIDDEN = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
_JOINERS = "\u200c\u200d"  # Persian and Indic spelling need them, and IDNA checks their neighbours


def shown(text: str) -> str:
    """Return text for a message, invisible characters escaped, quoted where its end would be unclear, cut at 80."""
    short = text if len(text) <= 80 else text[:79] + "…"
    visible = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in short)
    return visible if text and visible == short and " " not in text else f"'{visible}'"


def refuse_hidden(text: str, what: str = "the name") -> None:
    """Raise `UsageError` on a control, format, private or unassigned character (all of Cc, Cf, Cn, Co, Cs, Zl, Zp)."""
    if text.isprintable():
        return
    for char in text:
        if unicodedata.category(char) in _HIDDEN and char not in _JOINERS:
            name = unicodedata.name(char, "a control or unassigned character")
            raise UsageError(f"{what} {shown(text)} has U+{ord(char):04X} ({name.lower()}): write it without")
