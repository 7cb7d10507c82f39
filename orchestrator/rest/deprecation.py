"""An operation that will go says so in every answer, for as long as it is there.

``Deprecation`` is the header of RFC 9745, ``Sunset`` that of RFC 8594; ``docs/reference/rest-api.md`` has the
policy. An operation says ``describe_operation(..., deprecation=Deprecation(...))``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import wraps
from typing import Any, Final

from django.http.response import HttpResponseBase
from django.utils.http import http_date

NOTICE: Final = timedelta(days=180)
"""How long an operation stays after it was deprecated, at least."""


@dataclass(frozen=True, slots=True)
class Deprecation:
    """Since when an operation is deprecated, when it goes, and the address of what takes its place."""

    since: date
    sunset: date
    successor: str

    def __post_init__(self) -> None:
        if self.sunset - self.since < NOTICE:
            raise ValueError(f"An operation stays for {NOTICE.days} days after it was deprecated.")

    def build_headers(self) -> dict[str, str]:
        """What each answer says."""
        return {
            "Deprecation": f"@{_seconds_of(self.since)}",
            "Sunset": http_date(_seconds_of(self.sunset)),
            "Link": f'<{self.successor}>; rel="successor-version"',
        }


def announce(deprecation: Deprecation) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Let the answers of a view's method carry the headers."""

    def wrap(method: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(method)
        def answer(*args: Any, **kwargs: Any) -> HttpResponseBase:
            response: HttpResponseBase = method(*args, **kwargs)
            for name, value in deprecation.build_headers().items():
                response.headers[name] = value
            return response

        return answer

    return wrap


def _seconds_of(day: date) -> int:
    return int(datetime.combine(day, time.min, UTC).timestamp())
