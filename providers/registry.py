"""Which provider serves a model. (Interface; the adapters land with the providers.)"""

import re

from providers.base import UnknownModel

_VENDORS = {"anthropic": r"claude-", "google": r"(models/)?gem(ini|ma)-", "openai": r"(gpt-|chatgpt-|o\d)"}


def provider_for_model(model: str) -> str:
    """The provider that serves ``model``; raises ``UnknownModel``."""
    for vendor, pattern in _VENDORS.items():
        if re.match(pattern, model):
            return vendor
    raise UnknownModel("no provider", f"no provider is known for the model {model!r}")
