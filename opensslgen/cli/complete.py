"""What a shell offers when the user presses Tab: names of certificates, ids of rules, profiles, sections, files."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    import click
    from click.shell_completion import CompletionItem


def file(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001
    """Offer files."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="file")]


def certificate(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001
    """Offer the names of the certificates in the pki folder, and "ca"."""
    from pathlib import Path

    pki = Path(ctx.params.get("pki") or os.environ.get("OPENSSLGEN_PKI") or "pki")
    stems = sorted(path.stem for path in pki.glob("issued/*.crt"))
    return beginning(["ca", *stems] if (pki / "ca.crt").exists() else stems, incomplete)


def certificate_or_file(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the names of the certificates in the pki folder; files where no name begins like that."""
    return certificate(ctx, param, incomplete) or file(ctx, param, incomplete)


def rule(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001
    """Offer the ids of all rules."""
    from opensslgen.rules.profiles import RULES

    return beginning(RULES, incomplete)


def profile(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001
    """Offer the profiles, also after a comma."""
    from opensslgen.rules.profiles import PROFILES

    before, comma, last = incomplete.rpartition(",")
    return beginning((f"{before}{comma}{name}" for name in PROFILES), f"{before}{comma}{last}")


def section(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001
    """Offer the sections of the configs that are already on the command line."""
    from pathlib import Path

    found: dict[str, None] = {}
    # click does not know the other arguments while the value of an option is missing; the shell does.
    for word in os.environ.get("COMP_WORDS", "").split():
        with suppress(OSError):
            text = Path(word).read_bytes()[: 1 << 20].decode("utf-8", "replace")
            found |= dict.fromkeys(re.findall(r"^[ \t]*\[[ \t]*(\w+)[ \t]*\]", text, re.MULTILINE))
    return beginning(found, incomplete)


def topic(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001
    """Offer the pages of the manual, and the commands."""
    from .main import COMMANDS
    from .pages import topics

    return beginning(dict.fromkeys((*topics(), *COMMANDS)), incomplete)


def beginning(words: Iterable[str], incomplete: str) -> list[CompletionItem]:
    """Return the words that begin like that."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(word) for word in words if word.startswith(incomplete)]


def target(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001
    """Offer the targets of deployments."""
    from opensslgen.plan.targets import NAMES

    return beginning(NAMES, incomplete)
