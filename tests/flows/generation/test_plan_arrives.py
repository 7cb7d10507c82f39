"""The schemas of a plan arrive: at each vendor's door, from a model that knows only what came over HTTP, and
through to the sealed contract.
"""

import copy
import json
from collections.abc import Iterator, Mapping
from typing import Any

import anthropic
import pytest
from django.conf import LazySettings

from orchestrator.flows.generation import prompts
from orchestrator.flows.stage_outputs import PlanOutput
from orchestrator.flows.stage_protocol import Done, Failed
from orchestrator.flows.stages import context, implement, plan, review
from providers import registry
from providers.base import Completion, Request
from providers.prompt_cache import is_worth_caching
from providers.simulator.scenarios import ScenarioPrompt
from providers.wire_schema import narrow_schema
from tests.flows.generation import reading_model
from tests.flows.stages import fakes
from tests.flows.stages.fakes import FakeStageContext
from tests.samples.scenario_files import NAMES, sample

pytestmark = pytest.mark.django_db
# Below and above the size from which a bundle is cached.
SMALL_AND_LARGE = [b"", b"total = 1\n" * 3000]
ARCHITECTS = ("claude-sonnet-4-5", "gpt-5.6", "gpt-4-turbo", "gemini-pro")
SCHEMAS = {"context": context.SCHEMA, "plan": plan.SCHEMA, "review": review.SCHEMA}


class OnlineStageContext(FakeStageContext):
    """Asks over the vendors' own SDKs."""

    def call_model(self, provider: str, request: Request) -> Completion:
        self.requests.append((provider, request))
        return registry.get_adapter(provider).complete(request)


def _play(prompt: ScenarioPrompt, text: str, schema: Mapping[str, Any] | None) -> str:
    """The model: it has a sample's contract in mind and nothing else of the product's."""
    one = next(found for found in map(sample, NAMES) if found.scenario["title"] == prompt.title)
    contract = one.contract()
    if prompt.stage == "plan":
        assert schema is not None
        meant = {**one.parsed("plan")[0], "entrypoints": _promises(contract)}
        return json.dumps(reading_model.write_by_schema(meant, schema))
    assert (prompt.stage, schema) == ("implement", None)
    # The contract comes from the plan as the prompt shows it, so that a loss on the way is seen here.
    written = {**contract, "entrypoints": reading_model.read_plan(text)["entrypoints"]}
    folder = one.answers("implement")[-1]
    code = {name: (folder / name).read_text() for name in (f"{one.block}.py", f"test_{one.block}.py")}
    return fakes.delimited({**code, "contract.json": json.dumps(written) + "\n"}, prompt.nonce)


def _promises(contract: dict[str, Any]) -> list[dict[str, Any]]:
    return [{key: entry[key] for key in entry if key != "examples"} for entry in contract["entrypoints"]]


@pytest.fixture(scope="module")
def vendors() -> Iterator[str]:
    with reading_model.serve(_play) as root:
        yield root
        registry.close_adapters()


@pytest.fixture
def online(vendors: str, settings: LazySettings) -> None:
    settings.PROVIDERS = copy.deepcopy(settings.PROVIDERS)
    for provider, options in settings.PROVIDERS.items():
        options.update(base_url=f"{vendors}/v1" if provider == "openai" else vendors, api_key="k")


def _plan_of(name: str, model: str, bundle: bytes = b"") -> OnlineStageContext:
    """The work of a flow before its plan."""
    return OnlineStageContext(
        pinned={"architect.model": model},
        feature_request=(sample(name).folder / "feature_request.md").read_text(),
        outputs={"context": fakes.CONTEXT},
        artifacts={"bundle": bundle},
    )


@pytest.mark.usefixtures("online")
@pytest.mark.parametrize("bundle", SMALL_AND_LARGE)
@pytest.mark.parametrize("name", NAMES)
def test_contract_of_each_sample_comes_through_whole(name: str, bundle: bytes) -> None:
    for model in ARCHITECTS:
        work = _plan_of(name, model, bundle)
        for stage in (plan.stage, implement.stage):
            assert isinstance(work.run(stage), Done), model
        sealed = json.loads(work.artifacts["contract"])
        assert work.outputs["plan"]["entrypoints"] == _promises(sample(name).contract()), model
        assert _promises(sealed) == _promises(sample(name).contract()), model
        # A large bundle is cached, and the schema is then told in words behind it.
        asked = [one for _, one in work.requests if one.json_schema is not None]
        assert [is_worth_caching(one) for one in asked] == [bool(bundle)]


