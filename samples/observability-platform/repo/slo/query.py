"""Counts of requests per window, as PromQL."""

WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")


def count_query(service: str, window: str, *, failed: bool) -> str:
    """PromQL for the requests of ``service`` in ``window``. Raises ``ValueError`` for a window we do not record."""
    if window not in WINDOWS:
        raise ValueError(f"unknown window {window!r}")
    status = ',status=~"5.."' if failed else ""
    return f'sum(increase(http_requests_total{{service="{service}"{status}}}[{window}]))'
