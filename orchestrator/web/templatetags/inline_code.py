"""Messages and cures on pages: text between backticks is something to type."""

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

register = template.Library()


@register.filter
def with_code(text: object) -> SafeString:
    """``text`` with code elements in the place of pairs of backticks; everything in it is escaped."""
    parts = str(text).split("`")
    # The last mark of an odd number has no partner: it stays what it is.
    if len(parts) % 2 == 0:
        parts[-2:] = ["`".join(parts[-2:])]
    shown = [format_html("<code>{}</code>", part) if place % 2 else part for place, part in enumerate(parts)]
    return format_html_join("", "{}", ((part,) for part in shown))
