"""Prices payloads by litellm; run by ``bench/cost.py`` in litellm's own environment.

Reads and writes JSON lines.
"""

import json
import os
import sys
from typing import Any

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # the bundled list: no network

from importlib.metadata import version

import litellm
from litellm.cost_calculator import completion_cost
from litellm.llms.anthropic.chat.transformation import AnthropicConfig
from litellm.llms.vertex_ai.gemini.vertex_and_google_ai_studio_gemini import VertexGeminiConfig
from litellm.responses.utils import ResponseAPILoggingUtils
from litellm.types.utils import ModelResponse, Usage


def usage(one: dict[str, Any]) -> Usage:
    """litellm's own reading of the vendor's usage."""
    raw = one["raw"]
    if one["provider"] == "anthropic":
        return AnthropicConfig().calculate_usage(usage_object=raw["usage"], reasoning_content=None)
    if one["provider"] == "google":
        return VertexGeminiConfig._calculate_usage({"usageMetadata": raw["usageMetadata"]})
    if one["flavor"] == "responses":
        return ResponseAPILoggingUtils._transform_response_api_usage_to_chat_usage(raw["usage"])
    return Usage(**raw["usage"])


def output_limits() -> dict[str, int]:
    """Model, without its vendor's prefix, to the most tokens that it may write in one answer, as far as
    litellm knows.
    """
    vendors, kinds = ("openai", "anthropic", "gemini"), ("chat", "responses")
    known = {name: one for name, one in litellm.model_cost.items() if one.get("litellm_provider") in vendors}
    limits = {name: one.get("max_output_tokens") for name, one in known.items() if one.get("mode") in kinds}
    return {name.rpartition("/")[2]: limit for name, limit in limits.items() if isinstance(limit, int)}


def main() -> None:
    """One line in, one line out: USD, or why there is none.

    The first line out says what litellm knows by itself.
    """
    sys.stdout.write(json.dumps({"version": version("litellm"), "output_limits": output_limits()}) + "\n")
    for line in sys.stdin:
        one = json.loads(line)
        vendor = {"google": "gemini"}.get(one["provider"], one["provider"])
        try:
            answer = ModelResponse(model=one["model"], usage=usage(one))
            usd = completion_cost(answer, model=one["model"], custom_llm_provider=vendor)
            sys.stdout.write(json.dumps({"usd": repr(usd)}) + "\n")
        except Exception as error:  # noqa: BLE001 - a peer that cannot is a figure, not a crash
            sys.stdout.write(json.dumps({"error": f"{type(error).__name__}: {error}"[:300]}) + "\n")


if __name__ == "__main__":
    main()
