"""The guides: a short page with the steps for each kind of device.

The same page works in a directory and on a site: its links are relative, it needs no script, and its style is in
`style.css` next to it. Text from the certificate is untrusted and escaped.
"""

from __future__ import annotations

import re
from functools import cache
from html import escape, unescape
from typing import TYPE_CHECKING

from opensslgen.plan import template

from .devices import DEVICES
from .mobileconfig import title

if TYPE_CHECKING:
    from opensslgen.x509.certificate import Certificate

    from .devices import Device


def guide_page(device: Device, root: Certificate, *, address: str | None = None) -> str:
    """Return the page of one kind of device, with its files and steps."""
    links = "\n".join(
        f'<p><a class="{"other" if number else "first"}" href="{name}">{download_action(name)}</a></p>'
        for number, name in enumerate(device.files)
    )
    return _page(device.title, _fill(f"{device.id}.html", root, FILES=links), root, address=address, here=device.id)


def steps(device: Device, root: Certificate) -> tuple[str, ...]:
    """Return the steps of one kind of device as plain text."""
    items = re.findall(r"<li>(.*?)</li>", _read_template(f"{device.id}.html"), re.DOTALL)
    name = title(root)
    return tuple(unescape(re.sub(r"<[^>]+>|\s*\n", _space, item)).replace("$NAME", name) for item in items)


def _space(match: re.Match[str]) -> str:
    return " " if match[0].isspace() else ""


def download_action(name: str) -> str:
    """Return what a link to a file of the root does, in words."""
    return _ACTIONS[name]


_ACTIONS = {
    "root.mobileconfig": "Download the profile",
    "root.crt": "Download the certificate (DER)",
    "root.pem": "Download the certificate (PEM)",
    "root-pem.crt": "Download the certificate (PEM, named .crt)",
    "WebRootCA.pem": "Download WebRootCA.pem",
}


def server_page(root: Certificate, *, address: str | None = None) -> str:
    """Return the page for administrators of the server: which certificate to replace, and how."""
    return _page("On the server", _fill("servers.html", root), root, address=address, here="servers")


def index_page(root: Certificate, *, address: str | None = None) -> str:
    """Return the page with links to all the others."""
    names = dict.fromkeys(name for device in DEVICES for name in (*device.files, "root.pem"))
    links = "\n".join(f'<li><a href="{name}">{download_action(name)}</a> ({name})</li>' for name in names)
    body = f"<p>Choose your device in the list below. The root in all formats:</p>\n<ul>\n{links}\n</ul>"
    return _page("Which device is it?", body, root, address=address, here="index")


def _page(heading: str, body: str, root: Certificate, *, address: str | None, here: str) -> str:
    links = [(device.id, device.title) for device in DEVICES] + [("servers", "On the server")]
    items = "\n".join(
        f'<li><a href="{name}.html"{" aria-current=page" if name == here else ""}>{escape(text)}</a></li>'
        for name, text in links
    )
    return _fill(
        "page.html",
        root,
        HEADING=escape(heading),
        BODY=body,
        DEVICES=items,
        SITE="" if address is None else _fill("site.html", root, ADDRESS=escape(address)),
    )


def _fill(name: str, root: Certificate, **values: str) -> str:
    """Return a template with its values; `values` are HTML already."""
    return template.fill(
        _read_template(name),
        {
            "NAME": escape(title(root)),
            "SUBJECT": escape(str(root.subject)),
            "FINGERPRINT": "\n".join(f"<span>{group}</span>" for group in fingerprint_groups(root)),
            "FROM": f"{root.not_before.date()}",
            "UNTIL": f"{root.not_after.date()}",
            "STEM": f"root-{root.fingerprint.replace(':', '').lower()[:8]}",
            **values,
        },
    )


def fingerprint_groups(root: Certificate) -> tuple[str, ...]:
    """Return the SHA-256 fingerprint of a root in four groups, which are easier to compare."""
    return tuple(root.fingerprint[start : start + 23] for start in range(0, 95, 24))


@cache
def _read_template(name: str) -> str:
    return template.shipped(f"trust/{name}")


def style() -> str:
    """Return the style sheet of the pages."""
    return _read_template("style.css")
