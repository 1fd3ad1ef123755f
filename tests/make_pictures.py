"""The README's pictures, made from the real pages: `python -m tests.make_pictures` writes them to tests/pictures/.

Each is given a palette of few colours, which text on a page needs no more than, and so is small.
"""

from __future__ import annotations

import base64
import sys
import tempfile
from pathlib import Path

from .browser import chromium, wait
from .conftest import opensslgen
from .forms import running

PICTURES = Path(__file__).parent / "pictures"
LARGEST = 60_000
"""Bytes."""
_COLOURS = 64


def main(folder=PICTURES):
    """Write all pictures into a folder."""
    folder.mkdir(exist_ok=True)
    for name, picture in pictures():
        (folder / f"{name}.png").write_bytes(picture)


def pictures():
    """Yield the name and the PNG of each picture."""
    with tempfile.TemporaryDirectory() as work, chromium() as page:
        # A root whose name does not change with machine and time.
        done = opensslgen("root", "--cn", "Example root", "--key-type", "p-256", cwd=work)
        assert done.returncode == 0, done.stderr
        with running(cwd=work) as form:
            page.enter(form.url)
            page.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
            page.size(1080, 960)
            page.get(f"http://127.0.0.1:{form.port}/new")
            page.fill(name="pbx.example.com", names="10.0.0.5\nsip.example.com\nsip:example.com")
            wait(lambda: len(page.all("#recognised li")) == 3 and "sip.example.com" in page.at("#preview").text)
            page.execute_script("document.activeElement.blur()")
            yield "form", picture(page)
            for name, days in (("pbx", 20), ("sip", 120), ("web", 240), ("mail", 300)):
                words = ("--days", days, "--key-type", "p-256")
                done = opensslgen("server", f"{name}.example.com", *words, cwd=work)
                assert done.returncode == 0, done.stderr
            page.get(f"http://127.0.0.1:{form.port}/")
            page.size(1080, 860)
            yield "overview", picture(page)
            words = ("--days", 2555, "--allow", "apple-validity", "--key-type", "p-256")
            done = opensslgen("server", "door.example.com", *words, cwd=work)
            assert done.returncode == 0, done.stderr
            page.get(f"http://127.0.0.1:{form.port}/?q=door")
            page.go(page.at("tbody th a"))
            page.size(1080, 860)
            yield "certificate", picture(page)
            page.get(f"http://127.0.0.1:{form.port}/root/iphone.html")
            page.size(375, 720)
            yield "phone", picture(page)


def picture(page):
    """Return what can be seen of a page as a PNG with a palette."""
    from io import BytesIO

    from PIL import Image

    png = base64.b64decode(page.get_screenshot_as_base64())
    with Image.open(BytesIO(png)) as image, BytesIO() as out:
        image.convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
        return out.getvalue()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
