"""What every page has to be: labelled, named, of enough contrast, within its width, without barriers.

With SCREENSHOTS=<folder> each page that is checked is also kept as a picture.
"""

import os
import re
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

THEMES = ("light", "dark")
WIDTHS = (390, 1440)
# What an id of a flow looks like: no figure, chart or table shows one.
RAW_ID = re.compile(r"task_[0-9a-z]{20}")
UNLABELLED = """() => [...document.querySelectorAll(
        'input:not([type=hidden]), select, textarea, button, a, img, svg[role=img]')]
    .filter((one) => !(one.labels?.length || one.textContent.trim() ||
        one.getAttribute('aria-label') || one.hasAttribute('alt')))
    .map((one) => one.outerHTML)"""
NAMELESS = """() => [...document.querySelectorAll('section')].filter((one) =>
    !document.getElementById(one.getAttribute('aria-labelledby'))).map((one) => one.outerHTML.slice(0, 80))"""
# Contrast after WCAG 2.1, 1.4.3: relative luminance of the text against the nearest background that is
# painted.
FAINT = """() => {
    const light = (text) => { const [r, g, b] = text.match(/[\\d.]+/g).map(Number).map((v) => v / 255)
        .map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
    const ground = (one) => { for (let up = one; up; up = up.parentElement) {
        const colour = getComputedStyle(up).backgroundColor;
        if (!/, 0\\)$|transparent/.test(colour)) return colour; }
        return 'rgb(255, 255, 255)'; };
    const found = new Set();
    for (const one of document.querySelectorAll('main *, header *')) {
        const words = [...one.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
        if (one.closest('svg') || !words || !one.checkVisibility()) continue;
        const style = getComputedStyle(one);
        const [a, b] = [light(style.color), light(ground(one))].sort((x, y) => y - x);
        const large = parseFloat(style.fontSize) >= 24;
        const ratio = (a + 0.05) / (b + 0.05);
        if (ratio < (large ? 3 : 4.5)) found.add(`${one.tagName}.${one.className}: ${ratio.toFixed(2)}`);
    }
    return [...found];
}"""


def choose_screen(page: Page, width: int, theme: str) -> None:
    """A screen of so many pixels, in a theme."""
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]  # one of THEMES


def keep_picture(page: Page, name: str) -> None:
    """A picture of the whole page, where somebody wants it."""
    if folder := os.environ.get("SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def find_barriers(page: Page) -> list[str]:
    """What axe-core finds, by the rules of WCAG 2.2 AA and its best practices."""
    found = Axe().run(page).response["violations"]
    return [f"{one['id']}: {node['html'][:200]}" for one in found for node in one["nodes"]]


def find_flaws(page: Page, name: str) -> list[str]:
    """Keep a picture, and look for what no page may have; each flaw with the ``name`` of the page."""
    keep_picture(page, name)
    found = [flaw for check in (UNLABELLED, NAMELESS, FAINT) for flaw in page.evaluate(check)]
    if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
        found.append("it scrolls sideways")
    if page.locator("h1").count() != 1:
        found.append("it does not have one heading of the first level")
    return [f"{name}: {flaw}" for flaw in (*found, *find_barriers(page))]
