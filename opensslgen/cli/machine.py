"""The commands about this machine: is it fit, and how does its shell complete ours."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from .options import FOLDER, FORMAT, OPENSSL, together


@click.command()
@together(FOLDER, OPENSSL, FORMAT)
def doctor(pki: Path, openssl: str | None, output: str) -> None:
    """Tell which openssl was found and what it can do, and whether folder and clock are fit for work.

    \b
    opensslgen doctor --openssl /usr/local/bin/openssl
    """
    from .examination import examine

    answers = examine(pki, openssl)
    if output == "json":
        click.echo(json.dumps([answer._asdict() for answer in answers], indent=2))
    else:
        for answer in answers:
            mark = {True: "✓", False: "✗", None: "-"}[answer.good]
            click.echo(f"{mark} {answer.question:<22} {answer.answer}")
    sys.exit(0 if all(answer.good is not False for answer in answers) else 1)


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script for a shell.

    \b
    opensslgen completion bash > ~/.local/share/bash-completion/completions/opensslgen
    opensslgen completion zsh  > "${fpath[1]}/_opensslgen"
    opensslgen completion fish > ~/.config/fish/completions/opensslgen.fish
    """
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    assert found is not None
    # click's own source() starts bash to ask for its version; the text alone is what is wanted here.
    complete = found(click.get_current_context().find_root().command, {}, "opensslgen", "_OPENSSLGEN_COMPLETE")
    click.echo(complete.source_template % complete.source_vars())
