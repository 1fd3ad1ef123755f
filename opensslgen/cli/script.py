"""The commands that print a script for a machine without Python."""

from __future__ import annotations

import click

from opensslgen import __version__


@click.group()
def script() -> None:
    """Print a shell script that does this tool's work where there is no Python.

    \b
    opensslgen script gen-certs > gen-certs.sh
    """


@script.command("gen-certs")
def gen_certs() -> None:
    """Print a script that takes the place of the vendor's gen_certs.sh.

    \b
    opensslgen script gen-certs > gen-certs.sh
    sh gen-certs.sh server pbx.example.com --san IP:10.0.0.5
    sh gen-certs.sh -h

    It makes a root and server certificates in the same folder and form as `opensslgen server`, and checks what it is
    given as strictly. It needs a shell, openssl from 1.0.1 on, coreutils, grep and sed.
    """
    from opensslgen.gencerts_script import gen_certs_script

    click.echo(gen_certs_script(version=__version__), nl=False)
