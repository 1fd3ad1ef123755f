"""The settings of desk phones, as far as Avaya's documents show it; none of it was tried on a phone."""

from __future__ import annotations

DESK_LINE = "SET TRUSTCERTS WebRootCA.pem"
"""The setting that names the roots: files in PEM, with commas and no spaces between them, at most 255 characters.

(Installing and Administering Avaya J100 Series IP Phones, July 2019, page 69.)
"""
DESK_SOURCES = (
    "https://documentation.avaya.com/en-us/home/bundle/ip-office/IPOfficeSIPPhoneInstall_12_3/generic-sip-phoneinstallationprocess/Security_Certificates.html",
    "https://documentation.avaya.com/en-us/home/bundle/ip-office/IPOfficeSIPPhoneInstall_12_3/miscellaneous/Sample_Files.html",
    "https://www.easymanua.ls/avaya/j129/manual/41814?p=69",
)
"""Where that is written: how phones fetch the roots, what IP Office writes by itself, and the form of the setting."""
SETTINGS_FILE = "46xxsettings.txt"
"""What phones ask a file server for, after their upgrade file."""


def settings_lines(name: str) -> str:
    """Return the lines for `46xxsettings.txt`; `name` is the root's, on one line."""
    return (
        f"## The root certificate {name}, for Avaya desk phones.\n"
        "## Add this line to the 46xxsettings.txt of your file server. If it has such a line, add WebRootCA.pem to\n"
        "## it, after a comma and without a space. Put no 46xxsettings.txt on an IP Office: it writes its own, and\n"
        "## your lines go into 46xxspecials.txt. From Avaya's documents; not tried on a phone.\n"
        f"{DESK_LINE}\n"
    )
