"""A model's Markdown as harmless HTML.

It has no raw HTML and no images, its links lead only to the web, and its headings are below the page's.
"""

from functools import cache
from urllib.parse import urlsplit

from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.token import Token

# An allowlist: markdown-it itself refuses only javascript:, vbscript:, file: and most of data:.
_SCHEMES = {"http", "https", "mailto"}
_DEEPEST = 6
_LONGEST = 30_000
"""Characters."""
_MOST_BRACKETS = 2_000
"""For each opening bracket the reader looks through the rest of the text for its end: 29,000 without an end
take seconds, and pages are late for others."""


@cache
def _build_reader() -> MarkdownIt:
    # "js-default" never passes HTML through; an image would tell its host who reads this.
    reader = MarkdownIt("js-default", {"html": False, "linkify": False, "typographer": False}).disable(
        "image"
    )
    reader.validateLink = _is_allowed_link  # type: ignore[method-assign]
    return reader


def _is_allowed_link(url: str) -> bool:
    try:
        # urlsplit raises ValueError for an address with broken brackets, such as http://[.
        return urlsplit(url.strip()).scheme.lower() in _SCHEMES
    except ValueError:
        return False


def render_markdown(text: str, *, below: int = 2) -> SafeString:
    """``text`` as HTML; its headings begin under level ``below``. A very long one is shown as it is."""
    if len(text) > _LONGEST or text.count("[") > _MOST_BRACKETS:
        return format_html("<pre>{}</pre>", text)
    reader = _build_reader()
    tokens = reader.parse(text)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            # The page has headings of its own above, and HTML has none below h6.
            token.tag = f"h{min(_DEEPEST, int(token.tag[1:]) + below)}"
        for child in token.children or ():
            _render_link(child)
    return mark_safe(str(reader.renderer.render(tokens, reader.options, {})))  # noqa: S308


def _render_link(token: Token) -> None:
    if token.type == "link_open":
        # A model chose the target: it must learn no address of this service and gain no rank by the link.
        token.attrSet("rel", "nofollow noopener noreferrer")
