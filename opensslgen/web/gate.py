"""Who gets in: the Host that was asked for, the session, where a change comes from; and what no browser may do."""

from __future__ import annotations

import hmac
import secrets
from typing import TYPE_CHECKING

from flask import Blueprint, abort, current_app, g, redirect, render_template, request, url_for
from werkzeug.http import parse_cookie

from .app import LOGIN_LIMIT, UPLOAD_LIMIT
from .sessions import Door, Session, Sessions

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask
    from werkzeug.wrappers import Response

    from .app import Config

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self';"
    " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""Of every answer: nothing inline runs, nobody frames it, nothing is kept."""

HEADERS_OF_TLS = {"Strict-Transport-Security": f"max-age={30 * 86400}"}
"""Of every answer by TLS: the browser comes back by TLS only, and lets nobody ignore a wrong certificate."""

_OPEN = {"gate.enter", "gate.login", "gate.try_password", "pages.asset"}
"""What is answered without a session."""

blueprint = Blueprint("gate", __name__)


class _Gate:
    """What the form knows of those who have been let in."""

    def __init__(self, config: Config) -> None:
        # Ports do not part cookies, so that another form on this machine has a cookie of another name.
        port = next(iter(sorted(config.hosts)), "").rpartition(":")[2]
        self.cookie = "__Host-opensslgen" if config.secure else f"opensslgen-{port}"
        self.login_cookie = f"{self.cookie}-login"
        self.sessions = Sessions()
        self.door = Door(config.token, config.password)
        self.login_key = secrets.token_bytes(32)


def guard(app: Flask, config: Config) -> None:
    """Have each request to the app checked, and each answer given its headers."""
    app.extensions["opensslgen.gate"] = _Gate(config)
    app.register_blueprint(blueprint)

    @app.before_request
    def check() -> None:
        g.session = None
        # A name that an attacker has pointed at this machine is none of ours (DNS rebinding).
        if request.environ.get("HTTP_HOST", "").lower() not in config.hosts:
            abort(421, "This is not the address of this form.")
        if request.method not in {"GET", "HEAD", "POST"}:
            abort(405)
        if request.method == "POST":
            _refuse_other_sites(config)
        session = _gate().sessions.find(request.cookies.get(_gate().cookie, ""))
        if session is None:
            request.max_content_length = LOGIN_LIMIT
        if request.endpoint in _OPEN:
            g.session = session
            return
        if session is None:
            abort(403, _how_to_get_in(config))
        g.session = session
        if request.method == "POST" and not hmac.compare_digest(
            request.form.get("csrf", "").encode(), session.csrf.encode()
        ):
            abort(403, "This does not come from a page of this session. Go back, load the page again, and retry.")

    @app.after_request
    def protect(response: Response) -> Response:
        response.headers.update(HEADERS)
        if config.secure:
            response.headers.update(HEADERS_OF_TLS)
        return response


def body_limit(app: Flask) -> Callable[[str], int]:
    """Return a function that returns how many bytes of a body are read for a Cookie header."""
    gate = app.extensions["opensslgen.gate"]

    def limit(cookies: str) -> int:
        is_known = gate.sessions.find(parse_cookie(cookies).get(gate.cookie, "")) is not None
        # Somewhat more than the app takes, so that a page answers what is a little too large.
        return UPLOAD_LIMIT + (64 << 10) if is_known else LOGIN_LIMIT

    return limit


def this_session() -> Session:
    """Return the session of the request, which has one wherever it is not open to all."""
    session = g.session
    assert isinstance(session, Session)
    return session


def _gate() -> _Gate:
    gate = current_app.extensions["opensslgen.gate"]
    assert isinstance(gate, _Gate)
    return gate


def _refuse_other_sites(config: Config) -> None:
    """Refuse what a browser says comes from another site; the form's own token is asked for all the same."""
    # An Origin of "null" is what a browser sends under the Referrer-Policy that we set.
    origin = request.headers.get("Origin", "null")
    ours = {f"{'https' if config.secure else 'http'}://{host}" for host in config.hosts}
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    if (origin != "null" and origin.lower() not in ours) or site not in {"same-origin", "none"}:
        abort(403, "This comes from another site.")


def _how_to_get_in(config: Config) -> str:
    if config.password is not None:
        return "Log in first."
    return (
        "This form is opened by the link that opensslgen web prints, once, in one browser. If the link is used up,"
        " or the session has ended, start opensslgen web again."
    )


@blueprint.get("/enter")
def enter() -> Response:
    """Exchange the token of the printed link for a session."""
    if request.method == "HEAD":
        abort(405)  # whoever looks at links in advance must not use them up
    if not _gate().door.opens_by_token(request.args.get("token", "")):
        if g.session:
            return redirect(url_for("making.form"))
        abort(403, _how_to_get_in(current_app.extensions["opensslgen"]))
    # Not a redirect: where the link was on a page of another site, the request that follows would come from there, too,
    # and a SameSite=Strict cookie would not be sent. What this page leads to comes from us.
    return _let_in(current_app.make_response(render_template("entered.html")))


@blueprint.get("/login")
def login() -> str | Response:
    """Show the form that asks for the password."""
    config: Config = current_app.extensions["opensslgen"]
    if config.password is None:
        abort(404)
    if g.session:
        return redirect(url_for("making.form"))
    return _login_page(None)


@blueprint.post("/login")
def try_password() -> str | Response | tuple[str | Response, int]:
    """Exchange the password for a session."""
    config: Config = current_app.extensions["opensslgen"]
    if config.password is None:
        abort(404)
    expected = _login_csrf(request.cookies.get(_gate().login_cookie, ""))
    if not hmac.compare_digest(request.form.get("csrf", "").encode(), expected.encode()):
        abort(403, "This does not come from the login page. Load it again, and retry.")
    wait = _gate().door.wait(request.remote_addr)
    if wait:
        page = _login_page(f"There were too many wrong passwords. Wait {wait:.0f} seconds.")
        page.headers["Retry-After"] = f"{wait:.0f}"
        return page, 429
    if not _gate().door.opens_by_password(request.form.get("password", ""), request.remote_addr):
        return _login_page("This is not the password."), 403
    return _let_in(redirect(url_for("making.form"), 303))


@blueprint.post("/leave")
def leave() -> str:
    """End the session; what it made can no longer be fetched."""
    _gate().sessions.end(this_session())
    g.session = None
    return render_template("left.html", by_password=current_app.extensions["opensslgen"].password is not None)


def _let_in(answer: Response) -> Response:
    """Begin a session under a new key, whatever cookie came with the request."""
    session = _gate().sessions.begin()
    secure = current_app.extensions["opensslgen"].secure
    answer.set_cookie(_gate().cookie, session.key, httponly=True, samesite="Strict", secure=secure)
    return answer


def _login_page(problem: str | None) -> Response:
    """Return the page, with a token that belongs to a cookie of its own, as there is no session yet."""
    ticket = secrets.token_urlsafe(16)
    answer = current_app.make_response(render_template("login.html", problem=problem, csrf=_login_csrf(ticket)))
    secure = current_app.extensions["opensslgen"].secure
    answer.set_cookie(_gate().login_cookie, ticket, httponly=True, samesite="Strict", secure=secure)
    return answer


def _login_csrf(ticket: str) -> str:
    return hmac.new(_gate().login_key, ticket.encode(), "sha256").hexdigest()
