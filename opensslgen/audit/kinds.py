"""What a file is, by its content."""

from __future__ import annotations

import re

from opensslgen.bundles import holding

from .configs import looks_like_config
from .scripts import MAKE_RULE, looks_like_script


def kind_of(data: bytes) -> str | None:
    """Return "script", "config", or what `bundles.holding.kind_of` returns; None for anything else.

    The data may be only the beginning of a file.
    """
    # A script may contain a certificate that it would write.
    if data.startswith(b"#!") and looks_like_script(data):
        return "script"
    kind = holding.kind_of(data)
    if kind in (None, "text") and b"\0" not in data[:8000]:
        return "script" if looks_like_script(data) else "config" if looks_like_config(data) else kind
    return kind


_OTHER_PROGRAMS = {
    "a Dockerfile": re.compile(rb"^(?:FROM|ARG)[ \t]+\S(?s:.)*^(?:RUN|COPY|CMD|ENTRYPOINT)[ \t]", re.MULTILINE),
    "a Makefile": MAKE_RULE,
    "a program that is not a shell script": re.compile(rb"\A#!(?![^\n]*\b(?:ba|da|k|mk|z|a)?sh\b)"),
    "a YAML file": re.compile(rb"^[ \t]*(?:- )?[\w-]+:(?: [^\n]*)?\n[ \t]*(?:- )?[\w-]+:(?:[ \n])", re.MULTILINE),
}


def other_program(data: bytes) -> str | None:
    """Return what a file is that may run openssl but is not a shell script; None for anything else."""
    if b"openssl" not in data:
        return None
    return next((what for what, mark in _OTHER_PROGRAMS.items() if mark.search(data)), None)
