"""What all commands print alike: JSON on stdout; notes and warnings on stderr."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def print_json(value: object) -> None:
    """Print a value as indented JSON."""
    import json  # most commands print text

    click.echo(json.dumps(value, indent=2))


def print_notes(notes: Iterable[str], *, quiet: bool) -> None:
    """Print what the user should know, unless only errors are wanted."""
    from opensslgen.text import visible_lines

    for note in notes:
        if not quiet:
            click.echo(f"Note: {visible_lines(note)}", err=True)


def print_warning(message: str) -> None:
    """Print a warning; `--quiet` does not silence it."""
    from opensslgen.text import visible

    click.echo(f"Warning: {visible(message)}", err=True)


def warn_of_open_files(pki: Path) -> None:
    """Warn of files in the pki folder that other users can read or change, but should not."""
    from opensslgen.pki.store import Store

    for warning in Store(pki).warnings():
        print_warning(warning)


def tolerant_stdout() -> io.TextIOBase:
    """Return stdout, which from now on escapes characters that the terminal's encoding lacks."""
    out = sys.stdout
    if isinstance(out, io.TextIOWrapper):
        out.reconfigure(errors="backslashreplace")
    return out  # type: ignore[return-value] # whatever replaces it is one


def is_coloured() -> bool:
    """Tell whether to colour stdout: on a terminal, unless NO_COLOR is set."""
    return bool(sys.stdout and sys.stdout.isatty()) and click.get_current_context().color is not False
