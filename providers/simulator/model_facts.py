"""What the vendors say of their models: windows, ceilings, ways to think, sizes of cached prefixes.

It is the simulator's own table and not ``providers.catalog``: what checks a request must not share the
request's beliefs. The first pattern that matches counts.
"""

import re
from dataclasses import dataclass
from typing import Final

LOW_TO_HIGH: Final = ("low", "medium", "high")


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """One family of models. Sizes are in tokens.

    ``thinking`` are the values of the vendor's switch, ``efforts`` those of its effort; empty where the model
    knows none. ``default_effort`` is what it does unasked; empty for a model that does not think then.
    ``samples``: it takes ``temperature`` and ``top_p``. ``schemas``, ``json_only``: its answer can be bound
    to a schema, to JSON of any shape. ``instructions``: it takes a system text. ``writes_billed``: a cache
    write has a price of its own and hits only at breakpoints. ``density`` is the tokens that it makes of what
    others count as one.
    """

    pattern: re.Pattern[str]
    window: int
    output: int
    cached_from: int = 1024
    thinking: tuple[str, ...] = ()
    efforts: tuple[str, ...] = ()
    default_effort: str = ""
    samples: bool = True
    schemas: bool = True
    json_only: bool = True
    instructions: bool = True
    writes_billed: bool = False
    density: float = 1.0


def _family(pattern: str, window: int, output: int, **known: object) -> ModelFacts:
    return ModelFacts(re.compile(pattern), window, output, **known)  # type: ignore[arg-type]


_ALL_EFFORTS: Final = (*LOW_TO_HIGH, "xhigh", "max")
_GPT_EFFORTS: Final = ("none", *LOW_TO_HIGH, "xhigh")

# https://platform.claude.com/docs/en/models/overview and .../models/sonnet-5-5/whats-new-sonnet-5-5,
# https://platform.claude.com/docs/en/build-with-claude/prompt-caching
_ANTHROPIC: Final = (
    _family(
        r"claude-(sonnet|haiku)-5-5",
        1_000_000,
        128_000,
        cached_from=512,
        thinking=("adaptive", "between_tools"),
        efforts=_ALL_EFFORTS,
        default_effort="high",
        samples=False,
        density=1.3,
    ),
    _family(
        r"claude-(opus|fable|mythos)-5",
        1_000_000,
        128_000,
        cached_from=512,
        thinking=("adaptive",),
        efforts=_ALL_EFFORTS,
        default_effort="medium",
        samples=False,
        density=1.3,
    ),
    _family(
        r"claude-sonnet-5",
        1_000_000,
        128_000,
        thinking=("adaptive", "disabled"),
        efforts=_ALL_EFFORTS,
        default_effort="high",
        samples=False,
        density=1.3,
    ),
    _family(
        r"claude-(sonnet|opus)-4-[6-9]",
        200_000,
        64_000,
        cached_from=4096,
        thinking=("adaptive", "enabled", "disabled"),
        efforts=_ALL_EFFORTS,
    ),
    _family(
        r"claude-opus-4-5",
        200_000,
        64_000,
        cached_from=4096,
        thinking=("enabled", "disabled"),
        efforts=LOW_TO_HIGH,
    ),
    _family(r"claude-haiku-4-5", 200_000, 64_000, cached_from=4096, thinking=("enabled", "disabled")),
    _family(r"claude-sonnet-4-5", 200_000, 64_000, thinking=("enabled", "disabled")),
    _family(r"claude-opus-4", 200_000, 32_000, thinking=("enabled", "disabled"), schemas=False),
    _family(r"claude-sonnet-4", 200_000, 64_000, thinking=("enabled", "disabled"), schemas=False),
    _family(r"claude-3-7-", 200_000, 64_000, thinking=("enabled", "disabled"), schemas=False),
    _family(r"claude-3-5-", 200_000, 8192, cached_from=2048, schemas=False),
    _family(r"claude-3-", 200_000, 4096, cached_from=2048, schemas=False),
    # A model that appears tomorrow: the strictest of what is known.
    _family(
        r"claude-",
        1_000_000,
        128_000,
        cached_from=4096,
        thinking=("adaptive",),
        efforts=_ALL_EFFORTS,
        default_effort="high",
        samples=False,
        density=1.3,
    ),
)

# https://developers.openai.com/api/docs/models, .../guides/reasoning and .../guides/prompt-caching
_OPENAI: Final = (
    _family(r"(ft:)?gpt-4\.1", 1_047_576, 32_768),
    _family(r"(ft:)?gpt-4o-2024-05-13", 128_000, 4096, schemas=False),
    _family(r"(ft:)?(gpt|chatgpt)-4o", 128_000, 16_384),
    _family(r"gpt-4-turbo|gpt-4-\d{4}-preview", 128_000, 4096, schemas=False),
    _family(r"(ft:)?gpt-3\.5", 16_385, 4096, schemas=False),
    _family(r"(ft:)?gpt-4($|-)", 8192, 4096, schemas=False, json_only=False),
    _family(r"gpt-5(\.\d)?-chat", 128_000, 16_384),
    _family(r"gpt-5-pro", 400_000, 272_000, efforts=("high",), default_effort="high", samples=False),
    _family(
        r"gpt-5($|-)",
        400_000,
        128_000,
        efforts=("minimal", *LOW_TO_HIGH),
        default_effort="medium",
        samples=False,
    ),
    _family(r"gpt-5\.[1-4]", 400_000, 128_000, efforts=_GPT_EFFORTS, samples=False),
    _family(r"gpt-5\.5", 400_000, 128_000, efforts=_GPT_EFFORTS, default_effort="medium", samples=False),
    _family(
        r"gpt-(5\.[6-9]|[6-9]|\d\d)",
        400_000,
        128_000,
        efforts=(*_GPT_EFFORTS, "max"),
        default_effort="medium",
        samples=False,
        writes_billed=True,
    ),
    _family(r"o\d", 200_000, 100_000, efforts=LOW_TO_HIGH, default_effort="medium", samples=False),
    _family(r"codex-", 200_000, 100_000, efforts=LOW_TO_HIGH, default_effort="medium", samples=False),
    # A compatible server on the user's own machine.
    _family(r"local-", 32_768, 8192),
)

# https://ai.google.dev/gemini-api/docs/models, .../thinking and .../caching
_GOOGLE: Final = (
    _family(
        r"gemini-2\.5-pro", 1_048_576, 65_536, cached_from=4096, thinking=("budget",), default_effort="high"
    ),
    _family(r"gemini-2\.5", 1_048_576, 65_536, thinking=("budget", "off"), default_effort="medium"),
    _family(r"gemini-(1|2\.0|exp|pro)", 1_048_576, 8192),
    _family(r"gemma-", 131_072, 8192, schemas=False, json_only=False, instructions=False),
    # The third generation, and what comes after it.
    _family(
        r"gemini-",
        1_048_576,
        65_536,
        cached_from=4096,
        thinking=("level",),
        efforts=("minimal", *LOW_TO_HIGH),
        default_effort="high",
    ),
)
_TABLES: Final = {"anthropic": _ANTHROPIC, "openai": _OPENAI, "google": _GOOGLE}


def find_facts(provider: str, model: str) -> ModelFacts | None:
    """Return what is known of ``model``; None where the vendor has no such model."""
    return next((facts for facts in _TABLES[provider] if facts.pattern.match(model)), None)
