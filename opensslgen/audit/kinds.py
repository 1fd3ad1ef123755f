"""What a file is, by its content."""

from __future__ import annotations

import re

from opensslgen.bundles import holding
from opensslgen.patterns import pattern


def kind_of(data: bytes) -> str | None:
    """Return "script", "config", or what `bundles.holding.kind_of` returns; None for anything else.

    The data may be only the beginning of a file.
    """
    # A script may contain a certificate that it would write.
    if data.startswith(b"#!") and _kind_of_text(data) == "script":
        return "script"
    kind = holding.kind_of(data)
    if kind in (None, "text") and b"\0" not in data[:8000]:
        return _kind_of_text(data) or kind
    return kind


def is_shell_script(data: bytes) -> bool:
    """Tell whether a file's first line says that a shell runs it."""
    from .scripts import SHELL

    return data.startswith(b"#!") and SHELL.match(data) is not None


def _kind_of_text(data: bytes) -> str | None:
    """Return "script" or "config", or None for any other text."""
    # To import the readers of scripts takes longer than to judge a hundred certificates.
    from .scripts import looks_like_script

    if looks_like_script(data):
        return "script"
    from .configs import looks_like_config

    return "config" if looks_like_config(data) else None


_OTHER_PROGRAMS = {
    "a Dockerfile": pattern(rb"^(?:FROM|ARG)[ \t]+\S(?s:.)*^(?:RUN|COPY|CMD|ENTRYPOINT)[ \t]", re.MULTILINE),
    "a program that is not a shell script": pattern(rb"\A#!(?![^\n]*\b(?:ba|da|k|mk|z|a)?sh\b)"),
    "a YAML file": pattern(rb"^[ \t]*(?:- )?[\w-]+:(?: [^\n]*)?\n[ \t]*(?:- )?[\w-]+:(?:[ \n])", re.MULTILINE),
}
_ORDER = ("a Dockerfile", "a Makefile", "a program that is not a shell script", "a YAML file")


def other_program(data: bytes) -> str | None:
    """Return what a file is that may run openssl but is not a shell script; None for anything else."""
    if b"openssl" not in data:
        return None
    from .scripts import MAKE_RULE

    marks = {**_OTHER_PROGRAMS, "a Makefile": MAKE_RULE}
    return next((what for what in _ORDER if marks[what].search(data)), None)
