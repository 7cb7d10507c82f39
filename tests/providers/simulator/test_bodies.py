"""Every body that an adapter builds is one that its vendor takes: for each family of models, with and without
a schema, a cached prefix, and each effort, by the strict simulator's own reading and its own table of models.
"""

import itertools

import pytest

from bench.model_prompts import build_body, find_refusal
from orchestrator.flows.stages import context, plan, review
from providers.base import Request
from providers.catalog import output_limit
from providers.registry import provider_for_model
from providers.simulator.model_facts import _TABLES, find_facts

MODELS = (
    "claude-sonnet-5-5",
    "claude-haiku-5-5",
    "claude-opus-5",
    "claude-sonnet-5",
    "claude-sonnet-4-6",
    "claude-opus-4-5",
    "claude-haiku-4-5",
    "claude-sonnet-4-5-20250929",
    "claude-opus-4-1-20250805",
    "claude-opus-4-0",
    "claude-opus-4-20250514",
    "claude-sonnet-4-0",
    "claude-sonnet-4-20250514",
    "claude-3-7-sonnet-20250219",
    "claude-3-5-haiku-20241022",
    "claude-3-opus-20240229",
    "claude-of-tomorrow",
    "gpt-4.1-mini",
    "gpt-4o-mini",
    "gpt-4o-2024-05-13",
    "chatgpt-4o-latest",
    "ft:gpt-4o-2024-08-06:org::x",
    "gpt-4-0613",
    "ft:gpt-4-0613:org::x",
    "gpt-4-turbo-2024-04-09",
    "gpt-3.5-turbo",
    "gpt-5-mini",
    "gpt-5-pro",
    "gpt-5-chat-latest",
    "gpt-5.1",
    "gpt-5.5",
    "gpt-5.6-sol",
    "gpt-6",
    "o3",
    "codex-mini-latest",
    "gemini-3.8-flash",
    "gemini-2.5-pro",
    "models/gemini-2.5-flash-lite",
    "gemini-2.0-flash",
    "gemini-flash-latest",
    "gemma-3-27b-it",
)
SCHEMAS = (None, context.SCHEMA, plan.SCHEMA, review.SCHEMA)
STABLE = ("", "total = 1\n" * 3000)


@pytest.mark.parametrize("model", MODELS)
def test_no_body_is_refused(model: str) -> None:
    facts = find_facts(provider_for_model(model), model.removeprefix("models/"))
    assert facts is not None
    room = min(output_limit(model) or 20_000, 20_000)
    for effort, schema, stable in itertools.product(("", "low", "medium", "high"), SCHEMAS, STABLE):
        # A small window has no place for a repository.
        shown = stable if facts.window > 50_000 else ""
        request = Request(model, "Be brief.", "Plan it.", room, 60, shown, schema, effort=effort)
        assert find_refusal(request) == "", (effort, schema is not None, bool(shown))
        # Where the vendor does not enforce the schema, the model reads it.
        _, body = build_body(request)
        if schema is not None:
            assert "entrypoints" in str(body) if schema is plan.SCHEMA else "properties" in str(body)


def test_each_family_of_models_is_asked() -> None:
    asked = {id(find_facts(provider_for_model(model), model.removeprefix("models/"))) for model in MODELS}
    families = [facts for table in _TABLES.values() for facts in table]
    missing = [facts.pattern.pattern for facts in families if id(facts) not in asked]
    # Served by compatible servers only.
    assert missing == ["local-"]
