"""The pki folder's layout, which is easy-rsa's: the names of its files and folders, relative to it."""

from __future__ import annotations

FOLDERS = ("private", "issued", "reqs", "certs_by_serial")
CA_CHAIN = "ca-chain.pem"
"""What stands above an intermediate, up to the root."""
