"""The form in a real browser: filled in with mouse and keys, on a small screen, in the dark, without scripts."""

from __future__ import annotations

import contextlib
import http.server
import os
import re
import ssl
import subprocess
import sys
import tarfile
import threading

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from .browser import chromium, wait
from .conftest import CHECKOUT, opensslgen
from .forms import FILLED, running
from .needs import needs

pytestmark = [pytest.mark.slow, needs("chromium", "chromedriver")]
PASSWORD = "for the test"


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def form(tmp_path_factory):
    with running("--pki", tmp_path_factory.mktemp("form") / "pki") as form:
        yield form


@pytest.fixture(scope="module")
def entered(browser, form):
    browser.enter(form.url)
    return browser


@pytest.fixture
def page(entered, form):
    """The form, empty, on a usual screen."""
    entered.size(1000)
    entered.colours("light")
    entered.get(f"http://127.0.0.1:{form.port}/new")
    return entered


def made(page, **fields):
    """Fill the form in and confirm what is shown."""
    page.fill(**{**{name: FILLED[name] for name in ("name", "names", "days", "key_type")}, **fields})
    page.go(page.at("main form button:not([type])"))
    assert page.at("h1").text == "Review", page.at("main").text
    page.go(page.at("main form button:not([type])"))
    page.arrive("Made a server certificate for ")


def openssl(*arguments, **options):
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def is_as_ordered(path):
    """Hold a downloaded PKCS#12 file to what was filled in, by openssl's own words."""
    pem = openssl("pkcs12", "-in", path, "-passin", f"pass:{PASSWORD}", "-nokeys", "-clcerts")
    text = openssl("x509", "-noout", "-text", "-dates", input=pem)
    assert "DNS:pbx.example.com, IP Address:10.0.0.5, DNS:sip.example.com" in text
    assert "TLS Web Server Authentication, TLS Web Client Authentication" in text
    begins, ends = re.findall(r"not(?:Before|After)=(.*)", text)
    seconds = ssl.cert_time_to_seconds(ends) - ssl.cert_time_to_seconds(begins)
    assert seconds == 820 * 86400
    key = openssl("pkcs12", "-in", path, "-passin", f"pass:{PASSWORD}", "-nocerts", "-nodes")
    assert openssl("pkey", "-pubout", input=key) == openssl("x509", "-noout", "-pubkey", input=pem)


def test_a_certificate_is_made_and_its_p12_downloaded(page):
    made(page, p12_password=PASSWORD)
    path = page.downloaded(page.at("form[action$='/p12'] button"))
    assert path.name == "pbx.example.com.p12"
    is_as_ordered(path)
    assert page.all("li.good")
    assert not page.all("li.bad")
    good = page.at("li.good .mark").value_of_css_property("color")
    red, green, blue = map(int, re.findall(r"\d+", good)[:3])
    assert green > max(red, blue)


def test_it_works_by_the_keyboard_alone(page):
    """Tab, letters, the space bar and Enter; and it can always be seen where one is."""
    seen = []

    def press(*keys):
        ActionChains(page).send_keys(*keys).perform()

    def tab_to(name):
        for _ in range(40):
            press(Keys.TAB)
            focused = page.switch_to.active_element
            assert focused.value_of_css_property("outline-style") == "solid", focused.get_attribute("outerHTML")
            seen.append(focused.get_attribute("name") or focused.text)
            if name in {focused.get_attribute("name"), focused.text}:
                return focused
        raise AssertionError(f"{name} is not among {seen}")

    press(Keys.TAB)
    assert page.switch_to.active_element.text == "Skip to the content"
    press(Keys.ENTER)
    tab_to("name")
    press("keyboard.example.com")
    tab_to("names")
    press("10.0.0.9")
    assert tab_to("days").get_attribute("value") == "820"
    tab_to("More options")
    press(Keys.ENTER)
    tab_to("eku")
    press(Keys.TAB, Keys.SPACE, Keys.SPACE)
    tab_to("key_type")
    press("p-256")
    tab_to("Review")
    press(Keys.ENTER)
    assert wait(lambda: page.at("h1").text == "Review")
    assert "DNS keyboard.example.com" in page.at("dl").text
    assert "serverAuth, clientAuth" in page.at("dl").text
    tab_to("Issue the certificate")
    press(Keys.ENTER)
    page.arrive("Made a server certificate for keyboard.example.com")


