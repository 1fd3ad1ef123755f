"""An inventory: a table with one certificate per row, as a spreadsheet exports it or as lines of JSON."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from opensslgen.errors import UnreadableError, UsageError
from opensslgen.files.read import read_template
from opensslgen.text import quote, refuse_hidden
from opensslgen.x509 import key_types

from .kinds import KINDS
from .order import LEAF_DAYS, LeafOrder, leaf_order

COLUMNS = {
    "name": "the host name, address or client",
    "kind": f"{', '.join(KINDS)}",
    "san": "additional names, with commas or line ends between them",
    "days": "of validity",
    "cn": "common name",
    "org": "organization",
    "org-unit": "organizational unit",
    "country": "two letters",
    "state": "state or province",
    "locality": "city",
    "email": "mail address in the subject",
    "key-type": ", ".join(key_types.KEY_TYPES),
    "key-file": "a key that is there already",
    "eku": "extended key usage",
    "key-usage": "key usage",
    "template": "an extension file",
    "p12": "yes or compat",
    "crl-url": "where the CRL is",
    "deploy": "where it is installed: TARGET@HOST",
}
"""The columns, named like the options of `server`, `client` and `self-signed`, and their contents."""

_SUBJECT = {
    "cn": "common_name",
    "org": "organization",
    "org-unit": "organizational_unit",
    "country": "country",
    "state": "state",
    "locality": "locality",
    "email": "email_address",
}
_P12 = {"": None, "no": None, "false": None, "yes": "p12", "true": "p12", "p12": "p12"} | dict.fromkeys(
    ("compat", "p12-compat"), "p12-compat"
)
_OF_LINES = ("name", "san")
"""Columns that may have line ends; they are checked name by name."""
_LARGEST_CELL = 1 << 20  # characters


@dataclass(frozen=True, slots=True)
class Row:
    """One row."""

    line: int
    """The number of its first line in the file, from 1."""
    name: str
    """As it is written; may be empty."""
    order: LeafOrder | None
    """None if the row has a fault."""
    fault: str | None = None
    deploy: str | None = None
    """Where the certificate is installed, as `plan.targets.places` reads it."""


def read(file: IO[str], *, title: str, key_type: str = key_types.DEFAULT.name) -> Iterator[Row]:
    """Yield the rows of an inventory one by one, including those with an error.

    `key_type` is the default of the rows. Raises UnreadableError, with file and line, if it is not such a table.
    """
    csv.field_size_limit(_LARGEST_CELL)
    try:
        head, line = _head(file)
        _refuse_other(head)
        cells = _json_lines if head.lstrip().startswith("{") else _table
        for number, values in cells(head, line, file):
            yield _row(number, values, key_type)
    except UnicodeDecodeError as error:
        raise UnreadableError(f"{title} is not UTF-8 text", hint="export it as CSV UTF-8") from error
    except (csv.Error, ValueError) as error:
        raise UnreadableError(f"{title}: {error}") from error
    except OSError as error:
        raise UnreadableError(f"cannot read {title}: {error.strerror}") from error


def _head(file: IO[str]) -> tuple[str, int]:
    """Return the first line that is neither empty nor a comment, and its number."""
    for number, text in enumerate(iter(file.readline, ""), 1):
        line = text.removeprefix("\ufeff") if number == 1 else text
        if line.strip() and not line.startswith("#"):
            return line, number
    raise ValueError("it is empty")


def _refuse_other(head: str) -> None:
    """Raise ValueError for the first line of a file of another kind."""
    if head.startswith("PK\3\4"):
        raise ValueError("a spreadsheet or a ZIP archive: export the sheet as CSV UTF-8")
    if head.startswith("-----BEGIN "):
        raise ValueError("a certificate or a key, not an inventory")
    if head.lstrip().startswith("["):
        raise ValueError("a JSON array: write one object on each line")


def _json_lines(head: str, first: int, file: IO[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    line, number = head, first
    while line:
        if line.strip():
            try:
                value = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise ValueError(f"line {number}: not JSON: {error}") from error
            if not isinstance(value, dict):
                raise ValueError(f"line {number}: expected a JSON object in each line")
            yield number, {_column(str(name), number): cell for name, cell in value.items()}
        line, number = file.readline(), number + 1


def _table(head: str, first: int, file: IO[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    separator = None
    if match := re.fullmatch(r"sep=(.)\r?\n?", head):
        # Some spreadsheets name their separator.
        separator, head, first = match[1], file.readline(), first + 1
    separator = separator or max(",;\t", key=head.count)
    names = [_column(cell, first) for cell in next(csv.reader([head], delimiter=separator, strict=True))]
    if "name" not in names:
        raise ValueError(f"line {first}: the column name is missing; expected a header row with {', '.join(COLUMNS)}")
    if len(set(names)) < len(names):
        raise ValueError(f"line {first}: two columns have the same name")
    lines = _Lines(file)
    reader = csv.reader(lines, delimiter=separator, strict=True)
    begins = first + 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                begins += lines.comments
                if len(cells) > len(names) and any(cell.strip() for cell in cells[len(names) :]):
                    yield begins, {"": f"{len(cells)} cells, and the header row has {len(names)}"}
                else:
                    yield begins, dict(zip(names, cells, strict=False))
            begins = first + lines.number + 1
            lines.start_row()
    except csv.Error as error:
        raise ValueError(f"line {begins}: {error}") from error


class _Lines:
    """The lines of a table without comments: a # in quotes, or within a row, is text."""

    def __init__(self, file: IO[str]) -> None:
        self.file = file
        self.number = 0
        """Lines that were read."""
        self.start_row()

    def start_row(self) -> None:
        """Begin a row: only its first line can be a comment."""
        self.is_first, self.comments = True, 0

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = next(self.file)
        self.number += 1
        while self.is_first and line.startswith("#"):
            self.comments += 1
            self.number += 1
            line = next(self.file)
        self.is_first = False
        return line


