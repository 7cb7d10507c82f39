"""litellm's Router, for ``bench/provider_call.py``; run in litellm's own environment.

With limits of tokens and requests a minute for the model, without retries.
"""

import os

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # the bundled list: no network

from litellm import Router

from bench.provider_call_load import (
    MAX_TOKENS,
    MODEL,
    TIMEOUT_SECONDS,
    compose_messages,
    join_pieces,
    serve_turns,
)

parameters = {
    "model": f"openai/{MODEL}",
    "api_base": os.environ["OPENAI_BASE_URL"],
    "api_key": "k",
    "tpm": 10**9,
    "rpm": 10**6,
}
router = Router(
    model_list=[{"model_name": MODEL, "litellm_params": parameters}],
    routing_strategy="usage-based-routing-v2",
    num_retries=0,
    timeout=TIMEOUT_SECONDS,
)


def call_model(number: int) -> str | None:
    """Make one call; returns the answer's text."""
    messages = compose_messages(number)
    return join_pieces(
        router.completion(
            MODEL,
            messages=messages,
            max_tokens=MAX_TOKENS,
            stream=True,
            stream_options={"include_usage": True},
        )
    )


if __name__ == "__main__":
    serve_turns(call_model, "litellm")
