"""Issues TLS certificates that iPhones and other strict clients accept, for appliances whose built-in ones they reject.

import opensslgen

made = opensslgen.server("pbx.example.com", san=["IP:10.0.0.5"], pki="pki", ca_name="Acme CA")
certificate = opensslgen.load(made.files["certificate"])
assert not opensslgen.check(certificate)
"""

from __future__ import annotations

TYPE_CHECKING = False
"""As in typing, whose import takes longer than the rest of this file: Ctrl-C could come meanwhile."""

if TYPE_CHECKING:
    from opensslgen.api import root as root
    from opensslgen.api import server as server
    from opensslgen.api import sign as sign
    from opensslgen.errors import Error as Error
    from opensslgen.jobs.job import Violation as Violation
    from opensslgen.jobs.perform import JobResult as JobResult
    from opensslgen.jobs.perform import check as check
    from opensslgen.x509.certificate import Certificate as Certificate
    from opensslgen.x509.certificate import load as load

__version__ = "0.2.0"

_HOMES = {
    "Certificate": "x509.certificate",
    "Error": "errors",
    "JobResult": "jobs.perform",
    "Violation": "jobs.job",
    "check": "jobs.perform",
    "load": "x509.certificate",
    "root": "api",
    "server": "api",
    "sign": "api",
}
__all__ = ["Certificate", "Error", "JobResult", "Violation", "check", "load", "root", "server", "sign"]


def __getattr__(name: str) -> object:
    """Import a name when it is used: `opensslgen --help` needs none of them."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
