"""The command that hands out the Ansible collection."""

from __future__ import annotations

import json
from pathlib import Path

import click

from .options import FORMAT, together


@click.command()
@click.argument("path", type=click.Path(path_type=Path), metavar="PATH")
@together(
    click.option("--force", is_flag=True, help="Replace what exists; it is kept beside the new one."),
    click.option("-q", "--quiet", is_flag=True, help="Print errors only."),
    FORMAT,
)
def ansible(path: Path, *, force: bool, quiet: bool, output: str) -> None:
    """Write out the Ansible collection opensslgen.fleet, for many appliances at once.

    \b
    opensslgen ansible fleet
    ansible-galaxy collection install ./fleet
    ansible-doc opensslgen.fleet.install

    Each appliance makes its own key, which never leaves it, and needs a shell and openssl, but no Python. Ansible's own
    Python has to have opensslgen: pip install '.[ansible]', from a checkout.
    """
    from opensslgen.fleet.collection import write_collection

    files, kept = write_collection(path, force=force)
    if output == "json":
        click.echo(json.dumps({"folder": str(path), "files": files, "kept": kept and str(kept)}, indent=2))
    elif not quiet:
        click.echo(f"Wrote the collection opensslgen.fleet, {len(files)} files, to {path}")
        if kept:
            click.echo(f"Kept the old folder as {kept}")
        where = path if path.is_absolute() else f"./{path}"
        click.echo(f"Next: ansible-galaxy collection install {where}")
