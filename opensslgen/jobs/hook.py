"""The user's command after a renewal, such as a reload or an upload."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from opensslgen.errors import Error
from opensslgen.plan import layout
from opensslgen.plan.secrets import SECRETS
from opensslgen.text import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from opensslgen.openssl.command import OpenSSL
    from opensslgen.pki.store import Store

    from .perform import JobResult

TIMEOUT = 600.0
"""Seconds that a hook may take."""


def run_deploy_hook(
    command: str | None, made: JobResult, *, store: Store, openssl: OpenSSL, on_output: Callable[[bytes], None]
) -> None:
    """Run a command in /bin/sh with the new files, but no secret, in its environment, if there is one; raises Error."""
    if not command:
        return
    after = f"the certificate of {visible(made.job.name)} is in place"
    _run(command, "the hook", hook_environment(made, store), after, openssl=openssl, on_output=on_output)


def run_post_hook(
    command: str, made: Sequence[JobResult], *, store: Store, openssl: OpenSSL, on_output: Callable[[bytes], None]
) -> None:
    """Run a command in /bin/sh after all renewals, with the names in its environment; raises Error if it fails."""
    variables = {
        "OPENSSLGEN_NAMES": " ".join(each.job.name.replace(" ", "_") for each in made),
        "OPENSSLGEN_ROOT": _absolute(store.path / store.ca_certificate),
        "OPENSSLGEN_PKI": _absolute(store.path),
    }
    after = "the certificates are in place"
    _run(command, "the post-hook", variables, after, openssl=openssl, on_output=on_output)


def _run(
    command: str,
    what: str,
    variables: Mapping[str, str],
    after: str,
    *,
    openssl: OpenSSL,
    on_output: Callable[[bytes], None],
) -> None:
    env = {name: value for name, value in os.environ.items() if name not in SECRETS} | {**variables}
    try:
        process = openssl.start(
            ["/bin/sh", "-c", command],
            env=env,
            cwd=str(Path.cwd()),
            stdin=b"",
            timeout=TIMEOUT,
        )
    except TimeoutError as error:
        raise Error(f"{what} did not end within {TIMEOUT:g} seconds; {after}") from error
    except OSError as error:
        raise Error(f"cannot run {what}: {error.strerror or error}; {after}") from error
    on_output(process.stdout + process.stderr)
    if process.exit_code != 0:
        raise Error(f"{what} failed with exit code {process.exit_code}; {after}")


def hook_environment(made: JobResult, store: Store) -> dict[str, str]:
    """Return the variables for a hook, with absolute paths; empty for a missing file."""
    certificate = made.files.get("certificate")
    is_root = certificate == store.path / store.ca_certificate
    kept = store.path / (store.ca_key if is_root else layout.key(certificate.stem)) if certificate else None
    key = made.files.get("key") or (kept if kept and kept.exists() else None)
    return {
        "OPENSSLGEN_NAME": made.job.name,
        "OPENSSLGEN_CERTIFICATE": _absolute(certificate),
        "OPENSSLGEN_CHAIN": _absolute(made.files.get("chain")),
        "OPENSSLGEN_KEY": _absolute(key),
        "OPENSSLGEN_P12": _absolute(made.files.get("p12")),
        "OPENSSLGEN_ROOT": _absolute(store.path / store.ca_certificate),
        "OPENSSLGEN_PKI": _absolute(store.path),
    }


def _absolute(path: Path | None) -> str:
    return str(path.absolute()) if path else ""
