"""Which vendor a model belongs to, and what a model's name means on the wire today."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from types import MappingProxyType
from typing import Any, Final

from django.conf import settings

from providers.base import UnknownModel


@dataclass(frozen=True, slots=True)
class Successor:
    """What answers for a model from the day on which its vendor shuts it down, by the vendor's own
    recommendation.
    """

    model: str
    since: date


SUCCESSORS: Final[Mapping[str, Successor]] = MappingProxyType(
    {
        # https://platform.claude.com/docs/en/about-claude/model-deprecations
        "claude-sonnet-4-5": Successor("claude-sonnet-5-5", date(2026, 11, 30)),
        # https://developers.openai.com/api/docs/deprecations
        "gpt-4-turbo": Successor("gpt-5.6-sol", date(2026, 10, 23)),
        # https://ai.google.dev/gemini-api/docs/deprecations: the replacement of 2.5 Pro, which replaced this
        # one. Its old price, a fraction of today's, is still in the list and must not be applied.
        "gemini-pro": Successor("gemini-3.8-flash", date(2025, 2, 15)),
        "gemini-2.5-pro": Successor("gemini-3.8-flash", date(2026, 12, 1)),
    }
)

# The first pattern that matches counts; one that was tuned (``ft:``) counts as its base. Models that may
# write 64,000 tokens and more are not listed: no stage asks for as much. ``make bench BENCH=cost`` compares
# the table with litellm's.
_OUTPUT_LIMITS: Final = (
    # https://platform.openai.com/docs/models, "max output tokens" of each model
    (re.compile(r"gpt-(4-turbo|4-\d{4}-(preview|vision)|4-(vision|turbo)-preview|3\.5-turbo)"), 4096),
    (re.compile(r"gpt-4o-2024-05-13"), 4096),
    (re.compile(r"(chat)?gpt-4o"), 16_384),
    (re.compile(r"gpt-5(\.\d)?-chat|gpt-audio"), 16_384),
    (re.compile(r"gpt-4\.1"), 32_768),
    # its window of 8192 holds the question too, so that as much could never be asked for
    (re.compile(r"gpt-4(-0613|-0314|$)"), 4096),
    # https://docs.claude.com/en/docs/about-claude/models/overview
    (re.compile(r"claude-3-(opus|sonnet|haiku)"), 4096),
    (re.compile(r"claude-3-5-"), 8192),
    (re.compile(r"claude-opus-4-[01](-|$)|claude-opus-4-2025"), 32_000),
    # https://ai.google.dev/gemini-api/docs/models
    (re.compile(r"(models/)?(gemini-(1\.|2\.0|exp-|gemma-2)|gemma-[23]-)"), 8192),
    (re.compile(r"(models/)?gemini-2\.5-\w+-preview-tts"), 16_384),
)

# The models that think, and how their effort is chosen: by a word, by a level of thinking, by a budget in
# tokens, or not at all. The others do not think unless they are asked to, and refuse the field. A model that
# appears tomorrow has the control of the newest one of its vendor.
_EFFORT_CONTROLS: Final = (
    # https://platform.claude.com/docs/en/build-with-claude/effort
    (re.compile(r"claude-(3|opus-4-[0-4](-|$)|opus-4-20|sonnet-4-[0-5](-|$)|sonnet-4-20|haiku-4)"), ""),
    (re.compile(r"claude-"), "effort"),
    # https://developers.openai.com/api/docs/guides/reasoning
    (re.compile(r"gpt-([5-9]|\d\d)(\.\d)?-chat"), ""),
    (re.compile(r"gpt-5-pro"), "fixed"),
    (re.compile(r"gpt-([5-9]|\d\d)|o\d|codex-"), "effort"),
    # https://ai.google.dev/gemini-api/docs/thinking
    (re.compile(r"(models/)?gemini-(1|2\.0|exp|pro)"), ""),
    (re.compile(r"(models/)?gemini-2\.5"), "budget"),
    (re.compile(r"(models/)?gemini-"), "level"),
)

# The models that cannot be bound to a JSON Schema and refuse the field: the schema is told to them in words.
_NO_SCHEMA: Final = (
    # https://platform.claude.com/docs/en/build-with-claude/structured-outputs
    re.compile(r"claude-(3|opus-4-[01](-|$)|opus-4-20|sonnet-4-0|sonnet-4-20)"),
    # https://developers.openai.com/api/docs/guides/structured-outputs
    re.compile(r"gpt-(3\.5|4-|4$|4o-2024-05-13)"),
    # https://ai.google.dev/gemma/docs/core/gemma_on_gemini_api
    re.compile(r"(models/)?gemma-"),
)

# Patterns, not lists: vendors publish models faster than this product is released.
_VENDORS: Final = (
    ("anthropic", re.compile(r"claude-")),
    ("google", re.compile(r"(models/)?(gemini|gemma)-")),
    ("openai", re.compile(r"(gpt-|chatgpt-|codex-|ft:gpt-|o\d)")),
)


def wire_model(model: str, on: date | None = None) -> str:
    """Return the name that is sent and priced for ``model`` on a day (today in UTC): itself, or its successor
    once it is shut down.
    """
    # A server of one's own has what it lists, also under a name that its vendor has retired.
    if find_terms(model) is not None:
        return model
    # By date, so that a deploy is not needed on the day of the shutdown.
    successor = SUCCESSORS.get(model)
    if successor is None or (on or datetime.now(UTC).date()) < successor.since:
        return model
    return successor.model


def find_terms(model: str) -> Mapping[str, Any] | None:
    """Return what the first compatible server that lists ``model`` says of it; None where none does."""
    for server in settings.COMPATIBLE_PROVIDERS:
        terms: Mapping[str, Any] | None = settings.PROVIDERS[server]["models"].get(model)
        if terms is not None:
            return terms
    return None


def output_limit(model: str, on: date | None = None) -> int | None:
    """Return how many tokens ``model`` may write in one answer, by the name that is sent on a day; ``None``
    where no stage asks for as much.

    Asking for more is refused by some vendors and cut by others.
    """
    terms = find_terms(model)
    if terms is not None:
        told: int | None = terms.get("max_output_tokens")
        return told
    # ``ft:gpt-4o:...`` is a fine-tuned model and has the limits of its base.
    wire = wire_model(model, on).removeprefix("ft:")
    return next((limit for pattern, limit in _OUTPUT_LIMITS if pattern.match(wire)), None)


def effort_control(model: str, on: date | None = None) -> str:
    """Return how the effort of ``model`` is chosen: ``effort``, ``level`` or ``budget``; ``fixed`` where it
    thinks as much as it likes; empty where it does not think by itself.
    """
    wire = wire_model(model, on)
    return next((control for pattern, control in _EFFORT_CONTROLS if pattern.match(wire)), "")


def takes_schema(model: str, on: date | None = None) -> bool:
    """Return whether the vendor of ``model`` can bind its answer to a JSON Schema.

    A compatible server is asked to: those that cannot say so.
    """
    if find_terms(model) is not None:
        return True
    wire = wire_model(model, on).removeprefix("ft:")
    return not any(pattern.match(wire) for pattern in _NO_SCHEMA)


def vendor_of(model: str) -> str:
    """Return ``anthropic``, ``google`` or ``openai``, by the model's name; raises ``UnknownModel`` for any
    other.
    """
    for vendor, pattern in _VENDORS:
        if pattern.match(model):
            return vendor
    raise UnknownModel("no provider", f"no provider is known for the model {model!r}")


def is_vendor_model(model: str) -> bool:
    """Return whether the name follows the pattern of one of the three vendors."""
    return any(pattern.match(model) for _, pattern in _VENDORS)