def _column(name: str, line: int) -> str:
    """Return a column's name as COLUMNS has it; raises ValueError for any other."""
    plain = name.strip().lower().lstrip("-").replace("_", "-").replace(" ", "-")
    if plain not in COLUMNS:
        raise ValueError(f"line {line}: the column {quote(name)} is unknown: write one of {', '.join(COLUMNS)}")
    return plain


def _row(line: int, values: dict[str, Any], key_type: str) -> Row:
    if "" in values:
        return Row(line, "", None, values[""])
    name = values.get("name") or ""
    try:
        texts = {column: _text(column, value) for column, value in values.items() if value not in (None, "")}
        deploy = texts.get("deploy", "").strip() or None
        return Row(line, texts.get("name", "").strip(), _order(texts, key_type), deploy=deploy)
    except (UsageError, UnreadableError) as error:
        return Row(line, str(name).strip(), None, error.message)


def _text(column: str, value: Any) -> str:
    """Return a cell as text; JSON also has numbers, truth values and lists."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return ",".join(value)
    if isinstance(value, (str, int)):
        return str(value)
    raise UsageError(f"{column} is {quote(json.dumps(value))}: write text")


def _order(texts: dict[str, str], key_type: str) -> LeafOrder:
    text = {column: value.strip(None if column in _OF_LINES else " ") for column, value in texts.items()}
    for column, value in text.items():
        if column not in _OF_LINES:
            refuse_hidden(value, column)
    if not text.get("name"):
        raise UsageError("the name is missing")
    kind = KINDS.get(text.get("kind", "server").lower())
    if kind is None:
        raise UsageError(f"the kind {quote(text['kind'])} is unknown: write one of {', '.join(KINDS)}")
    days = text.get("days", str(LEAF_DAYS))
    if not re.fullmatch(r"[0-9]{1,6}", days):
        raise UsageError(f"{quote(days)} days: write a whole number")
    p12 = text.get("p12", "").lower()
    if p12 not in _P12:
        raise UsageError(f"p12 is {quote(p12)}: write yes, compat or nothing")
    if kind.is_self_signed and text.get("crl-url"):
        raise UsageError("a self-signed certificate has no CRL: leave crl-url out")
    san = [entry for entry in re.split(r"[,;\r\n]+", text.get("san", "")) if entry.strip()]
    return leaf_order(
        text["name"],
        kind=kind,
        san=san,
        key_type=key_types.key_type(text.get("key-type", key_type)),
        key_file=Path(text["key-file"]) if text.get("key-file") else None,
        days=int(days),
        extended_key_usage=_words(text.get("eku")),
        key_usage=_words(text.get("key-usage")),
        template=read_template(Path(text["template"])) if text.get("template") else None,
        p12=_P12[p12],
        crl_url=text.get("crl-url") or None,
        **{field: text.get(column) or None for column, field in _SUBJECT.items()},
    )


def _words(text: str | None) -> list[str]:
    return [text.replace(";", ",").replace(" ", "")] if text else []
