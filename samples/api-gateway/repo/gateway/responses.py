"""What a refused client is told."""


def too_many_requests(retry_after: int) -> dict[str, str]:
    """Headers of a 429; ``retry_after`` in microseconds, told in whole seconds, rounded up."""
    return {"Retry-After": str(-(-retry_after // 1_000_000)), "Cache-Control": "no-store"}
