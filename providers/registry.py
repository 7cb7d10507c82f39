"""Every adapter, one line each. A worker pays for the import of an SDK when it first calls that provider."""

import os
import threading
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Final

from django.conf import settings

from providers import catalog
from providers.base import Adapter, AuthenticationFailed, UnknownModel

ADAPTERS: Final[Mapping[str, str]] = {
    "anthropic": "providers.adapters.anthropic:AnthropicAdapter",
    "openai": "providers.adapters.openai:OpenAIAdapter",
    "google-genai": "providers.adapters.google_genai:GoogleAdapter",
    "google-generativeai": "providers.adapters.google_generativeai:OldGoogleAdapter",
}
_NO_KEY: Final = "not-needed"

_lock = threading.Lock()
_built: dict[tuple[str, str, str], Adapter] = {}
_inherited: list[dict[tuple[str, str, str], Adapter]] = []


def get(provider: str) -> Adapter:
    """The adapter of ``anthropic``, ``openai`` or ``google``, built once per process from the settings.

    Raises ``AuthenticationFailed`` when neither a key nor a base URL is set: with a base URL of its own an
    OpenAI-compatible server may need no key.
    """
    options = settings.PROVIDERS.get(provider)
    if options is None:
        raise UnknownModel(provider, f"there is no provider {provider!r}")
    key, base_url = options["api_key"], options["base_url"]
    if not key and not base_url:
        raise AuthenticationFailed(provider, f"{provider.upper()}_API_KEY is not set")
    name = settings.GOOGLE_SDK if provider == "google" else provider
    identity = (name, key, base_url)
    with _lock:
        if identity not in _built:
            _built[identity] = load(name)(key or _NO_KEY, base_url)
        return _built[identity]


def providers() -> frozenset[str]:
    """The names that ``get`` takes."""
    return frozenset(settings.PROVIDERS)


def load(name: str) -> Callable[[str, str], Adapter]:
    """The class behind a line of ``ADAPTERS``: called with an API key and a base URL (empty: the vendor's own)."""
    module, _, attribute = ADAPTERS[name].partition(":")
    built: Callable[[str, str], Adapter] = getattr(import_module(module), attribute)
    return built


def provider_for_model(model: str) -> str:
    """The provider that serves ``model``, so that a fallback can name any model.

    A name that no vendor uses belongs to the OpenAI-compatible server where one is configured; else ``UnknownModel``.
    """
    try:
        return catalog.vendor_of(model)
    except UnknownModel:
        if settings.PROVIDERS["openai"]["base_url"]:
            return "openai"
        raise


def close() -> None:
    """Close every adapter of this process; the next ``get`` builds anew."""
    with _lock:
        for adapter in _built.values():
            adapter.close()
        _built.clear()


def _after_fork() -> None:
    """A child builds its own clients. The parent's are kept unused: closing them would end the parent's TLS sessions."""
    global _lock, _built
    _inherited.append(_built)
    _lock, _built = threading.Lock(), {}


os.register_at_fork(after_in_child=_after_fork)
