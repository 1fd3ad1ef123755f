"""The kinds of device, the file that each of them wants, and how a browser tells on which one it runs."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Device:
    """A kind of device that is to trust a root."""

    id: str
    """Names its page, `templates/trust/ID.html`."""
    title: str
    files: tuple[str, ...]
    """What it takes, the best first."""
    user_agent: str | None
    """What its User-Agent contains (a regular expression); None if it has no browser to ask with."""


DEVICES = (
    # Each of them is asked before those further down, whose words it has in its User-Agent, too.
    Device("iphone", "iPhone and iPad", ("root.mobileconfig", "root.crt"), r"\b(?:iPhone|iPad|iPod)\b"),
    Device("android", "Android", ("root.crt", "root-pem.crt"), r"\bAndroid\b"),
    Device("firefox", "Firefox", ("root.crt",), r"\bFirefox/"),
    Device("windows", "Windows", ("root.crt",), r"\bWindows\b"),
    Device("macos", "Mac", ("root.crt",), r"\bMacintosh\b|\bMac OS X\b"),
    Device("linux", "Linux", ("root-pem.crt",), r"\bLinux\b|\bX11\b"),
    Device("desk-phone", "Desk phones", ("WebRootCA.pem",), None),
)


def device_of(user_agent: str) -> Device | None:
    """Return the kind of device that a browser says it runs on, or None if that cannot be told.

    An iPad's browser may say Macintosh, as Safari does by default: the page for that one points on.
    """
    # No browser's is longer; what is beyond is not read.
    said = user_agent[:1000]
    return next((device for device in DEVICES if device.user_agent and re.search(device.user_agent, said)), None)
