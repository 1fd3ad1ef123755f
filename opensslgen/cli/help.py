"""The command that shows the help of a command, or a page of the manual."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from opensslgen import __version__
from opensslgen.errors import UsageError
from opensslgen.text import meant

from . import complete
from .command import Command
from .options import PathParameter


@click.command("help", cls=Command)
@click.argument("topic", required=False, shell_complete=complete.topic)
@click.option("--man", type=PathParameter(file_okay=False), help="Write man pages into this directory.")
def help_(topic: str | None, man: Path | None) -> None:
    """Show a page of the manual, or the help of a command.

    \b
    opensslgen help
    opensslgen help phones
    opensslgen help server

    Without TOPIC, list the pages.
    """
    from .pages import as_terminal_text, page, topics

    root = click.get_current_context().find_root()
    if man:
        _write_man_pages(man, root)
        return
    if topic is None:
        click.echo("Pages of the manual (opensslgen help TOPIC):\n")
        for name, title in topics().items():
            click.echo(f"  {name:14}{title}")
        click.echo("\nCommands: opensslgen --help")
        return
    markdown = page(topic)
    group = root.command
    assert isinstance(group, click.Group)
    command = group.get_command(root, topic)
    if markdown is not None:
        text = as_terminal_text(markdown, width=min(shutil.get_terminal_size().columns, 100))
        click.echo_via_pager(text + (f"\nAll options: opensslgen {topic} --help\n" if command else ""))
    elif command is not None:
        with click.Context(command, info_name=topic, parent=root) as context:
            click.echo(command.get_help(context))
    else:
        close = meant(topic, [*topics(), *group.list_commands(root)])
        raise UsageError(
            f"there is no page and no command named '{topic}'",
            hint=f"opensslgen help {close}" if close else "opensslgen help lists the pages",
        )


def _write_man_pages(folder: Path, root: click.Context) -> None:
    """Write opensslgen.1, one page for each command, and opensslgen-TOPIC.7 for each page of the manual."""
    from opensslgen.files.write import explain_errors

    from .pages import as_man_page, page, topics

    group = root.command
    assert isinstance(group, click.Group)
    commands = {"opensslgen": group} | {
        f"opensslgen {name}": command
        for name in group.list_commands(root)
        if (command := group.get_command(root, name)) is not None
    }
    pages = {}
    for called, command in commands.items():
        with click.Context(command, info_name=called, max_content_width=80) as context:
            summary = command.get_short_help_str(limit=200).rstrip(".")
            text = f"# {summary}\n\n## Synopsis and options\n\n```\n{command.get_help(context)}\n```\n"
        name = called.replace(" ", "-")
        pages[f"{name}.1"] = as_man_page(text, name=name, section=1, version=__version__)
    for topic in topics():
        name = f"opensslgen-{topic}"
        pages[f"{name}.7"] = as_man_page(page(topic) or "", name=name, section=7, version=__version__)
    with explain_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in pages.items():
            (folder / name).write_text(text, "utf-8")
    click.echo(f"Wrote {len(commands)} man pages of commands and {len(topics())} of topics to {folder}")
