"""The command that takes over an authority that exists."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import click

from .options import ALLOW, P12_PASSWORD_FILE, PASSPHRASE_FILE, RUNNING, is_printed, together
from .run_job import do, has_passphrase, secret_of


@click.command()
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
@together(
    click.option("--key", type=click.Path(path_type=Path), metavar="FILE", help="Its key, if that is not in FILE."),
    click.option(
        "--chain", type=click.Path(path_type=Path), metavar="FILE",
        help="What stands above an intermediate, up to the root, if that is not in FILE.",
    ),
    click.option("--passphrase", is_flag=True, help="Ask for a passphrase for its key, if it has none."),
    PASSPHRASE_FILE,
    P12_PASSWORD_FILE,
    ALLOW,
    RUNNING,
)  # fmt: skip
def adopt(file: Path, key: Path | None, chain: Path | None, **options: Any) -> None:
    """Take over a root or an intermediate that exists: from a file, an appliance, another tool.

    \b
    opensslgen adopt root.pem --key root.key
    opensslgen adopt root.p12
    opensslgen adopt site-berlin-chain.pem --key site-berlin.key --pki pki-berlin
    opensslgen adopt intermediate.der --key intermediate.der.key --chain root.pem

    FILE is PEM, DER or PKCS#12. Key and certificate must belong together, and phones must be able to trust the root. A
    key's passphrase opens it and stays its passphrase. A folder of easy-rsa or `openssl ca` need not be adopted: name
    it with --pki.
    """
    from opensslgen.bundles import authority
    from opensslgen.jobs.adopt import adopt_job
    from opensslgen.openssl import command
    from opensslgen.pki.store import Store
    from opensslgen.plan.secrets import CA_PASSPHRASE, P12_PASSWORD

    opens = {P12_PASSWORD}
    # Asked for once: a PKCS#12 file is opened here, and again by the plan.
    secret = functools.cache(functools.partial(secret_of, options, opens=opens))
    reader = authority.Reader(openssl=command.find(options["openssl"]), secret=secret)
    encrypt = options["passphrase"] or has_passphrase(options)
    adoption = authority.adoption(file, key=key, chain=chain, encrypt=encrypt, reader=reader)
    if adoption.key.encrypted:
        opens.add(CA_PASSPHRASE)
    store = Store(options["pki"])
    do(
        lambda: adopt_job(adoption, store=store, allow=options["allow"], tell=is_printed(options)),
        options,
        reader.openssl,
        secret=secret,
    )
