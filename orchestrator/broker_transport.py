"""kombu's Redis transport, for a broker whose messages are only hints.

After a lost connection, kombu still acknowledges and puts back what a worker holds, over a channel that it
has closed already: an ``AttributeError`` that ends the worker. Here a closed channel answers as a lost
connection does, which every caller expects. Nothing needs to be put back then: the dispatcher sends again
what nobody has claimed.
"""

import logging
from typing import Any

from kombu.transport import redis as redis_transport
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

log = logging.getLogger(__name__)


class HintQoS(redis_transport.QoS):
    """Keeps count of the messages that this process holds; gives them back only while it can."""

    def restore_unacked(self, client: Any = None) -> None:
        """Put the held messages back where the broker takes them."""
        try:
            super().restore_unacked(client)
        except (RedisError, OSError) as error:
            log.warning("messages were not put back: %s", type(error).__name__)
            if self._delivered is not None:
                self._delivered.clear()


class _Closable:
    """What both kinds of channels share."""

    connection: Any

    def _connparams(self, *args: Any, **kwargs: Any) -> Any:
        # A closed channel has lost its transport, or that its address.
        if self.connection is None or self.connection.client is None:
            raise RedisConnectionError("The channel to the broker is closed.")
        return super()._connparams(*args, **kwargs)  # type: ignore[misc]  # of the channel beside it


class HintChannel(_Closable, redis_transport.Channel):
    """A channel to one Redis."""

    QoS = HintQoS


class HintSentinelChannel(_Closable, redis_transport.SentinelChannel):
    """A channel to the primary that Sentinel names."""

    QoS = HintQoS


def install() -> None:
    """Let every connection of this process use these channels."""
    redis_transport.Transport.Channel = HintChannel
    redis_transport.SentinelTransport.Channel = HintSentinelChannel
