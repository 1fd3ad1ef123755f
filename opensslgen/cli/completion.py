"""The command that prints a completion script for a shell."""

from __future__ import annotations

import click

from .command import Command


@click.command(cls=Command)
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
    # click's own source() starts bash to ask for its version; only the text is needed here.
    complete = found(click.get_current_context().find_root().command, {}, "opensslgen", "_OPENSSLGEN_COMPLETE")
    click.echo(complete.source_template % complete.source_vars())
