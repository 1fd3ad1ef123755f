"""The web interface as a WSGI application."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Flask

from . import auditing, authority, browsing, changing, exports, gate, live, making, pages, renewing, roots
from .config import UPLOAD_LIMIT
from .share_in_form import Sharing
from .work import Workers

if TYPE_CHECKING:
    from .config import Config


def create_app(config: Config) -> Flask:
    """Return the WSGI application."""
    app = Flask("opensslgen.web", static_folder=None, template_folder=None)
    app.request_class = pages.Request
    app.config["MAX_CONTENT_LENGTH"] = app.config["MAX_FORM_MEMORY_SIZE"] = UPLOAD_LIMIT
    app.config["MAX_FORM_PARTS"] = 100
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    app.extensions["opensslgen"] = config
    app.extensions["opensslgen.workers"] = Workers()
    app.extensions["opensslgen.sharing"] = Sharing()
    pages.furnish(app)
    gate.guard(app, config)
    for part in (making, browsing, exports, changing, renewing, live, authority, roots, auditing):
        app.register_blueprint(part.blueprint)
    return app
