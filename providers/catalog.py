"""Which vendor a model belongs to, and what a model's name means on the wire today."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from providers.base import UnknownModel

ALIASES: Final[Mapping[str, str]] = MappingProxyType(
    {
        # Gemini 1.0 Pro, which answered to this name, was shut down in 2025; 2.5 Pro is the generally available Pro
        # (https://ai.google.dev/gemini-api/docs/pricing). The old price, a tenth of today's, must not be applied to it.
        "gemini-pro": "gemini-2.5-pro",
    }
)

_VENDORS: Final = (
    ("anthropic", re.compile(r"claude-")),
    ("google", re.compile(r"(models/)?(gemini|gemma)-")),
    ("openai", re.compile(r"(gpt-|chatgpt-|codex-|ft:gpt-|o\d)")),
)


def wire_model(model: str) -> str:
    """The name that is sent and priced for ``model``."""
    return ALIASES.get(model, model)


def vendor_of(model: str) -> str:
    """``anthropic``, ``google`` or ``openai``, by the model's name; raises ``UnknownModel`` for any other."""
    for vendor, pattern in _VENDORS:
        if pattern.match(model):
            return vendor
    raise UnknownModel("no provider", f"no provider is known for the model {model!r}")
