"""The kinds of device, the files for each, and how to recognise each by its User-Agent."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Device:
    """A kind of device."""

    id: str
    """Names its page, `templates/trust/ID.html`."""
    title: str
    files: tuple[str, ...]
    """The files that it can install, the best first."""
    user_agent: str | None
    """What its User-Agent contains (a regular expression); None if it has no browser."""


DEVICES = (
    # In this order: the User-Agent of each also contains words of those below.
    Device("iphone", "iPhone and iPad", ("root.mobileconfig", "root.crt"), r"\b(?:iPhone|iPad|iPod)\b"),
    Device("android", "Android", ("root.crt", "root-pem.crt"), r"\bAndroid\b"),
    Device("firefox", "Firefox", ("root.crt",), r"\bFirefox/"),
    Device("windows", "Windows", ("root.crt",), r"\bWindows\b"),
    Device("macos", "Mac", ("root.crt",), r"\bMacintosh\b|\bMac OS X\b"),
    Device("linux", "Linux", ("root-pem.crt",), r"\bLinux\b|\bX11\b"),
    Device("desk-phone", "Desk phones", ("WebRootCA.pem",), None),
)


def device_of(user_agent: str) -> Device | None:
    """Return the kind of device by its User-Agent, or None if it is unknown.

    Safari on an iPad says Macintosh by default: the page for the Mac links to the one for the iPad.
    """
    # No browser sends a longer one.
    text = user_agent[:1000]
    return next((device for device in DEVICES if device.user_agent and re.search(device.user_agent, text)), None)
