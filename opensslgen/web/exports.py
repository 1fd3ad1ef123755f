"""Downloads of a certificate, in each format and for each product; what contains its key only by a form."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING

from flask import Blueprint, abort, request

from opensslgen.errors import Error
from opensslgen.jobs.destination import Destination
from opensslgen.jobs.export import export_contents, export_order, export_text, offers
from opensslgen.plan.export import FORMATS
from opensslgen.plan.secrets import P12_PASSWORD, fit_secret

from . import fields
from .browsing import find_certificate, page
from .config import this_config
from .fields import Problem
from .pages import attachment, safe_name

if TYPE_CHECKING:
    from flask import Response

blueprint = Blueprint("exports", __name__)

_PUBLIC = {"certificate": "pem", "chain": "chain", "der": "der"}
"""What a link may lead to, and the format of the export that it is."""
_MEDIA = {
    ".pem": "application/x-pem-file",
    ".crt": "application/x-pem-file",
    ".der": "application/pkix-cert",
    ".p12": "application/x-pkcs12",
    ".key": "application/x-pem-file",
}


@blueprint.get("/certificates/<serial>/<what>")
def download(serial: str, what: str) -> Response:
    """Return a certificate or its chain."""
    if what not in _PUBLIC:
        abort(404)
    found, store = find_certificate(serial), this_config().store
    order = export_order(found, store=store, form=FORMATS[_PUBLIC[what]])
    (piece,) = order.pieces
    # DER needs no openssl.
    data = found.certificate.der if what == "der" else export_text(order, into=Destination(store.path)).encode()
    return _file(order.target(piece), data)


@blueprint.post("/certificates/<serial>/export")
def export(serial: str) -> Response | tuple[str, int]:
    """Return the files of an export, in an archive if there are several; none of them stays on the disk."""
    config = this_config()
    found, wanted = find_certificate(serial), request.form.get("form", "")
    offer = next((offer for offer in offers(found, store=config.store) if offer.name == wanted), None)
    if offer is None:
        abort(404)
    secrets = {P12_PASSWORD: fields.read_secrets(request.form).get(P12_PASSWORD, "")} if offer.needs_password else {}
    try:
        for name, value in secrets.items():
            fit_secret(name, value)
        files = export_contents(
            offer.order,
            store=config.store,
            openssl=config.openssl(),
            secrets=secrets,
            on_command=config.on_command,
        )
    except Error as error:
        return page(serial, problems={f"export-{offer.name}": Problem(error.message)}), 422
    if len(files) == 1:
        ((name, data),) = files.items()
        return _file(name, data)
    return attachment(_archive(files), name=f"{offer.order.stem}-{offer.name}.zip", kind="application/zip")


def _file(name: str, data: bytes) -> Response:
    kind = _MEDIA.get(name[name.rfind(".") :], "application/octet-stream")
    return attachment(data, name=name, kind=kind)


def _archive(files: dict[str, bytes]) -> bytes:
    """Return a zip archive whose files only their owner can read once they are unpacked."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            info = zipfile.ZipInfo(safe_name(name))
            info.external_attr = 0o600 << 16
            archive.writestr(info, data)
    return out.getvalue()
