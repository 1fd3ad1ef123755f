"""What a file is, told by its content."""

from __future__ import annotations

from opensslgen.bundles import holding

from .configs import looks_like_config
from .scripts import looks_like_script


def kind_of(data: bytes) -> str | None:
    """Return what `bundles.holding.kind_of` does, or "script" or "config"; None for anything else.

    The data may be a file's beginning.
    """
    # A script may have a certificate in it, which it would write.
    if data.startswith(b"#!") and looks_like_script(data):
        return "script"
    kind = holding.kind_of(data)
    if kind is None and b"\0" not in data[:8000]:
        kind = "script" if looks_like_script(data) else "config" if looks_like_config(data) else None
    return kind
