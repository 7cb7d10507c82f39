"""Every adapter, one line each.

A worker imports an SDK when it first calls that provider, which takes up to seconds.
"""

import atexit
import os
import threading
from collections.abc import Callable
from typing import Final

from django.conf import settings

from orchestrator.core.registry import Registry
from providers import catalog
from providers.base import Adapter, AuthenticationFailed, UnknownModel

# A member is called with an API key and a base URL; an empty base URL means the vendor's own. The one of
# compatible servers is called with the server's name too.
ADAPTERS: Final = Registry[Callable[..., Adapter]](
    "adapter",
    {
        "anthropic": "providers.adapters.anthropic:AnthropicAdapter",
        "openai": "providers.adapters.openai:OpenAIAdapter",
        "compatible": "providers.adapters.openai:CompatibleAdapter",
        "google-genai": "providers.adapters.google_genai:GoogleAdapter",
        "google-generativeai": "providers.adapters.google_generativeai:LegacyGoogleAdapter",
    },
)
# SDKs refuse an empty key, but an OpenAI-compatible server may need none.
_NO_KEY: Final = "not-needed"

_lock = threading.Lock()
_built: dict[tuple[str, ...], Adapter] = {}
_inherited: list[dict[tuple[str, ...], Adapter]] = []


def get_adapter(provider: str) -> Adapter:
    """Return the adapter of ``anthropic``, ``openai``, ``google`` or a compatible server, built once per
    process from the settings.

    Raises ``UnknownModel`` for any other name and ``AuthenticationFailed`` when neither a key nor a base URL
    is set. With its own base URL an OpenAI-compatible server may need no key.
    """
    options = settings.PROVIDERS.get(provider)
    if options is None:
        raise UnknownModel(provider, f"there is no provider {provider!r}")
    # Read at each call, not at import: a test or a reload may have changed them.
    key, base_url = options["api_key"], options["base_url"]
    if not key and not base_url:
        raise AuthenticationFailed(provider, f"{provider.upper()}_API_KEY is not set")
    compatible = provider in settings.COMPATIBLE_PROVIDERS
    # Settings may change under a running process, in tests at least: each combination has its own adapter.
    identity = (provider, settings.GOOGLE_SDK, key, base_url)
    # Two threads must not build two clients: each would open connections of its own.
    with _lock:
        if identity not in _built:
            name = settings.GOOGLE_SDK if provider == "google" else provider
            build = ADAPTERS.get("compatible" if compatible else name)
            own_name = (provider,) if compatible else ()
            _built[identity] = build(key or _NO_KEY, base_url, *own_name)
        return _built[identity]


def provider_names() -> frozenset[str]:
    """Return the names that ``get_adapter`` takes."""
    return frozenset(settings.PROVIDERS)


def find_compatible(model: str) -> str | None:
    """Return the first compatible server that lists ``model``; None where none does."""
    for name in settings.COMPATIBLE_PROVIDERS:
        if model in settings.PROVIDERS[name]["models"]:
            return str(name)
    return None


def may_cut_prompts(provider: str) -> bool:
    """Return whether the provider may be a server that cuts a prompt to its window instead of refusing it."""
    # The three vendors refuse it. OpenAI's protocol at another address may be spoken by any server.
    return provider not in {"anthropic", "google"} and bool(settings.PROVIDERS[provider]["base_url"])


def provider_for_model(model: str) -> str:
    """Return the provider that serves ``model``, so that a fallback can name any model.

    A model that a compatible server lists is asked there, also where a vendor has one of that name. A name
    that no vendor uses belongs to the server at ``OPENAI_BASE_URL``, if there is one; otherwise this raises
    ``UnknownModel``.
    """
    server = find_compatible(model)
    if server is not None:
        return server
    try:
        return catalog.vendor_of(model)
    except UnknownModel:
        if settings.PROVIDERS["openai"]["base_url"]:
            return "openai"
        raise


def close_adapters() -> None:
    """Close every adapter of this process; the next ``get_adapter`` builds it again."""
    with _lock:
        for adapter in _built.values():
            adapter.close()
        _built.clear()


# A client keeps its connections open for the next call. As the process ends they are closed, not dropped.
atexit.register(close_adapters)


def _after_fork() -> None:
    """Let a child build its own clients.

    The parent's clients are kept unused: closing them, or letting them be collected, would end the parent's
    TLS sessions.
    """
    global _lock, _built
    _inherited.append(_built)
    _lock, _built = threading.Lock(), {}


os.register_at_fork(after_in_child=_after_fork)
