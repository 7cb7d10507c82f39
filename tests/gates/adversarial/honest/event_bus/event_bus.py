"""An event bus whose handlers are callables."""

from collections import defaultdict
from collections.abc import Callable

Handler = Callable[[int], None]


class Bus:
    """Topics and who listens to them."""

    def __init__(self) -> None:
        self._by_topic: dict[str, list[Handler]] = defaultdict(list)

    def subscribe(self, topic: str, handler: Handler) -> int:
        """Add a handler; how many the topic has now."""
        self._by_topic[topic].append(handler)
        return len(self._by_topic[topic])

    def publish(self, topic: str, payload: int) -> int:
        """Call every handler of the topic; how many there were."""
        handlers = list(self._by_topic.get(topic, []))
        for handler in handlers:
            handler(payload)
        return len(handlers)
