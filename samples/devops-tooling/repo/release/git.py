"""Reads the output of ``git log --format=%B%x00``."""


def messages(log: str) -> list[str]:
    """Messages, oldest first, without empty ones."""
    return [message.strip() for message in reversed(log.split("\0")) if message.strip()]
