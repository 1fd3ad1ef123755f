"""The words of the pages in each language, from one table: `templates/trust/words.tsv`.

A line has a key and the words in each language. A name in a vendor's menus also has the documents in which it was
found, by language, from the table `sources.tsv`; an empty cell means that no document of the vendor was found in that
language: the English name is shown.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from html import escape
from typing import TYPE_CHECKING

from opensslgen.plan import template

if TYPE_CHECKING:
    from collections.abc import Mapping

LANGUAGES = ("en", "de", "fr", "es", "it")


@lru_cache(maxsize=32)
def phrases(language: str, *, name: str) -> Mapping[str, str]:
    """Return all words as HTML; `name` is the root's, as plain text. What is in backquotes is code."""
    parts = {row["key"]: _menu(row, language) for row in _rows() if row["source"]}
    parts["name"] = f"<strong>{escape(name)}</strong>"
    return {row["key"]: parts.get(row["key"]) or _sentence(row[language], parts) for row in _rows()}


def word(key: str) -> str:
    """Return some words as plain text, in English."""
    return next(row["en"] for row in _rows() if row["key"] == key)


def _menu(row: Mapping[str, str], language: str) -> str:
    own = row[language]
    # A screen reader should not read an English name as if it were of the language of the page.
    return f"<strong>{escape(own)}</strong>" if own else f'<strong lang="en">{escape(row["en"])}</strong>'


def _sentence(text: str, parts: Mapping[str, str]) -> str:
    return re.sub("`([^`]+)`", r"<code>\1</code>", escape(text, quote=False)).format_map(parts)


@cache
def _rows() -> tuple[dict[str, str], ...]:
    head, *lines = template.shipped("trust/words.tsv").splitlines()
    names = head.split("\t")
    return tuple(dict(zip(names, line.split("\t"), strict=True)) for line in lines)
