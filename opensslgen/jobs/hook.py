"""The user's own command after a renewal: a reload, an upload."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from opensslgen.errors import Error
from opensslgen.plan import layout
from opensslgen.plan.secrets import SECRETS
from opensslgen.text import visible

if TYPE_CHECKING:
    from collections.abc import Callable

    from opensslgen.openssl.command import OpenSSL
    from opensslgen.pki.store import Store

    from .perform import Made

TIMEOUT = 600.0
"""Seconds that a hook may take."""


def run_hook(command: str, made: Made, *, store: Store, openssl: OpenSSL, on_output: Callable[[bytes], None]) -> None:
    """Run a command by /bin/sh with what was made in its environment, but no secret; raises Error if it fails."""
    env = {name: value for name, value in os.environ.items() if name not in SECRETS} | surroundings(made, store)
    try:
        process = openssl.start(
            ["/bin/sh", "-c", command],
            env=env,
            cwd=str(Path.cwd()),
            stdin=b"",
            timeout=TIMEOUT,
        )
    except TimeoutError as error:
        raise Error(f"the hook did not end within {TIMEOUT:g} seconds; the certificate is there") from error
    except OSError as error:
        raise Error(f"cannot run the hook: {error.strerror or error}; the certificate is there") from error
    on_output(process.stdout + process.stderr)
    if process.exit_code != 0:
        raise Error(
            f"the hook failed with exit code {process.exit_code}; the certificate of {visible(made.job.name)} is there"
        )


def surroundings(made: Made, store: Store) -> dict[str, str]:
    """Return the variables that a hook finds, with absolute paths; empty where there is no such file."""
    certificate = made.files.get("certificate")
    kept = store.path / layout.key(certificate.stem) if certificate else None
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
