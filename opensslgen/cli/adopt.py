"""The command that takes over a CA that exists."""

from __future__ import annotations

import functools
from pathlib import Path

import click

from opensslgen.plan.secrets import CA_PASSPHRASE, P12_PASSWORD

from .command import InGroups
from .options import ALLOW, PASSPHRASE_AND_P12_PASSWORD, RUNNING, PathParameter, Running, file_option, together
from .run_job import do
from .secrets import Secrets, print_error


@click.command(cls=InGroups)
@click.argument("file", type=PathParameter(), metavar="FILE")
@together(
    file_option("--key", help="Private key of the CA, if it is not in FILE."),
    file_option("--chain", help="For an intermediate: the CAs above it up to the root, if they are not in FILE."),
    click.option("--passphrase", is_flag=True, help="Ask for a passphrase, to encrypt a key that has none."),
    PASSPHRASE_AND_P12_PASSWORD,
    ALLOW,
    RUNNING,
)
def adopt(
    *,
    file: Path,
    key: Path | None,
    chain: Path | None,
    passphrase: bool,
    secrets: Secrets,
    allow: tuple[str, ...],
    running: Running,
) -> None:
    """Take over an existing root or intermediate CA.

    \b
    opensslgen adopt root.pem --key root.key
    opensslgen adopt root.p12
    opensslgen adopt site-berlin-chain.pem --key site-berlin.key --pki pki-berlin
    opensslgen adopt intermediate.der --key intermediate.der.key --chain root.pem

    FILE is PEM, DER or PKCS#12. The key must belong to the certificate, and phones must be able to trust the root. The
    passphrase of a key stays the same. You need not adopt a folder of easy-rsa or `openssl ca`: use it with --pki.
    """
    from opensslgen.bundles import authority
    from opensslgen.jobs.adopt import adopt_job
    from opensslgen.jobs.passphrase import opens_file, right_passphrase
    from opensslgen.openssl import provider

    opens = {P12_PASSWORD}
    # Asked for once: a PKCS#12 file is opened here, and again by the plan.
    asked = secrets.asked(lambda name: name not in opens)
    known: dict[str, str] = {}
    secret = functools.cache(lambda name: known[name] if name in known else asked(name))
    reader = authority.Reader(openssl=provider.find(running.openssl), secret=secret)
    encrypt = passphrase or secrets.has_passphrase
    adoption = authority.adoption(file, key=key, chain=chain, encrypt=encrypt, reader=reader)
    if adoption.key.encrypted and not running.is_printed:
        opens.add(CA_PASSPHRASE)
        known[CA_PASSPHRASE] = right_passphrase(
            lambda: asked(CA_PASSPHRASE),
            lambda typed: opens_file(typed, adoption.key, reader.openssl),
            key=adoption.key.path,
            tries=secrets.tries,
            on_wrong=print_error,
        )
    do(
        lambda: adopt_job(adoption, store=running.store, allow=allow, tell=running.is_printed),
        running,
        secret=secret,
        allow=allow,
        openssl=reader.openssl,
    )
