"""The libraries of `opensslgen[web]`, which need not be installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from opensslgen.errors import UsageError


@contextmanager
def needs_web() -> Iterator[None]:
    """Import modules of the package web in this block; raises UsageError if a library of theirs is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise UsageError(
            f"this command needs {error.name}, which is not installed", hint="run: pip install flask waitress segno"
        ) from error
