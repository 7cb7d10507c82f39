"""Plan: the architect turns the request into a plan for one block, contract first."""

from dataclasses import replace
from typing import Any, ClassVar

from gates.allowlist import CAPABILITIES, describe_capabilities
from gates.contract_checks import check_planned_example, check_promise
from gates.harness.block_lines import MAX_PRIVATE_MODULES
from orchestrator.flows.generation import prompts
from orchestrator.flows.generation.block_files import stable_prefix
from orchestrator.flows.generation.model_request import (
    ModelRequest,
    ask_model,
    contradiction_failure,
    show_request,
)
from orchestrator.flows.generation.parsing import (
    AnswerUnreadable,
    check_block_name,
    check_family_name,
    check_private_name,
    make_text_field,
    parse_json_object,
)
from orchestrator.flows.generation.parsing.contradictions import quote_contradictions
from orchestrator.flows.stage_outputs import ContextOutput, PlanOutput
from orchestrator.flows.stage_protocol import Done, Failed, StageContext, StageResult

ANSWER_TOKENS = 6144
"""A long plan with its schemas, which are escaped, is about 4,000 tokens."""

_TEXTS = {"type": "array", "items": {"type": "string"}}
_SCHEMA_TEXT = {"type": "object", "minProperties": 1}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "block_name": {"type": "string"},
        "block_family": {"type": "string"},
        "summary": {"type": "string", "minLength": 1},
        # Before the steps: models write in this order, and everything else follows from the contract.
        "entrypoints": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "properties": {
                    "call": {"type": "string"},
                    "summary": {"type": "string"},
                    "input": make_text_field("the JSON Schema of the keyword arguments", _SCHEMA_TEXT),
                    "output": make_text_field("the JSON Schema of the result", _SCHEMA_TEXT),
                    "raises": _TEXTS,
                },
                "required": ["call", "input", "output"],
            },
        },
        "steps": {**_TEXTS, "minItems": 1},
        "examples": {
            "type": "array",
            "maxItems": 60,
            "items": {
                "type": "object",
                "properties": {
                    "call": {"type": "string"},
                    "construct": make_text_field("the arguments of the class", {"type": "object"}),
                    "input": make_text_field("the keyword arguments", {"type": "object"}),
                    "output": make_text_field("the exact result", {}),
                    "raises": {"type": "string"},
                },
                "required": ["call", "construct", "input", "output", "raises"],
            },
        },
        "capabilities": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "name": {"type": "string", "enum": list(CAPABILITIES)},
                    "reason": {"type": "string", "minLength": 1},
                },
                "required": ["name", "reason"],
            },
        },
        "private_modules": {**_TEXTS, "maxItems": MAX_PRIVATE_MODULES},
        "tests": {**_TEXTS, "minItems": 1},
        "risks": _TEXTS,
        "contradictions": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "first": {"type": "string", "description": "a sentence of the request, to the letter"},
                    "second": {
                        "type": "string",
                        "description": "the sentence that excludes it, to the letter",
                    },
                    "why": {"type": "string"},
                },
                "required": ["first", "second", "why"],
            },
        },
    },
    "required": ["block_name", "block_family", "summary", "entrypoints", "steps", "tests", "risks"],
}


class PlanStage:
    """Asks for the plan. Output: the plan with checked names; a family that the caller gave wins over the
    architect's.
    """

    kind: ClassVar[str] = "plan"

    def run(self, context: StageContext) -> StageResult:
        findings = ContextOutput.parse(context.read_output("context"))
        question = ModelRequest(
            prompt="plan",
            model=context.settings.architect_model,
            variables={
                "block_family": context.block_family or "(yours to choose)",
                "summary": findings.summary,
                "capabilities": describe_capabilities(context.settings.gates.capabilities),
                **prompts.describe_repository(findings.conventions, findings.modules, findings.packages),
            },
            answer_tokens=ANSWER_TOKENS,
            stable=stable_prefix(context),
            json_schema=SCHEMA,
        )
        reply = ask_model(context, question, lambda text: _read_plan(text, context))
        if isinstance(reply, Failed):
            return reply
        # The architect may refuse a request that no block can fulfil; that is an answer, not a defect.
        if isinstance(reply.value, str):
            return replace(contradiction_failure(reply.value), artifacts=(reply.answer,))
        output = PlanOutput.parse({**reply.value, "calls": reply.calls})
        return Done(output=output.to_json(), artifacts=(reply.answer,), block_family=output.block_family)


def _read_plan(text: str, context: StageContext) -> dict[str, Any] | str:
    """The plan in an answer, or why the request contradicts itself."""
    plan = parse_json_object(text, SCHEMA)
    reason = quote_contradictions(plan.get("contradictions", []), show_request(context))
    # Names and steps of a block that will not be written need not be sound.
    if reason:
        return reason
    _check_promises(plan["entrypoints"])
    block_name = check_block_name(plan["block_name"])
    private_modules = [check_private_name(name, block_name) for name in plan.get("private_modules", [])]
    examples = [_read_example(example) for example in plan.get("examples", [])]
    _check_examples(plan["entrypoints"], examples)
    return {
        # Only these: an answer may have more keys, and no schema has checked what is in them.
        **{key: plan[key] for key in SCHEMA["required"]},
        **({"examples": examples} if examples else {}),
        **({"capabilities": plan["capabilities"]} if plan.get("capabilities") else {}),
        **({"private_modules": private_modules} if private_modules else {}),
        # Both become names of folders and modules.
        "block_name": block_name,
        "block_family": check_family_name(context.block_family or plan["block_family"]),
    }


def _check_promises(entrypoints: list[dict[str, Any]]) -> None:
    """Raise ``AnswerUnreadable`` where the contract gate would refuse what an entry point promises.

    A flaw found here costs one more question; found by the gate it costs a round of the implementer.
    """
    objections = [
        f"{entry['call'][:100]}: {message}" for entry in entrypoints for _, message in check_promise(entry)
    ]
    if objections:
        listed = "; ".join(objections[:10])
        raise AnswerUnreadable(
            "answer:vacuous-contract",
            f"The contract of the plan promises too little or cannot be used: {listed}.",
            "Say in these schemas which properties there are, which are required, that there are no others, "
            "and what each item is.",
        )


def _read_example(example: dict[str, Any]) -> dict[str, Any]:
    """An example as the contract gate takes it. Grammars want every field, so an empty one means none."""
    read = {"call": example["call"], "input": example["input"]}
    if example["construct"]:
        read["construct"] = example["construct"]
    ending = "raises" if example["raises"] else "output"
    return {**read, ending: example[ending]}


def _check_examples(entrypoints: list[dict[str, Any]], examples: list[dict[str, Any]]) -> None:
    """Raise ``AnswerUnreadable`` for an example that its own schemas refuse: no block could keep it."""
    entries = {entry["call"]: entry for entry in entrypoints}
    objections = []
    for number, example in enumerate(examples, start=1):
        why = check_planned_example(entries.get(example["call"]), example)
        if why:
            objections.append(f"example {number} of {example['call'][:100]}: {why}")
    if objections:
        listed = "; ".join(objections[:10])
        raise AnswerUnreadable(
            "answer:unsound-example",
            f"Examples of the plan do not fit its contract: {listed}.",
            "Give each example a call of the plan, an input that its schema admits, and either the exact "
            "output or the exception.",
        )


stage = PlanStage()
