"""The queues of the engine: one for each provider, one for gates, one for work that calls nobody."""

from enum import StrEnum

from django.conf import settings


class Queue(StrEnum):
    """A Celery queue. Provider queues carry the provider's name."""

    # A queue for each provider, so that a slow or paused one never holds up calls to the others.
    ANTHROPIC = "anthropic"
    OPENAI = "openai"
    GOOGLE = "google"
    # Gates are bound by processors, calls by waiting: each kind gets workers of its own size.
    GATES = "gates"
    CONTROL = "control"


ONBOARDING_QUEUE = "onboarding"
"""Not a queue of stages: no flow waits on it, and the fair queue does not know it."""
PROVIDER_QUEUES = (Queue.ANTHROPIC, Queue.OPENAI, Queue.GOOGLE)


def list_queues() -> tuple[str, ...]:
    """Every queue: those above, and one for each compatible server of the settings."""
    return (*(queue.value for queue in Queue), *settings.COMPATIBLE_PROVIDERS)
