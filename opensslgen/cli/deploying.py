"""Deploy a certificate after another command has issued it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from opensslgen.errors import Error

from .failure import Failure

if TYPE_CHECKING:
    from opensslgen.openssl.command import OpenSSL
    from opensslgen.pki.store import Store
    from opensslgen.plan.targets import Where


def deploy_one(
    place: Where, name: str, store: Store, openssl: OpenSSL, *, check: bool = False, is_shown: bool = True
) -> dict[str, object]:
    """Deploy a certificate, print what was done if it `is_shown`, and the error in any case; return the JSON of it."""
    from opensslgen.deploy.run import deploy_to
    from opensslgen.report.deploy import deployed_json, deployed_text

    try:
        outcome = deploy_to(place, name, store=store, openssl=openssl, check=check)
    except Error as error:
        error.message = f"{name} was not deployed to {place.target} on {place.destination}: {error.message}"
        Failure(error).show()
        return {"name": name, "target": place.target, "host": place.destination, "error": error.message}
    if is_shown and outcome.is_changed:
        click.echo(deployed_text(outcome), nl=False)
    return deployed_json(outcome)
