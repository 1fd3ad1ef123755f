"""The pages of the manual, read from their Markdown and written for a terminal or as a man page.

The pages use a small part of Markdown: headings, paragraphs, lists, tables, fenced and indented code, links, pictures.
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from importlib.resources import files
from itertools import groupby, takewhile
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.resources.abc import Traversable

Kind = Literal["heading", "text", "item", "code", "table"]


@dataclass(frozen=True)
class Block:
    """A part of a page: a heading, a paragraph, one item of a list, a block of code, or a table with its headings."""

    kind: Kind
    text: str = ""
    mark: str = ""
    """What stands before an item: "- ", or its number as "1. "."""
    rows: tuple[tuple[str, ...], ...] = ()


_ITEM = re.compile(r"- |\d+\. ")


def topics() -> dict[str, str]:
    """Return the names of the pages and their titles, sorted by name."""
    pages = sorted((page.name, page) for page in _manual().iterdir() if page.name.endswith(".md"))
    return {name.removesuffix(".md"): _title(page.read_text("utf-8")) for name, page in pages}


def page(topic: str) -> str | None:
    """Return the Markdown of the page with this name, if there is one."""
    # A name that is a path must not lead out of the manual.
    found = (each for each in _manual().iterdir() if each.name == f"{topic}.md")
    return next((each.read_text("utf-8") for each in found), None)


def as_terminal_text(markdown: str, *, width: int) -> str:
    """Return a page as plain text with lines of at most `width` characters, except for code."""
    parts = []
    for kind, blocks in groupby(_blocks(markdown), key=lambda block: block.kind):
        if kind == "table":
            parts += [_table(block.rows, width=width) for block in blocks]
        elif kind == "item":
            parts.append("\n".join(_wrapped(block.text, width=width, first=block.mark) for block in blocks))
        elif kind == "code":
            parts += [textwrap.indent(block.text, "    ") for block in blocks]
        elif kind == "heading":
            parts += [block.text.upper() for block in blocks]
        else:
            parts += [_wrapped(block.text, width=width) for block in blocks]
    return "\n\n".join(parts) + "\n"


def as_man_page(markdown: str, *, name: str, section: int, version: str) -> str:
    """Return a page in the language of man pages (roff, with the man macros)."""
    lines = [f'.TH "{_roff(name.upper())}" {section} "" "opensslgen {version}" "opensslgen"']
    title, *blocks = _blocks(markdown)
    lines += [".SH NAME", f"{_roff(name)} \\- {_roff(title.text)}"]
    lines += [] if blocks[0].kind == "heading" else [".SH DESCRIPTION"]
    for block in blocks:
        if block.kind == "heading":
            lines.append(f".SH {_roff(block.text.upper())}")
        elif block.kind == "code":
            lines += [".PP", ".nf", ".RS 4", *map(_roff, block.text.splitlines()), ".RE", ".fi"]
        elif block.kind == "item":
            bullet = block.mark.strip().replace("-", "\\(bu")
            lines += [f".IP {bullet} 3", _roff(block.text)]
        elif block.kind == "table":
            for first, *others in block.rows[1:]:
                lines += [".TP", _roff(first) or "\\ ", _roff("; ".join(filter(None, others)))]
        else:
            lines += [".PP", _roff(block.text)]
    return "\n".join(lines) + "\n"


def _manual() -> Traversable:
    return files("opensslgen") / "manual"


def _title(markdown: str) -> str:
    return markdown.partition("\n")[0].removeprefix("# ")


def _blocks(markdown: str) -> Iterator[Block]:
    lines = iter([*markdown.splitlines(), ""])
    gathered: list[str] = []
    mark = ""
    for line in lines:
        item = _ITEM.match(line)
        if gathered and (not line or item or line.startswith(("#", "```", "|"))):
            yield Block("item" if mark else "text", _plain(" ".join(gathered)), mark)
            gathered = []
        if line.startswith("```"):
            yield Block("code", "\n".join(takewhile(lambda inside: not inside.startswith("```"), lines)))
        elif line.startswith("    ") and not gathered:
            code = [line, *takewhile(lambda inside: inside.startswith("    "), lines)]
            yield Block("code", textwrap.dedent("\n".join(code)))
        elif line.startswith("|"):
            headings, _, *rows = map(_cells, [line, *takewhile(lambda inside: inside.startswith("|"), lines)])
            yield Block("table", rows=(headings, *rows))
        elif line.startswith("#"):
            yield Block("heading", _plain(line.lstrip("# ")))
        elif line:
            mark = mark if gathered else item[0] if item else ""
            gathered.append(line.removeprefix(mark).strip())


def _plain(text: str) -> str:
    """Return text without the marks of Markdown; a link to another page becomes the command that shows it."""
    text = re.sub(r"!\[([^]]*)\]\([^)]*\)", r"(Picture: \1)", text)
    text = re.sub(r"\[([^]]*)\]\((?:[\w./]*/)?([\w-]+)\.md\)", r"\1 (opensslgen help \2)", text)
    text = re.sub(r"\[([^]]*)\]\(([^)]*)\)", r"\1 (\2)", text)
    return re.sub(r"\*\*([^*]+)\*\*|(?<!\*)\*([^*]+)\*(?!\*)|`([^`]+)`", r"\1\2\3", text)


def _wrapped(text: str, *, width: int, first: str = "") -> str:
    return textwrap.fill(
        text,
        width,
        initial_indent=first,
        subsequent_indent=" " * len(first),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _cells(line: str) -> tuple[str, ...]:
    return tuple(_plain(cell.strip()) for cell in line[1:-1].split("|"))


def _table(rows: tuple[tuple[str, ...], ...], *, width: int) -> str:
    """Return a table in columns where it fits, and as a list of its rows where not."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    if sum(widths) + 2 * (len(widths) - 1) <= width:
        return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
    (_, *headings), *others = rows
    lines = []
    for first, *cells in others:
        lines += [first] if first else []
        for heading, cell in zip(headings, cells, strict=True):
            named = f"{heading}: {cell}" if heading and len(headings) > 1 else cell
            lines += [_wrapped(named, width=width, first="    ")] if cell else []
    return "\n".join(lines)


def _roff(text: str) -> str:
    r"""Return text for roff: a backslash is written as \e, and a dot at the start of a line is no request."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{text}" if text.startswith((".", "'")) else text