# What a person can type or tick, field by field, and what is said of it.
SLIPS = [
    ("name", {"name": ""}, "empty"),
    ("name", {"name": "pbx example.com"}, "space"),
    ("name", {"name": "a@example.com"}, "mail address"),
    ("names", {"names": "10.0.0.5\nDNS:10.0.0.6"}, "write IP:10.0.0.6"),
    ("names", {"names": "10.0.0.0/24"}, "network"),
    ("names", {"names": "<script>alert(1)</script>"}, "has a path: write the host name alone"),
    ("days", {"days": "2555"}, "the maximum is 825 days"),
    ("days", {"days": "0"}, "1 to 36500"),
    ("days", {"days": "two"}, "number of days"),
    ("eku", {"eku": []}, "serverAuth"),
    ("eku", {"eku": ["clientAuth"]}, "serverAuth"),
    ("p12_password", {"p12_password": "abc"}, "shorter than 4"),
    ("p12_password", {"compatible": ["on"]}, "type one"),
]


@pytest.mark.parametrize(("field", "fields", "said"), SLIPS)
def test_a_slip_is_told_beside_its_field_and_what_was_typed_is_kept(field, fields, said, page):
    typed = {"name": "kept.example.com", "names": "10.9.8.7\nother.example.com", "days": "397", **fields}
    page.fill(**typed)
    page.go(page.at("main form button:not([type])"))
    assert page.at("h1").text == "New certificate"
    error = page.at(f"#{field}-error")
    assert said in error.text
    assert len(page.all("main form div.error")) == 1
    # Beside it: in the same group, and told to whoever cannot see that.
    control = page.at(f"#{field}")
    assert f"{field}-error" in control.get_attribute("aria-describedby").split()
    assert control.get_attribute("aria-invalid") == "true"
    assert error.find_element("xpath", "ancestor::*[contains(@class, 'field')]//*[@id]").is_displayed()
    distance = control.location["y"] - error.location["y"]
    assert abs(distance) < 300
    for name in ("name", "names", "days"):
        assert page.at(f"[name={name}]").get_attribute("value") == typed[name]
    assert page.at("[name=p12_password]").get_attribute("value") == ""
    # From the summary at the top a link leads to it.
    page.at(f".summary a[href='#{field}']").click()
    assert page.switch_to.active_element.get_attribute("id") == field or field in {"eku", "key_usage"}


def test_names_are_recognised_while_they_are_typed(page):
    page.at("[name=names]").send_keys("10.0.0.5, sip.example.com\nsip:example.com\n10.0.0.5:443")
    items = wait(lambda: [item.text for item in page.all("#recognised li")])
    wait(lambda: len(page.all("#recognised li")) == 4)
    items = [item.text for item in page.all("#recognised li")]
    assert items[:3] == ["IP 10.0.0.5", "DNS sip.example.com", "URI sip:example.com"]
    assert "port" in items[3]
    page.at("[name=names]").clear()
    page.at("[name=names]").send_keys(" ")
    wait(lambda: not page.at("#recognised").is_displayed())


def test_the_commands_follow_the_form_and_no_password_leaves_the_page(page, form):
    def commands():
        return page.at("#preview").text

    wait(lambda: "Name: the name is empty" in commands())
    assert not page.at("button[formaction]").is_displayed()
    page.fill(name="typed.example.com", names="10.0.0.5")
    wait(lambda: "DNS:typed.example.com,IP:10.0.0.5" in commands())
    page.fill(days="397", key_type="p-256")
    wait(lambda: "-days 397" in commands() and "prime256v1" in commands())
    page.execute_script(
        "const all = window.fetch; window.sent = []; window.fetch = (to, what) => {"
        " window.sent.push([...what.body.entries()].map(String).join()); return all(to, what); }"
    )
    page.fill(p12_password="kept-to-myself")
    wait(lambda: "openssl pkcs12 -export" in commands())
    sent = page.execute_script("return window.sent.join()")
    assert "p12_password,typed" in sent
    assert "kept-to-myself" not in sent


# Journeys, on a phone and on a screen, with scripts and without


