"""The pictures in the README and in the manual show the pages as they are."""

from __future__ import annotations

import re

import pytest
from PIL import Image, ImageChops, ImageStat

from .conftest import CHECKOUT
from .make_pictures import LARGEST, PICTURES, main
from .needs import needs

PAGES = [CHECKOUT / "README.md", *(CHECKOUT / "opensslgen" / "manual").glob("*.md")]
SHOWN = [
    shown
    for page in PAGES
    for shown in re.findall(r"!\[([^\]]*)\]\((?:\.\./\.\./)?tests/pictures/([\w-]+)\.png\)", page.read_text())
]
NAMES = sorted({name for _, name in SHOWN})


def test_each_picture_is_shown_and_a_text_says_what_is_on_it():
    assert sorted(path.stem for path in PICTURES.iterdir()) == NAMES
    assert all(len(words) > 30 for words, _ in SHOWN)


def test_the_pictures_are_small():
    assert all(0 < path.stat().st_size < LARGEST for path in PICTURES.iterdir())


@pytest.fixture(scope="module")
def new(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    main(folder)
    return folder


@pytest.mark.slow
@needs("chromium", "chromedriver")
@pytest.mark.parametrize("name", NAMES)
def test_a_picture_is_of_the_page_as_it_is(name, new):
    """Not to the last pixel, as fonts differ; after a change of the page: python -m tests.make_pictures."""
    with Image.open(PICTURES / f"{name}.png") as old, Image.open(new / f"{name}.png") as made:
        assert old.size == made.size
        difference = ImageStat.Stat(ImageChops.difference(old.convert("L"), made.convert("L")))
    assert difference.mean[0] < 12, "python -m tests.make_pictures"
