"""The pictures of the documentation: small, shown somewhere, and without anything from elsewhere."""

import re
from pathlib import Path
from xml.etree import ElementTree as ET

from docs import pictures

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *ROOT.glob("docs/**/*.md")]
MOST_BYTES = 200_000


def list_foreign(text: str) -> list[str]:
    """Addresses in a picture, except the names of the vocabularies of XML."""
    return [found for found in re.findall(r"https?://[^\"')\s]+", text) if "www.w3.org" not in found]


def test_every_picture_is_shown_and_every_picture_that_is_shown_is_there():
    shown = {
        (page.parent / link).resolve()
        for page in PAGES
        for link in re.findall(r"!\[[^]]+\]\(([^)]+)\)", page.read_text(encoding="utf-8"))
        if "_static/pictures/" in link
    }
    assert shown == set(pictures.FOLDER.iterdir())
    assert len(shown) > 2


def test_pictures_are_small_and_load_nothing():
    for picture in pictures.FOLDER.iterdir():
        content = picture.read_bytes()
        assert 0 < len(content) < MOST_BYTES, picture.name
        if picture.suffix == ".svg":
            # What our own script has drawn; it parses, so a browser shows it.
            assert ET.fromstring(content).tag.endswith("svg")  # noqa: S314
            assert list_foreign(content.decode()) == []


def test_a_terminal_is_drawn_with_its_text_and_its_colours(tmp_path):
    pictures.draw_terminal(tmp_path / "x.svg", ("flow", "show"), "\x1b[32m✓ passed\x1b[0m <b>&\r\nnext\r\n")
    drawn = (tmp_path / "x.svg").read_text(encoding="utf-8")
    texts = "".join(ET.fromstring(drawn).itertext()).replace("\xa0", " ")  # noqa: S314
    for words in ("$ blocks flow show", "✓ passed", "<b>&", "next"):
        assert words in texts
    assert list_foreign(drawn) == []
    assert "#116329" in drawn.lower(), "the green of the theme"
