"""The span of a model call, by OpenTelemetry's conventions for generative AI.

Written by hand: the vendors' SDKs send through a client that no instrumentation knows, and a span of HTTP
would not know tokens. It carries names and numbers; prompts and answers stay out of traces.

Source: opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans, version 1.38.
"""

from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings

from orchestrator.core import tracing
from providers.base import Completion, Request, StopReason

# The convention's own names of the vendors; a compatible server keeps ours.
_VENDORS: Final = {"anthropic": "anthropic", "openai": "openai", "google": "gcp.gemini"}
_HOSTS: Final = {
    "anthropic": "api.anthropic.com",
    "openai": "api.openai.com",
    "google": "generativelanguage.googleapis.com",
}
_FINISH: Final = {
    StopReason.END: "stop",
    StopReason.LENGTH: "length",
    StopReason.REFUSAL: "refusal",
    StopReason.CONTENT_FILTER: "content_filter",
}


def open_call_span(provider: str, request: Request, call_id: UUID) -> tracing.TraceSpan:
    """The span of one request to ``provider``; ``call_id`` is the ledger's."""
    if not tracing.is_on():
        return tracing.NO_SPAN
    base_url = urlsplit(settings.PROVIDERS[provider]["base_url"])
    attributes: dict[str, tracing.AttributeValue] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": _VENDORS.get(provider, provider),
        "gen_ai.request.model": request.model,
        "gen_ai.request.max_tokens": request.max_output_tokens,
        "gen_ai.output.type": "text" if request.json_schema is None else "json",
        "server.address": base_url.hostname or _HOSTS.get(provider, ""),
        "server.port": base_url.port or (80 if base_url.scheme == "http" else 443),
        "orchestrator.call_id": str(call_id),
    }
    return tracing.open_span(f"chat {request.model}", attributes, kind=tracing.CLIENT)


def describe_answer(completion: Completion) -> tracing.Attributes:
    """What the span says of the answer. Tokens of the input include those that came from a cache."""
    usage = completion.usage
    cache_written = usage.cache_write_5m_tokens + usage.cache_write_1h_tokens
    return {
        "gen_ai.response.model": completion.model,
        "gen_ai.response.id": completion.request_id,
        "gen_ai.response.finish_reasons": (_FINISH[completion.stop_reason],),
        "gen_ai.usage.input_tokens": usage.input_tokens + usage.cache_read_tokens + cache_written,
        "gen_ai.usage.output_tokens": usage.output_tokens + usage.reasoning_tokens,
        "gen_ai.usage.cache_read.input_tokens": usage.cache_read_tokens,
        "gen_ai.usage.cache_creation.input_tokens": cache_written,
    }
