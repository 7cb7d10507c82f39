"""The bare SDK, for ``bench.provider_call``: one streamed chat completion, no retries, as typed objects."""

import os
from collections.abc import Iterable
from typing import Any

import openai

from bench.provider_call_load import (
    MAX_TOKENS,
    MODEL,
    TIMEOUT_SECONDS,
    compose_messages,
    join_pieces,
    serve_turns,
)

client = openai.OpenAI(
    api_key="k", base_url=os.environ["OPENAI_BASE_URL"], max_retries=0, timeout=TIMEOUT_SECONDS
)


def stream_answer(number: int) -> Iterable[Any]:
    """Ask; returns the chunks as they come."""
    # Plain dictionaries, as users pass them.
    messages: Any = compose_messages(number)
    return client.chat.completions.create(
        model=MODEL,
        max_tokens=MAX_TOKENS,
        messages=messages,
        stream=True,
        stream_options={"include_usage": True},
    )


def call_model(number: int) -> str | None:
    """Make one call; returns the answer's text."""
    return join_pieces(stream_answer(number))


if __name__ == "__main__":
    serve_turns(call_model, "openai")
