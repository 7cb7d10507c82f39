"""The queues of the engine: one for each provider, one for gates, one for work that calls nobody."""

from enum import StrEnum


class Queue(StrEnum):
    """A Celery queue. Provider queues carry the provider's name."""

    ANTHROPIC = "anthropic"
    OPENAI = "openai"
    GOOGLE = "google"
    GATES = "gates"
    CONTROL = "control"


PROVIDER_QUEUES = (Queue.ANTHROPIC, Queue.OPENAI, Queue.GOOGLE)
