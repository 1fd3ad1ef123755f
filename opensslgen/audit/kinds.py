"""What a file is, by its content."""

from __future__ import annotations

from opensslgen.bundles import holding

from .configs import looks_like_config
from .scripts import looks_like_script


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
