"""What a file is, by its content."""

from __future__ import annotations

from opensslgen.bundles import holding


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


def _kind_of_text(data: bytes) -> str | None:
    """Return "script" or "config", or None for any other text."""
    # To import the readers of scripts takes longer than to judge a hundred certificates.
    from .scripts import looks_like_script

    if looks_like_script(data):
        return "script"
    from .configs import looks_like_config

    return "config" if looks_like_config(data) else None