@pytest.fixture(scope="module", params=[(375, True), (1280, True), (375, False), (1280, False)], ids=str)
def traveller(request):
    """A browser, and whether it has scripts."""
    width, scripts = request.param
    with chromium(scripts=scripts) as browser:
        browser.size(width)
        yield browser, scripts


def click(page, selector, clicks):
    page.go(page.at(selector))
    clicks.append(selector)


SUBMIT = "main form button:not([type])"


def test_the_first_certificate_takes_at_most_five_clicks(traveller, tmp_path):
    page, scripts = traveller
    clicks = []
    with running("--pki", tmp_path / "pki") as form:
        page.enter(form.url)
        click(page, "main .next a.button", clicks)
        page.at("[name=name]").send_keys("pbx.example.com")
        if not scripts:
            page.go(page.at("button[formaction]"))
            assert "subjectAltName = DNS:pbx.example.com" in page.at("#preview").text
            assert page.at("[name=name]").get_attribute("value") == "pbx.example.com"
        click(page, SUBMIT, clicks)
        click(page, SUBMIT, clicks)
        page.arrive("Made a server certificate for pbx.example.com")
        assert page.downloaded(page.at("a[href$='/chain']")).read_text().count("BEGIN CERTIFICATE") == 2
        assert len(clicks) + 1 <= 5


def in_the_past(*arguments, pki):
    """Run a command 80 days ago."""
    command = ["faketime", "-f", "-80d", sys.executable, "-m", "opensslgen", *arguments, "--pki", pki]
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr


@needs("faketime")
def test_three_that_expire_are_renewed_and_a_request_is_signed_and_found(traveller, tmp_path):
    page, _ = traveller
    pki = tmp_path / "pki"
    in_the_past("root", "--cn", "Example CA", "--key-type", "p-256", pki=pki)
    for name in ("a", "b", "c"):
        in_the_past("server", f"{name}.example.com", "--days", "100", "--key-type", "p-256", pki=pki)
    before = {path: path.read_bytes() for path in (pki / "issued").glob("*.crt")}
    with running("--pki", pki) as form:
        page.enter(form.url)
        assert page.at("main .next a.button").text == "Renew 3 certificates"
        page.go(page.at("main .next a.button"))
        page.go(page.at(SUBMIT))
        page.go(page.at(SUBMIT))
        page.arrive("Renewed 3 certificates")
        assert all(path.read_bytes() != old for path, old in before.items())
        page.go(page.at("nav a[href='/']"))
        assert page.at("main .next a.button").text != "Renew 3 certificates"
        page.go(page.at("nav a[href='/new']"))
        page.go(page.at(".kinds a[href$='kind=request']"))
        key = tmp_path / "key.pem"
        words = ("-newkey", "rsa:2048", "-nodes", "-subj", "/CN=asks.example.com", "-keyout", key)
        request = openssl("req", "-new", *words)
        page.at("[name=text]").send_keys(request)
        page.go(page.at(SUBMIT))
        page.go(page.at(SUBMIT))
        page.arrive("Signed a server certificate for asks.example.com")
        page.go(page.at("nav a[href='/']"))
        page.at("[name=q]").send_keys("asks")
        page.go(page.at(".filters button"))
        assert "1 certificate found" in page.at("main").text


def test_everything_works_without_scripts(tmp_path):
    with running("--pki", tmp_path / "pki") as form, chromium(scripts=False) as page:
        page.enter(form.url)
        page.go(page.at("main .next a.button"))
        assert not page.all("#recognised li")
        made(page, p12_password=PASSWORD)
        is_as_ordered(page.downloaded(page.at("form[action$='/p12'] button")))
        page.go(page.at("nav a[href='/']"))
        assert "DNS:pbx.example.com" in page.at("table").text
        page.go(page.at("tbody tr:last-child a"))
        assert "Where it works" in page.at("main").text
        page.go(page.at("form[action$='/renew'] button:not([type])"))
        page.go(page.at("main form button:not([type])"))
        page.arrive("Renewed a server certificate for pbx.example.com")
        page.go(page.at("nav a[href='/']"))
        page.go(page.at("tbody tr:last-child a"))
        page.go(page.at("form[action$='/revoke'] button:not([type])"))
        page.go(page.at("main form button:not([type])"))
        page.arrive("Revoked pbx.example.com")
        page.go(page.at("nav a[href='/root']"))
        assert page.at("main a.button").text == "Download the root certificate"
        root = page.downloaded(page.at("main a.button"))
        assert openssl("x509", "-inform", "DER", "-in", root, "-noout", "-subject")
        page.go(page.at("nav a[href='/audit']"))
        page.at("[name=text]").send_keys(next((tmp_path / "pki" / "certs_by_serial").glob("*.pem")).read_text())
        page.go(page.at("main form button:not([type])"))
        assert "complies" in page.at("article h3").text
        page.go(page.at("header form button"))
        assert page.at("h1").text == "Logged out"
        page.get(f"http://127.0.0.1:{form.port}/")
        assert page.at("h1").text == "Forbidden"


