"""The words of the pages for phones in each language, from one table: `templates/trust/words.tsv`.

A line has a key, the words in each language, and for a name in a vendor's menus its source. An empty cell means that no
such name was found in that language: the English one is shown.
"""

from __future__ import annotations

from functools import cache
from html import escape
from typing import TYPE_CHECKING

from opensslgen.plan import template

if TYPE_CHECKING:
    from collections.abc import Mapping

LANGUAGES = ("en", "de", "fr", "es", "it")


@cache
def menus(language: str) -> dict[str, str]:
    """Return the names in the vendors' menus; those that are not English have the English name beside them.

    It is for phones whose menus differ, as the other names are second-hand.
    """
    found = {}
    for row in _rows():
        if row["source"]:
            own = row[language] or row["en"]
            found[row["key"]] = own if own == row["en"] else f"{own} ({row['en']})"
    return found


def phrases(language: str, *, name: str) -> Mapping[str, str]:
    """Return all words as HTML; `name` is the root's, as plain text."""
    parts = {key: f"<strong>{escape(text)}</strong>" for key, text in menus(language).items()}
    parts["name"] = f"<strong>{escape(name)}</strong>"
    return {row["key"]: escape(row[language] or row["en"], quote=False).format_map(parts) for row in _rows()}


@cache
def _rows() -> tuple[dict[str, str], ...]:
    head, *lines = template.shipped("trust/words.tsv").splitlines()
    names = head.split("\t")
    return tuple(dict(zip(names, line.split("\t"), strict=False)) for line in lines)
