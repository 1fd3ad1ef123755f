"""Recipes: one pure function for each thing that can be done, from an order and facts of the store to a plan."""

from __future__ import annotations

from .batch import in_batch, without_checks
from .issue import P12_ENCRYPTIONS, Issuer, demands, intermediate, leaf, new_root, request_only, root, self_signed
from .renew import renewed_intermediate, renewed_leaf, renewed_root
from .secrets import CA_PASSPHRASE, NEW_PASSPHRASE, P12_PASSWORD, SECRETS, fit_secret
from .sign import signed_intermediate, signed_leaf

__all__ = [
    "CA_PASSPHRASE",
    "NEW_PASSPHRASE",
    "P12_ENCRYPTIONS",
    "P12_PASSWORD",
    "SECRETS",
    "Issuer",
    "demands",
    "fit_secret",
    "in_batch",
    "intermediate",
    "leaf",
    "new_root",
    "renewed_intermediate",
    "renewed_leaf",
    "renewed_root",
    "request_only",
    "root",
    "self_signed",
    "signed_intermediate",
    "signed_leaf",
    "without_checks",
]