def test_a_certificate_and_the_ca_work_without_scripts(tmp_path):
    for words in (("server", "pbx.example.com", "--san", "10.0.0.5,sip.example.com"), ("server", "old.example.com")):
        done = opensslgen(*words, "--new-ca", "--key-type", "p-256", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    assert opensslgen("revoke", "old.example.com", "--yes", cwd=tmp_path).returncode == 0
    with running("--pki", tmp_path / "pki") as form, chromium(scripts=False) as page:
        page.enter(form.url)
        page.go(page.at("tbody tr:last-child a"))
        assert not page.all("button.copy, button.show")
        page.at("#export-ip-office").find_element("xpath", "ancestor::details/summary").click()
        page.at("#export-ip-office").send_keys(PASSWORD)
        is_as_ordered(page.downloaded(page.at("details[open] form[action$='/export'] button")))
        page.at("[name=host]").send_keys("127.0.0.1:1")
        page.go(page.at("form[action*='/check'] button"))
        assert "gives no answer that can be judged" in page.at("#check ~ .answer").text
        page.go(page.at("nav a[href='/ca']"))
        page.go(page.at("form[action='/revocation-list'] button"))
        page.go(page.at("main form button"))
        page.arrive("Made a CRL with 1 certificate")
        page.go(page.at("nav a[href='/ca']"))
        listed = page.downloaded(page.at("a[href='/ca/crl.der']"))
        assert "Revoked Certificates" in openssl("crl", "-inform", "DER", "-in", listed, "-noout", "-text")
        page.at("#backup ~ details summary").click()
        page.fill(backup_passphrase=PASSWORD, backup_passphrase_again=PASSWORD)
        page.go(page.at("form[action='/ca/backup'] button"))
        page.go(page.at("main form button"))
        page.arrive("Backed up")
        archive = page.downloaded(page.at("form[action$='/backup'] button"))
        command = ("enc", "-d", "-aes-256-cbc", "-pbkdf2", "-iter", "600000", "-md", "sha256", "-in", archive)
        openssl(*command, "-pass", f"pass:{PASSWORD}", "-out", tmp_path / "opened")
        assert tarfile.is_tarfile(tmp_path / "opened")


def open_all(page):
    page.execute_script("for (const each of document.querySelectorAll('details')) each.open = true")


def visit_each(page, form):
    """Go to each kind of page, full of what it can hold, and yield what it is called."""
    base = f"http://127.0.0.1:{form.port}"
    page.get(f"{base}/new")
    yield "form"
    page.fill(name="", names="10.0.0.0/24", days="2555", eku=[], compatible=["on"])
    page.go(page.at("main form button:not([type])"))
    yield "form with every error"
    page.get(f"{base}/new")
    page.fill(name="each.example.com", names="10.0.0.5\nsip:example.com", key_type="p-256", p12_password=PASSWORD)
    page.go(page.at("main form button:not([type])"))
    if "No certificate was issued" in page.at("main").text:
        yield "form with what exists"
        page.at("#replace").click()
        page.fill(p12_password=PASSWORD)
        page.go(page.at("main form button:not([type])"))
    page.at("details summary").click()
    yield "plan"
    page.go(page.at("main form button:not([type])"))
    page.arrive("Made")
    yield "made"
    for path in (
        "/",
        "/?all=1&order=-kind",
        "/?q=nothing",
        "/ca",
        "/certificates/ca",
        "/root",
        "/root/index.html",
        "/root/iphone.html",
        "/audit",
        "/new?kind=request",
        "/new?kind=intermediate",
        "/new?kind=client",
        "/renew",
    ):
        page.get(base + path)
        yield path
    page.get(base)
    page.go(page.at("tbody tr:last-child a"))
    yield "one"
    page.at("[name=host]").send_keys("127.0.0.1:1")
    page.go(page.at("form[action*='/check'] button"))
    open_all(page)
    yield "one with a server"
    page.at("#export-ip-office").send_keys("abc")
    page.go(page.at("details[open] form[action$='/export'] button:not([type])"))
    yield "one with an error"
    page.get(f"{base}/ca")
    open_all(page)
    for name in ("new_passphrase", "new_passphrase_again"):
        page.at(f"#{name}").send_keys("abc")
    page.go(page.at("form[action='/ca/passphrase'] button:not([type])"))
    yield "CA with an error"
    page.get(f"{base}/audit")
    page.at("[name=text]").send_keys("[ v3_req ]\nsubjectAltName = DNS:10.0.0.5\nbasicConstraints = CA:TRUE\n")
    page.at("[name=servers]").send_keys("127.0.0.1:1")
    page.go(page.at("main form button:not([type])"))
    yield "audit with findings"
    page.get(f"{base}/nothing")
    yield "error"


def test_a_fingerprint_is_copied_and_a_passphrase_shown_by_the_keyboard(page, form):
    made(page, name="copied.example.com")
    page.get(f"http://127.0.0.1:{form.port}/ca")
    page.execute_cdp_cmd("Browser.grantPermissions", {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]})
    button = page.at("[data-copy^='SHA-256'] + button")
    assert button.get_attribute("aria-label").startswith("Copy: SHA-256 fingerprint of")
    button.send_keys(Keys.ENTER)
    wait(lambda: "Copied" in page.at("[role=status]").get_attribute("textContent"))
    copied = page.execute_async_script("navigator.clipboard.readText().then(arguments[0], arguments[0])")
    root = page.downloaded(page.at("a[href='/certificates/ca/certificate']"))
    assert copied in openssl("x509", "-in", root, "-noout", "-sha256", "-fingerprint")
    assert len(copied) == 95
    open_all(page)
    page.at("#new_passphrase").send_keys(PASSWORD, Keys.TAB, Keys.ENTER)
    assert page.at("#new_passphrase").get_attribute("type") == "text"
    page.switch_to.active_element.send_keys(Keys.ENTER)
    assert page.at("#new_passphrase").get_attribute("type") == "password"


