"""The root for phones and computers: every form that they take, a guide for each, and where to find the root."""

from __future__ import annotations

from .anchor import anchor, judged, root_in
from .devices import DEVICES, Device, device_of
from .files import TrustFile, files, pages, root_files
from .job import trust_job
from .mobileconfig import title
from .pages import fingerprint_groups
from .signing import Signer, signed, signer

__all__ = [
    "DEVICES",
    "Device",
    "Signer",
    "TrustFile",
    "anchor",
    "device_of",
    "files",
    "fingerprint_groups",
    "judged",
    "pages",
    "root_files",
    "root_in",
    "signed",
    "signer",
    "title",
    "trust_job",
]
