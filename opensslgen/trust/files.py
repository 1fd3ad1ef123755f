"""The root as files for devices, each with its name, its media type and its bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from opensslgen.x509.pem import CERTIFICATE, pem

from .desk_phones import settings_lines
from .devices import DEVICES
from .mobileconfig import mobileconfig, title
from .pages import download_action, guide_page, index_page, server_page, style

if TYPE_CHECKING:
    from opensslgen.x509.certificate import Certificate

DER = "application/x-x509-ca-cert"
PEM = "application/x-pem-file"
PROFILE = "application/x-apple-aspen-config"
TEXT = "text/plain; charset=utf-8"
HTML = "text/html; charset=utf-8"
CSS = "text/css; charset=utf-8"


@dataclass(frozen=True, slots=True)
class TrustFile:
    """One file."""

    name: str
    media_type: str
    data: bytes

    @property
    def devices(self) -> tuple[str, ...]:
        """The ids of the devices that use it; none for the pages."""
        return tuple(device.id for device in DEVICES if self.name in device.files)

    @property
    def action(self) -> str:
        """What a link to it does, in words; for the files of the root."""
        return download_action(self.name)


def root_files(root: Certificate, *, profile: bytes | None = None) -> tuple[TrustFile, ...]:
    """Return the root in every format that a device uses; `profile` is the configuration profile, if it is signed."""
    text = pem(CERTIFICATE, root.der).encode("ascii")
    return (
        TrustFile("root.mobileconfig", PROFILE, mobileconfig(root) if profile is None else profile),
        TrustFile("root.crt", DER, root.der),
        TrustFile("root.pem", PEM, text),
        # Android and update-ca-certificates only look at the extension.
        TrustFile("root-pem.crt", DER, text),
        # Avaya desk phones ask for this name.
        TrustFile("WebRootCA.pem", PEM, text),
        TrustFile("46xxsettings-lines.txt", TEXT, settings_lines(title(root)).encode()),
    )


def pages(
    root: Certificate, *, address: str | None = None, check: str | None = None, language: str = "en"
) -> tuple[TrustFile, ...]:
    """Return the guides, one short page for each kind of device, and what they share.

    `address` is the URL of the site that offers them, if there is one; it has its QR code at `qr.svg`. `check` is the
    URL of the page that shows whether a phone trusts the root.
    """
    named = {
        "index.html": index_page(root, address=address, language=language),
        **{
            f"{device.id}.html": guide_page(device, root, address=address, check=check, language=language)
            for device in DEVICES
        },
        "servers.html": server_page(root, address=address, language=language),
    }
    return (
        *(TrustFile(name, HTML, text.encode()) for name, text in named.items()),
        TrustFile("style.css", CSS, style().encode()),
    )


def files(root: Certificate) -> tuple[TrustFile, ...]:
    """Return all that `opensslgen trust` writes: the root in every form, and the guides."""
    return (*root_files(root), *pages(root))
