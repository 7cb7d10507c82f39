"""``providers.calls.call_model``, for ``bench.provider_call``."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestrator.settings")
django.setup()

from bench.provider_call_load import (  # noqa: E402 - Django comes first
    MAX_TOKENS,
    MODEL,
    SYSTEM,
    TIMEOUT_SECONDS,
    compose_prompt,
    serve_turns,
)
from providers.base import Request  # noqa: E402
from providers.calls import Caller, call_model  # noqa: E402


def call_once(number: int) -> str:
    """Make one call of a stage; returns the answer's text."""
    request = Request(
        model=MODEL,
        system=SYSTEM,
        prompt=compose_prompt(number),
        max_output_tokens=MAX_TOKENS,
        timeout_seconds=TIMEOUT_SECONDS,
    )
    return call_model(
        "openai", request, Caller(repo="bench", stage_id=number, stage_kind="bench")
    ).completion.text


if __name__ == "__main__":
    serve_turns(call_once, "psycopg", "genai-prices")
