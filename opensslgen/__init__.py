"""TLS certificates that iPhones accept, for appliances: openssl commands you can read and run.

import opensslgen

made = opensslgen.server("pbx.example.com", san=["IP:10.0.0.5"], pki="pki")
certificate = opensslgen.load(made.files["certificate"])
assert not opensslgen.check(certificate)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .authority import Made as Made
    from .authority import check as check
    from .certificate import Certificate as Certificate
    from .certificate import load as load
    from .errors import Error as Error
    from .jobs import Violation as Violation
    from .library import root as root
    from .library import server as server
    from .library import sign as sign

__version__ = "0.1.0"

_HOMES = {
    "Certificate": "certificate",
    "Error": "errors",
    "Made": "authority",
    "Violation": "jobs",
    "check": "authority",
    "load": "certificate",
    "root": "library",
    "server": "library",
    "sign": "library",
}
__all__ = ["Certificate", "Error", "Made", "Violation", "check", "load", "root", "server", "sign"]


def __getattr__(name: str) -> object:
    """Import what is asked for when it is asked for: `opensslgen --help` needs none of it."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
