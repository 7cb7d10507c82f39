"""The channels, as a table of name to the longest text that they take."""

LIMITS = {"mail": 100_000, "push": 178, "sms": 160}


def fit(channel: str, text: str) -> str:
    """``text`` cut to what the channel takes. Raises ``ValueError`` for a channel that we do not have."""
    if channel not in LIMITS:
        raise ValueError(f"channel: unknown {channel!r}")
    limit = LIMITS[channel]
    return text if len(text) <= limit else text[: limit - 1] + "…"
