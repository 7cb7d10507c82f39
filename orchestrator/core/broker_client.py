"""A client of the broker for a few commands, beside Celery's own."""

import redis
from django.conf import settings


def open_broker(timeout_seconds: float) -> "redis.Redis":
    """A client that waits at most ``timeout_seconds`` for a connection and for each answer."""
    # No pool of the process: a connection that is kept for long may be half open after a failover.
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=timeout_seconds, socket_connect_timeout=timeout_seconds
    )
