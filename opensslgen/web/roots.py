"""The pages from which the root can be downloaded, in each format that a device takes, with a guide for each."""

from __future__ import annotations

from flask import Blueprint, Response, abort, render_template

from opensslgen.errors import Error
from opensslgen.jobs.trust import judge_root
from opensslgen.trust.anchor import anchor
from opensslgen.trust.files import files, root_files
from opensslgen.trust.pages import fingerprint_groups

from .config import this_config
from .pages import attachment

blueprint = Blueprint("roots", __name__)


@blueprint.get("/root")
def page() -> str:
    """Show the root, its formats, and why a phone would not accept it."""
    config = this_config()
    if config.store.issuer() is None:
        return render_template("root.html", root=None)
    root = anchor(config.pki)
    fault, found = None, []
    try:
        found = judge_root(root)
    except Error as error:
        fault, found = error.message, list(getattr(error, "findings", ()))
    return render_template(
        "root.html",
        root=root,
        files=root_files(root),
        fingerprint=fingerprint_groups(root),
        fault=fault,
        findings=found,
    )


@blueprint.get("/root/<name>")
def file(name: str) -> Response:
    """Return the root in one of its formats, or one of the guides."""
    if this_config().store.issuer() is None:
        abort(404)
    found = next((file for file in files(anchor(this_config().pki)) if file.name == name), None)
    if found is None:
        abort(404)
    if found.media_type.startswith("text/"):
        return Response(found.data, content_type=found.media_type)
    return attachment(found.data, name=found.name, kind=found.media_type)
