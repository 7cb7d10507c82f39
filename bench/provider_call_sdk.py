"""The bare SDK, for ``bench.provider_call``: one chat completion, no retries, as typed objects."""

import os

import openai

from bench.provider_call_load import MAX_TOKENS, MODEL, TIMEOUT_SECONDS, compose_messages, serve_turns

client = openai.OpenAI(
    api_key="k", base_url=os.environ["OPENAI_BASE_URL"], max_retries=0, timeout=TIMEOUT_SECONDS
)


def call_model(number: int) -> str | None:
    """Make one call; returns the answer's text."""
    answer = client.chat.completions.create(
        model=MODEL,
        max_tokens=MAX_TOKENS,
        messages=compose_messages(number),  # type: ignore[arg-type]  # plain dictionaries, as users pass them
    )
    return answer.choices[0].message.content


if __name__ == "__main__":
    serve_turns(call_model, "openai")
