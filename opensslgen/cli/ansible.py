"""The command that writes the Ansible collection."""

from __future__ import annotations

from pathlib import Path

import click

from .command import Command
from .options import FORCE, FORMAT, QUIET, Output, PathParameter, together
from .say import print_json


@click.command(cls=Command)
@click.argument("path", type=PathParameter(), metavar="PATH")
@together(FORCE, QUIET, FORMAT)
def ansible(path: Path, *, force: bool, quiet: bool, output: Output) -> None:
    """Write the Ansible collection for many appliances.

    \b
    opensslgen ansible fleet
    ansible-galaxy collection install ./fleet
    ansible-doc opensslgen.fleet.install

    The collection is opensslgen.fleet. Each appliance generates its own key, which never leaves it. The appliance needs
    a shell and openssl, but no Python. The Python that runs Ansible needs opensslgen: pip install '.[ansible]', from a
    checkout.
    """
    from opensslgen.fleet.collection import write_collection
    from opensslgen.report.collection import collection_json, collection_text

    files, kept = write_collection(path, force=force)
    if output == "json":
        print_json(collection_json(path, files, kept))
    elif not quiet:
        click.echo(collection_text(path, files, kept), nl=False)
