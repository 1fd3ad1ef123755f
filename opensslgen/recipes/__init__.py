"""Recipes: one pure function for each thing that can be done, from an order and facts of the store to a plan."""

from __future__ import annotations

from .adopt import Adoption, KeyFile, adopt
from .batch import in_batch, signed_in_batch, without_checks
from .export import FORMATS, RECEIVERS, Export, Form, Piece, export
from .issue import (
    P12_ENCRYPTIONS,
    Issuer,
    demands,
    extensions,
    intermediate,
    leaf,
    new_root,
    request_only,
    root,
    self_signed,
)
from .passphrase import passphrase
from .renew import renewed_intermediate, renewed_leaf, renewed_root
from .revoke import LIST_DAYS, ListOrder, RevocationOrder, revocation, revocation_list
from .secrets import CA_PASSPHRASE, NEW_PASSPHRASE, P12_PASSWORD, SECRETS, fit_secret
from .sign import signed_intermediate, signed_leaf

__all__ = [
    "CA_PASSPHRASE",
    "FORMATS",
    "LIST_DAYS",
    "NEW_PASSPHRASE",
    "P12_ENCRYPTIONS",
    "P12_PASSWORD",
    "RECEIVERS",
    "SECRETS",
    "Adoption",
    "Export",
    "Form",
    "Issuer",
    "KeyFile",
    "ListOrder",
    "Piece",
    "RevocationOrder",
    "adopt",
    "demands",
    "export",
    "extensions",
    "fit_secret",
    "in_batch",
    "intermediate",
    "leaf",
    "new_root",
    "passphrase",
    "renewed_intermediate",
    "renewed_leaf",
    "renewed_root",
    "request_only",
    "revocation",
    "revocation_list",
    "root",
    "self_signed",
    "signed_in_batch",
    "signed_intermediate",
    "signed_leaf",
    "without_checks",
]
