"""``providers.calls.call_model``, for ``bench.provider_call``."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestrator.settings")
django.setup()

from bench.provider_call_load import MAX_TOKENS, MODEL, PROMPT, SYSTEM, TIMEOUT_SECONDS, serve  # noqa: E402 - needs the settings
from providers.base import Request  # noqa: E402
from providers.calls import Caller, call_model  # noqa: E402


def call(number: int) -> None:
    """One call of one stage."""
    request = Request(
        model=MODEL,
        system=SYSTEM,
        prompt=f"{PROMPT}\n{number}",
        max_output_tokens=MAX_TOKENS,
        timeout_seconds=TIMEOUT_SECONDS,
    )
    call_model("openai", request, Caller(repo="bench", stage_id=number, stage_kind="bench"))


if __name__ == "__main__":
    serve(call, "psycopg", "genai-prices")
