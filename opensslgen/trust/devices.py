"""The kinds of device, the files for each, and how to recognise each by its User-Agent."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .words import word


@dataclass(frozen=True, slots=True)
class Device:
    """A kind of device."""

    id: str
    """Names its page, `templates/trust/ID.html`."""
    files: tuple[str, ...]
    """The files that it can install, the best first."""
    user_agent: str | None
    """What its User-Agent contains (a regular expression); None if it has no browser."""
    is_phone: bool = False
    """Whether it has scanned the code that leads here, and needs no other."""

    @property
    def heading(self) -> str:
        """The key of its title in the table of words."""
        return f"title_{self.id.replace('-', '_')}"

    @property
    def title(self) -> str:
        """Its title in English."""
        return word(self.heading)


DEVICES = (
    # In this order: the User-Agent of each also contains words of those below.
    Device("iphone", ("root.mobileconfig", "root.crt"), r"\b(?:iPhone|iPad|iPod)\b", is_phone=True),
    Device("android", ("root.crt", "root-pem.crt"), r"\bAndroid\b", is_phone=True),
    Device("firefox", ("root.crt",), r"\bFirefox/"),
    Device("windows", ("root.crt",), r"\bWindows\b"),
    Device("macos", ("root.crt",), r"\bMacintosh\b|\bMac OS X\b"),
    Device("linux", ("root-pem.crt",), r"\bLinux\b|\bX11\b"),
    Device("desk-phone", ("WebRootCA.pem", "46xxsettings-lines.txt"), None),
)


def device_of(user_agent: str) -> Device | None:
    """Return the kind of device by its User-Agent, or None if it is unknown.

    Safari on an iPad says Macintosh by default: the page for the Mac links to the one for the iPad.
    """
    # No browser sends a longer one.
    text = user_agent[:1000]
    return next((device for device in DEVICES if device.user_agent and re.search(device.user_agent, text)), None)
