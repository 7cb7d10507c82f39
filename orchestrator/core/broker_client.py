"""A client of the broker for a few commands, beside Celery's own."""

from typing import Any

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelConnectionPool

from orchestrator.broker_address import BrokerAddress, parse_broker_url


class SentinelClient(redis.Redis):
    """A client of the primary that Sentinels name, asked again for each new connection."""

    def close(self) -> None:
        """Close the connections to the Sentinels too."""
        pool = self.connection_pool
        super().close()
        if isinstance(pool, SentinelConnectionPool):
            for one in pool.sentinel_manager.sentinels:
                one.close()


def open_broker(timeout_seconds: float) -> "redis.Redis":
    """A client that waits at most ``timeout_seconds`` for a connection and for each answer.

    Sentinels that know no primary are a ``redis.ConnectionError``.
    """
    # No pool of the process: a connection that is kept for long may be half open after a failover.
    address = parse_broker_url(settings.REDIS_URL, settings.SERVERS_CA_FILE)
    timeouts = {"socket_timeout": timeout_seconds, "socket_connect_timeout": timeout_seconds}
    if not address.sentinels:
        return redis.Redis.from_url(address.url, **address.tls_options(), **timeouts)
    client: redis.Redis = _open_sentinels(address, timeouts).master_for(address.master, SentinelClient)
    return client


def _open_sentinels(address: BrokerAddress, timeouts: dict[str, Any]) -> Any:
    # No Sentinel is asked twice, and no server: the caller asks again, and a probe has to end in time.
    once = timeouts | {"retry": Retry(NoBackoff(), 0)}
    servers = once | {"db": address.database}
    if address.password:
        servers |= {"username": address.user or None, "password": address.password}
    if address.tls:
        servers |= {"ssl": True, **address.tls_options()}
    make: Any = Sentinel
    return make(list(address.sentinels), sentinel_kwargs=address.sentinel_options(once), **servers)
