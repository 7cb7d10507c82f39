"""The bare SDK, for ``bench.provider_call``: one chat completion, no retries, as typed objects."""

import os

import openai

from bench.provider_call_load import MAX_TOKENS, MODEL, TIMEOUT_SECONDS, messages, serve

client = openai.OpenAI(
    api_key="k", base_url=os.environ["OPENAI_BASE_URL"], max_retries=0, timeout=TIMEOUT_SECONDS
)


def call(number: int) -> None:
    """One call."""
    client.chat.completions.create(model=MODEL, max_tokens=MAX_TOKENS, messages=messages(number))  # type: ignore[arg-type]


if __name__ == "__main__":
    serve(call, "openai")
