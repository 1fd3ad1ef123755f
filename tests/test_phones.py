"""The root brought to a phone and checked there, in a real browser that says that it is a phone."""

from __future__ import annotations

import subprocess
import threading

import pytest

from opensslgen.trust import anchor, files
from opensslgen.web import http_server, share

from .browser import chromium
from .conftest import make_server
from .needs import needs
from .user_agents import user_agents

pytestmark = [pytest.mark.slow, needs("chromium", "chromedriver", "certutil")]
PHONES = {
    "iphone": ("Install the profile", "root.mobileconfig"),
    "android": ("Download the certificate", "root.crt"),
}


@pytest.fixture
def site(authority, openssl):
    """The site that runs, with the page to check, and what has been fetched from it."""
    pki = make_server(authority, "127.0.0.1").files["root"].parent
    fetched, over = [], threading.Event()
    with share.offer(
        anchor.anchor(pki), address="127.0.0.1", port=0, pki=pki, openssl=lambda: openssl, on_fetch=fetched.append
    ) as offered:
        options = {"limits": http_server.Limits(), "until": over.is_set}
        thread = threading.Thread(target=http_server.serve, args=(offered.app, offered.listener), kwargs=options)
        thread.start()
        yield offered, pki, fetched
        over.set()
        thread.join()


def hold(page, phone):
    """Be a phone: its browser, and its narrow screen."""
    agent = next(text for device, text in user_agents() if device == phone)
    page.execute_cdp_cmd("Network.setUserAgentOverride", {"userAgent": agent, "acceptLanguage": "en"})
    page.size(375)


def bring(page, phone, site, root):
    """Open the page for the phone, and take the file from its large button."""
    hold(page, phone)
    page.get(site.url)
    assert not page.all("img")
    assert page.execute_script("return document.documentElement.scrollWidth") <= 375
    button, name = PHONES[phone]
    link = page.at("a.first")
    assert link.text == button
    # Large enough for a thumb, and seen without scrolling.
    assert link.rect["height"] >= 44
    assert link.rect["y"] + link.rect["height"] < 667
    path = page.downloaded(link)
    assert path.name == name
    assert path.read_bytes() == next(file.data for file in files.root_files(root) if file.name == name)
    path.unlink()


def test_the_root_is_brought_to_a_phone_and_checked(site, tmp_path):
    """First without scripts by phones that do not trust it, then with scripts by those that do."""
    offered, pki, fetched = site
    root, home = anchor.anchor(pki), tmp_path / "home"
    with chromium(scripts=False) as page:
        for phone in PHONES:
            bring(page, phone, offered, root)
            check = page.at(f"a[href='{offered.check}']").get_attribute("href")
            assert "ERR_CERT_AUTHORITY_INVALID" in page.refusal(check)
    database = home / ".pki" / "nssdb"
    database.mkdir(parents=True)
    store = ["certutil", "-d", f"sql:{database}"]
    subprocess.run([*store, "-N", "--empty-password"], check=True)
    subprocess.run([*store, "-A", "-n", "ours", "-t", "C,,", "-i", pki / "ca.crt"], check=True)
    with chromium(home=home) as page:
        for phone, scheme in zip(PHONES, ("light", "dark"), strict=True):
            bring(page, phone, offered, root)
            page.colours(scheme)
            assert page.violations() == []
            page.go(page.at(f"a[href='{offered.check}']"))
            assert page.at("h1").text == "No warning? Then this phone trusts the root"
            assert page.violations() == []
            page.go(page.at(f"a[href='{offered.url}']"))
            assert page.at("a.first").text == PHONES[phone][0]
    names = {(fetch.device, fetch.name) for fetch in fetched}
    assert {("iPhone and iPad", "root.mobileconfig"), ("Android", "root.crt"), ("Android", "check")} <= names


test_the_root_is_brought_to_a_phone_and_checked = needs("axe-core")(test_the_root_is_brought_to_a_phone_and_checked)
