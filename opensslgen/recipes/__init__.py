"""Recipes: one pure function for each thing that can be done, from an order and facts of the store to a plan."""

from __future__ import annotations

from .issue import P12_ENCRYPTIONS, Issuer, intermediate, leaf, new_root, request_only, root, self_signed
from .secrets import CA_PASSPHRASE, NEW_PASSPHRASE, P12_PASSWORD, SECRETS, fit_secret

__all__ = [
    "CA_PASSPHRASE",
    "NEW_PASSPHRASE",
    "P12_ENCRYPTIONS",
    "P12_PASSWORD",
    "SECRETS",
    "Issuer",
    "fit_secret",
    "intermediate",
    "leaf",
    "new_root",
    "request_only",
    "root",
    "self_signed",
]
