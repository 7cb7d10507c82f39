"""The last 25 hours as an inline SVG: one bar an hour, a line at the share that pauses."""

from collections.abc import Sequence
from typing import Final

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from providers.quota import Hour

_WIDTH: Final = 750
_HEIGHT: Final = 160
_BASE: Final = 140


def hours(bars: Sequence[Hour], limit: int, threshold_percent: int) -> SafeString:
    """Each bar is the running sum up to its hour, so that it is read against ``limit`` tokens; the hour's own part is darker."""
    step, total = _WIDTH / max(len(bars), 1), 0
    drawn = []
    for place, bar in enumerate(bars):
        total += bar.tokens
        title = f"{bar.start:%d %b %H:00}: {bar.tokens:,} tokens, {total:,} in the window"
        drawn += [
            _bar(place * step, step, total, limit, "0.25", title),
            _bar(place * step, step, bar.tokens, limit, "0.9", title),
        ]
    line = _BASE - _BASE * threshold_percent / 100
    return format_html(
        '<svg role="img" aria-label="Tokens of the last 24 hours" viewBox="0 0 {} {}" width="100%" fill="currentColor">{}'
        '<line x1="0" x2="{}" y1="{}" y2="{}" stroke="#dc2626" stroke-dasharray="4"/>'
        '<text x="2" y="{}" font-size="11" fill="#dc2626">{}</text>'
        '<text x="0" y="{}" font-size="11">{}</text><text x="{}" y="{}" font-size="11" text-anchor="end">now</text></svg>',
        _WIDTH,
        _HEIGHT,
        format_html_join("", '<rect x="{}" y="{}" width="{}" height="{}" opacity="{}"><title>{}</title></rect>', drawn),
        _WIDTH,
        line,
        line,
        line + 12,
        f"{threshold_percent} % of {limit:,} tokens pauses",
        _HEIGHT - 4,
        f"{bars[0].start:%d %b %H:00}" if bars else "",
        _WIDTH,
        _HEIGHT - 4,
    )


def _bar(x: float, step: float, tokens: int, limit: int, opacity: str, title: str) -> tuple[object, ...]:
    height = min(_BASE, _BASE * tokens / max(limit, 1))
    return (round(x + 1, 1), round(_BASE - height, 1), round(step - 2, 1), round(height, 1), opacity, title)