@needs("axe-core")
@pytest.mark.parametrize(("width", "scheme"), [(1000, "light"), (320, "dark")])
def test_axe_finds_nothing_on_any_page(width, scheme, page, form):
    page.size(width)
    page.colours(scheme)
    found = {name: violations for name in visit_each(page, form) if (violations := page.violations())}
    assert found == {}


def test_axe_would_find_something(page):
    page.execute_script("document.querySelector('label').remove(); document.querySelector('h1').style.color = '#eee'")
    assert {"label", "color-contrast"} <= {name for name, _, _ in page.violations()}


test_axe_would_find_something = needs("axe-core")(test_axe_would_find_something)


def test_no_page_is_wider_than_a_small_phone(page, form):
    page.size(320)
    for name in visit_each(page, form):
        width = page.execute_script("return document.documentElement.scrollWidth")
        assert width <= 320, name
        for control in page.all(
            "main input:not([type=checkbox], [type=radio], [type=hidden]), main button, main select"
        ):
            assert control.rect["x"] >= 0, name
            assert control.rect["x"] + control.rect["width"] <= 320, (name, control.get_attribute("outerHTML"))


def test_it_is_dark_for_who_prefers_that(page):
    def brightness():
        colour = page.at("body").value_of_css_property("background-color")
        return sum(map(int, re.findall(r"\d+", colour)[:3]))

    assert brightness() > 600
    page.colours("dark")
    assert brightness() < 150


def test_no_page_does_what_its_own_policy_forbids(page, form):
    page.get_log("browser")
    for _ in visit_each(page, form):
        pass
    said = [entry["message"] for entry in page.get_log("browser") if entry["level"] in {"SEVERE", "WARNING"}]
    # That it was answered with an error, where we meant one, it tells on the same channel.
    assert [message for message in said if "Failed to load resource" not in message] == []


# Other sites, in a browser that is let in