@pytest.mark.usefixtures("online")
def test_a_schema_that_closes_on_the_way_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """What Anthropic's SDK makes of a bare object loses what the model means, and no plan comes of it: the
    test above can fail. The other two vendors refuse such a schema.
    """
    bare = copy.deepcopy(plan.SCHEMA)
    for field in ("input", "output"):
        bare["properties"]["entrypoints"]["items"]["properties"][field] = {"type": "object"}
    monkeypatch.setattr(plan, "SCHEMA", bare)
    monkeypatch.setattr("providers.adapters.anthropic.narrow_schema", dict)
    result = _plan_of("devops-tooling", "claude-sonnet-5-5").run(plan.stage)
    assert isinstance(result, Failed)
    assert result.code == "answer:vacuous-contract"


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ({"input": {}}, "$.entrypoints[0].input"),
        ({"input": {"type": "object"}}, "no property is required"),
        ({"output": {"type": "array"}}, "an array without items"),
        ({"output": {"type": "object", "properties": {}}}, "no property is required"),
        ({"output": {"type": "anything"}}, "output is not a usable JSON Schema"),
        ({"input": {"type": "string"}}, "input must be of type object"),
        ({"input": "{'type': 'object'}"}, "the text is not JSON"),
        ({"output": "[1]"}, "is not of type 'object'"),
        ({"raises": ["Exception"]}, "raises Exception allows every failure"),
        ({"call": "two words"}, "does not match"),
    ],
)
def test_vacuous_contract_is_refused_when_it_is_planned(
    entry: dict[str, Any], told: str, work: FakeStageContext
) -> None:
    bad = {**fakes.PLAN, "entrypoints": [{**fakes.PLAN["entrypoints"][0], **entry}]}  # type: ignore[dict-item]
    result = work.run(plan.stage, json.dumps(bad), json.dumps(fakes.PLAN))
    assert isinstance(result, Done)
    assert told in work.requests[-1][1].prompt
    again = work.run(plan.stage, json.dumps(bad), json.dumps(bad))
    assert isinstance(again, Failed)
    assert again.code in {"answer:vacuous-contract", "answer:schema"}


def _plan_with(*examples: dict[str, Any]) -> str:
    return json.dumps({**fakes.PLAN, "examples": list(examples)})


EXAMPLE = {
    "call": "capital_ratio",
    "construct": "{}",
    "input": '{"capital": "8"}',
    "output": '"0.08"',
    "raises": "",
}


def test_examples_of_the_plan_reach_the_gates(work: FakeStageContext) -> None:
    result = work.run(plan.stage, _plan_with(EXAMPLE))

    assert isinstance(result, Done)
    (planned,) = PlanOutput.parse(result.output).examples
    assert planned == {"call": "capital_ratio", "input": {"capital": "8"}, "output": "0.08"}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"call": "other"}, "the plan has no such entry point"),
        ({"raises": "KeyError"}, "KeyError is not among what the entry point raises"),
        ({"output": '{"x": []}'}, "the output schema refuses its output"),
        ({"input": '{"capital": 1}'}, "the input schema refuses its input"),
    ],
)
def test_an_example_that_its_own_schemas_refuse_is_asked_for_again(
    change: dict[str, Any], told: str, work: FakeStageContext
) -> None:
    bad = _plan_with({**EXAMPLE, **change})
    result = work.run(plan.stage, bad, json.dumps(fakes.PLAN))

    assert isinstance(result, Done)
    assert told in work.requests[-1][1].prompt


@pytest.mark.parametrize("kind", SCHEMAS)
def test_schema_on_the_wire_is_one_that_every_vendor_takes(kind: str) -> None:
    narrow = narrow_schema(SCHEMAS[kind])
    assert anthropic.transform_schema(narrow) == _without_types_of_enums(narrow)
    _check_strict(narrow)


def _without_types_of_enums(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_without_types_of_enums(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    dropped = {"type"} if "enum" in schema else set()
    return {key: _without_types_of_enums(part) for key, part in schema.items() if key not in dropped}


def _check_strict(schema: Any) -> None:
    """OpenAI's strict mode: every object is closed and requires all of its properties."""
    for part in schema if isinstance(schema, list) else schema.values():
        if isinstance(part, dict | list):
            _check_strict(part)
    if isinstance(schema, dict) and schema.get("type") == "object":
        assert schema["additionalProperties"] is False
        assert schema["properties"]
        assert schema["required"] == list(schema["properties"])


def test_open_object_cannot_be_put_on_the_wire() -> None:
    with pytest.raises(ValueError, match="send it as text"):
        narrow_schema({"type": "object", "properties": {"input": {"type": "object"}}})


def test_prompt_of_the_plan_names_the_fields_in_the_order_of_its_schema() -> None:
    system = prompts.load_prompt("plan").system.template
    places = [system.index(f"- `{name}`") for name in plan.SCHEMA["properties"]]
    assert places == sorted(places)
