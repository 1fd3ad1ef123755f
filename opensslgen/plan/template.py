"""Templates: find one of ours, and fill in values by name."""

from __future__ import annotations

import string
from collections.abc import Mapping
from pathlib import Path

from opensslgen.errors import UsageError

EASYRSA_CONFIG = "openssl-easyrsa.cnf"
"""Without this file easy-rsa 3 does nothing in a folder."""


def shipped(name: str) -> str:
    """Return the text of `templates/NAME`, from a checkout, an installed package or a zipapp."""
    package = Path(__file__).parent.parent
    for folder in (package / "templates", package.parent / "templates"):
        if (folder / name).is_file():
            return (folder / name).read_text(encoding="utf-8")
    # In a zipapp only the loader can read them; imported here, because that costs 20 ms.
    from importlib import resources

    return (resources.files("opensslgen") / "templates" / name).read_text(encoding="utf-8")


def without(text: str, *names: str) -> str:
    """Return the template without its lines `key = $NAME` and `key = critical,$NAME` for these names."""
    ends = tuple(f"{before}${name}" for name in names for before in ("= ", "= critical,"))
    return "".join(line for line in text.splitlines(keepends=True) if not line.strip().endswith(ends))


def fill(text: str, values: Mapping[str, str]) -> str:
    """Return the template with `$NAME` replaced by its value (`$$` is a dollar sign) and a newline at its end.

    A line `key = $NAME` or `key = critical,$NAME` with an empty value is left out, because openssl would reject it.
    Values were validated before. Raises UsageError for a name that is not in `values`.
    """
    try:
        filled = string.Template(without(text, *(name for name, value in values.items() if not value))).substitute(
            values
        )
    except KeyError as error:
        raise UsageError(
            f"the template uses ${error.args[0]}, which is unknown",
            hint=f"it can use {', '.join('$' + name for name in sorted(values))}; a dollar sign itself is $$",
        ) from error
    except ValueError as error:
        raise UsageError(
            f"the template has a $ that names nothing ({error})", hint="a dollar sign itself is $$"
        ) from error
    return filled if filled.endswith("\n") else filled + "\n"
