"""A real browser without a screen: Debian's Chromium, in a home of its own, and axe-core to judge pages."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

from . import needs
from .conftest import wait

_OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-component-update",
    "--disable-background-networking", "--disable-sync", "--disable-dev-shm-usage", "--lang=en",
)  # fmt: skip


class Browser(webdriver.Chrome):
    """Chromium with what the tests ask of it again and again."""

    downloads: Path

    def enter(self, url):
        """Use the printed link, whose page goes on by itself."""
        self.get(url)
        wait(lambda: self.title.startswith("Overview"))

    def at(self, selector):
        """Return the first element that a CSS selector finds."""
        return self.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector):
        """Return all of them."""
        return self.find_elements(By.CSS_SELECTOR, selector)

    def size(self, width, height=900):
        """Have a screen so wide, in CSS pixels."""
        screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)

    def colours(self, scheme):
        """Prefer "light" or "dark"."""
        self.execute_cdp_cmd(
            "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        )

    def fill(self, **fields):
        """Type into fields, tick boxes and choose options by their names."""
        self.execute_script("for (const each of document.querySelectorAll('details')) each.open = true")
        for name, value in fields.items():
            element = self.at(f"[name={name}]")
            if element.tag_name == "select":
                element.find_element(By.XPATH, f"option[.='{value}']").click()
            elif element.get_attribute("type") == "checkbox":
                for box in self.all(f"[name={name}]"):
                    if box.is_selected() != (box.get_attribute("value") in value):
                        box.click()
            else:
                element.clear()
                element.send_keys(value)

    def go(self, element):
        """Click what leads to another page, and wait until that is there."""
        old = self.at("html")
        element.click()
        wait(lambda: _is_gone(old) and self.execute_script("return document.readyState") == "complete")

    def arrive(self, heading):
        """Wait for the page whose heading begins so, while another one reloads itself."""

        def is_there():
            with contextlib.suppress(WebDriverException):
                return self.at("h1").text.startswith(heading)

        wait(is_there)

    def downloaded(self, link):
        """Follow a link and return the file that it gives."""
        before = set(self.downloads.iterdir())
        link.click()
        return wait(lambda: next((new for new in set(self.downloads.iterdir()) - before if _finished(new)), None))

    def refusal(self, url):
        """Return what the browser says of an address to which it does not go."""
        try:
            self.get(url)
        except WebDriverException as error:
            return error.msg
        return self.page_source

    def violations(self):
        """Return what axe-core has against the page as it is."""
        needs.need("axe-core")
        self.execute_script(Path(os.environ["OPENSSLGEN_TEST_AXE"]).read_text())
        found = self.execute_async_script(
            "axe.run(document, {resultTypes: ['violations']}).then(arguments[arguments.length - 1])"
        )
        assert len(found["passes"]) > 5
        return [
            (violation["id"], violation["help"], [node["html"][:200] for node in violation["nodes"]])
            for violation in found["violations"]
        ]


def _is_gone(element):
    try:
        element.is_enabled()
    except WebDriverException:
        return True
    return False


def _finished(path):
    try:
        return path.stat().st_size and not path.name.startswith(".") and path.suffix not in {".crdownload", ".tmp"}
    except FileNotFoundError:  # it had the name that it has while it is loaded
        return False


@contextlib.contextmanager
def chromium(*, scripts=True, home=None, arguments=()):
    """Start a browser with an empty profile."""
    with contextlib.ExitStack() as stack:
        home = home or stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        downloads = Path(home) / "downloads"
        downloads.mkdir(exist_ok=True)
        options = webdriver.ChromeOptions()
        options.binary_location = needs.program_path("chromium")
        for argument in (*_OPTIONS, f"--user-data-dir={home}/profile", *arguments):
            options.add_argument(argument)
        settings = {"download.default_directory": str(downloads), "download.prompt_for_download": False}
        if not scripts:
            settings["profile.managed_default_content_settings.javascript"] = 2
        options.add_experimental_option("prefs", settings)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        # Chromium looks for NSS's own certificates in the home.
        service = Service(needs.program_path("chromedriver"), env={**os.environ, "HOME": str(home)})
        browser = Browser(options=options, service=service)
        stack.callback(browser.quit)
        browser.downloads = downloads
        browser.set_page_load_timeout(60)
        yield browser
