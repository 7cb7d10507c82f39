"""Draw the last 25 hours as an inline SVG: one bar an hour, a line at the share that pauses."""

from collections.abc import Sequence
from typing import Final

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from providers.quota_report import Hour

_WIDTH: Final = 750
_HEIGHT: Final = 140
# The least height of a bar with any token, in units of the picture.
_SEEN: Final = 2.0
# The picture is stretched to the page's width; words are beside it, because they would shrink with it on a
# narrow page.
_FIGURE: Final = (
    '<figure class="w-full"><svg role="img" aria-label="Tokens of the last 24 hours" viewBox="0 0 {} {}"'
    ' width="100%" height="{}" preserveAspectRatio="none" fill="currentColor">{}{}</svg>'
    '<div class="flex justify-between text-xs"><span>{}</span><span>now</span></div>'
    '<figcaption class="text-xs">{}</figcaption></figure>'
)


def draw_hours(bars: Sequence[Hour], limit: int, threshold_percent: int | None) -> SafeString:
    """Each bar is the running sum up to its hour, so that it is read against ``limit`` tokens; the hour's own
    part is stronger.

    ``threshold_percent`` of the limit is where the quota breaker stops new calls; None: it is switched off.
    """
    step, total = _WIDTH / max(len(bars), 1), 0
    drawn = []
    for place, bar in enumerate(bars):
        total += bar.tokens
        # The title is what a screen reader reads and a mouse shows: colour alone says nothing.
        title = f"{bar.start:%d %b %H:00}: {bar.tokens:,} tokens, {total:,} in the window"
        drawn += [
            _draw_bar(place * step, step, total, limit, "0.25", title),
            _draw_bar(place * step, step, bar.tokens, limit, "0.9", title),
        ]
    lines = _draw_line(_HEIGHT, "currentColor")
    stops = ""
    if threshold_percent is not None:
        lines += _draw_line(_HEIGHT - _HEIGHT * threshold_percent / 100, "#ef4444", "4")
        stops = f"; line: {threshold_percent} %, where no new call starts"
    return format_html(
        _FIGURE,
        _WIDTH,
        _HEIGHT,
        _HEIGHT,
        format_html_join(
            "", '<rect x="{}" y="{}" width="{}" height="{}" opacity="{}"><title>{}</title></rect>', drawn
        ),
        lines,
        f"{bars[0].start:%d %b %H:00}" if bars else "",
        f"Strong: tokens of the hour; faint: of all hours up to it; full height: {limit:,} tokens{stops}."
        + ("" if total else " No token was used."),
    )


def _draw_line(y: float, colour: str, dashes: str = "none") -> SafeString:
    return format_html(
        '<line x1="0" x2="{}" y1="{}" y2="{}" stroke="{}" stroke-dasharray="{}"'
        ' vector-effect="non-scaling-stroke"/>',
        _WIDTH,
        y,
        y,
        colour,
        dashes,
    )


def _draw_bar(x: float, step: float, tokens: int, limit: int, opacity: str, title: str) -> tuple[object, ...]:
    height = min(_HEIGHT, _HEIGHT * tokens / max(limit, 1))
    # An hour with few tokens must not look like one with none.
    height = max(height, _SEEN) if tokens else 0
    return (round(x + 1, 1), round(_HEIGHT - height, 1), round(step - 2, 1), round(height, 1), opacity, title)
