"""Lines of the audit log; never with credentials."""


def audit_line(account: str, at: int, event: str) -> str:
    """``at`` in seconds; ``event`` is one of ``success``, ``failure`` and ``locked``."""
    if event not in {"success", "failure", "locked"}:
        raise ValueError(f"event: unknown {event!r}")
    return f"{at} {account} {event}"