@contextlib.contextmanager
def other_site(html):
    """Serve one page from another origin."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(html.encode())

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def test_the_link_lets_in_from_a_page_of_another_site(page, tmp_path):
    """From which no browser sends the cookie on, were the answer a redirect."""
    with running("--pki", tmp_path / "pki") as form, other_site(f'<a href="{form.url}">open</a>') as port:
        page.get(f"http://localhost:{port}/")
        page.at("a").click()
        wait(lambda: page.title.startswith(("Overview", "Forbidden")))
        assert page.title.startswith("Overview"), page.at("main").text


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_another_site_can_make_a_browser_do_nothing(host, page, form):
    """From a site that is another one, and from one that differs by its port alone and so gets the cookie."""
    csrf = "stolen-or-guessed"
    fields = "".join(
        f'<input name="{name}" value="{value}">'
        for name, value in {**FILLED, "eku": "serverAuth", "csrf": csrf}.items()
    )
    target = f"http://127.0.0.1:{form.port}/"
    html = f'<form method="post" action="{target}new">{fields}</form><script>document.forms[0].submit()</script>'
    with other_site(html) as port:
        page.get(f"http://{host}:{port}/")
        wait(lambda: page.title.startswith("Forbidden"))
        assert "comes from another site" in page.at("main").text or "link that" in page.at("main").text
    with other_site(f'<iframe src="{target}"></iframe>') as port:
        page.get(f"http://{host}:{port}/")
        page.switch_to.frame(page.at("iframe"))
        assert "Overview" not in page.page_source
        page.switch_to.default_content()
    script = f"fetch('{target}', {{credentials: 'include'}}).then(r => r.text()).then(t => document.title = t,"
    with other_site(f"<script>{script} e => document.title = 'refused')</script>") as port:
        page.get(f"http://{host}:{port}/")
        wait(lambda: page.title == "refused")
    page.get(target)
    assert page.at("h1").text == "Overview"


# What it makes, in the browser that is to trust it


@contextlib.contextmanager
def tls_server(chain, key):
    """Serve a word over TLS on the loopback, and give the port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<title>trusted</title>")

        def log_message(self, *_):
            pass

    class Server(http.server.ThreadingHTTPServer):
        def finish_request(self, request, client_address):
            # Those that do not trust us leave in the middle of the handshake.
            with contextlib.suppress(OSError):
                request.settimeout(10)
                wrapped = context.wrap_socket(request, server_side=True)
                super().finish_request(wrapped, client_address)
                wrapped.close()

        def handle_error(self, *_):
            pass

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def test_chromium_trusts_what_the_form_made_once_the_root_is_in_its_store(tmp_path):
    """And by name: it refuses the same server under a name that the certificate has not."""
    downloads, pki, home = tmp_path, tmp_path / "pki", tmp_path / "home"
    home.mkdir()
    rules = "MAP pbx.example.com 127.0.0.1,MAP other.example.com 127.0.0.1"
    resolve = f"--host-resolver-rules={rules}"
    with running("--pki", pki) as form, chromium(home=home, arguments=[resolve]) as page:
        page.enter(form.url)
        page.get(f"http://127.0.0.1:{form.port}/new")
        made(page)
        wanted = {"chain": "a[href$='/chain']", "key": "form[action$='/key'] button"}
        files = {what: page.downloaded(page.at(selector)) for what, selector in wanted.items()}
        page.get(f"http://127.0.0.1:{form.port}/root")
        root = page.downloaded(page.at("main a.button"))
        downloads = {**files, "root": root}
        with tls_server(downloads["chain"], downloads["key"]) as port:
            assert "ERR_CERT_AUTHORITY_INVALID" in page.refusal(f"https://pbx.example.com:{port}/")
    database = home / ".pki" / "nssdb"
    database.mkdir(parents=True, exist_ok=True)
    store = ["certutil", "-d", f"sql:{database}"]
    if not (database / "cert9.db").exists():
        subprocess.run([*store, "-N", "--empty-password"], check=True)
    subprocess.run([*store, "-A", "-n", "ours", "-t", "C,,", "-i", downloads["root"]], check=True)
    with chromium(home=home, arguments=[resolve]) as page, tls_server(downloads["chain"], downloads["key"]) as port:
        page.get(f"https://pbx.example.com:{port}/")
        assert page.title == "trusted"
        assert "ERR_CERT_COMMON_NAME_INVALID" in page.refusal(f"https://other.example.com:{port}/")
