"""Recipes: one pure function for each thing that can be done, from an order and facts of the store to a plan."""

from __future__ import annotations

from .issue import P12_ENCRYPTIONS, Issuer, intermediate, leaf, new_root, request_only, root, self_signed
from .passphrase import passphrase
from .revoke import LIST_DAYS, ListOrder, RevocationOrder, revocation, revocation_list
from .secrets import CA_PASSPHRASE, NEW_PASSPHRASE, P12_PASSWORD, SECRETS, fit_secret

__all__ = [
    "CA_PASSPHRASE",
    "LIST_DAYS",
    "NEW_PASSPHRASE",
    "P12_ENCRYPTIONS",
    "P12_PASSWORD",
    "SECRETS",
    "Issuer",
    "ListOrder",
    "RevocationOrder",
    "fit_secret",
    "intermediate",
    "leaf",
    "new_root",
    "passphrase",
    "request_only",
    "revocation",
    "revocation_list",
    "root",
    "self_signed",
]
