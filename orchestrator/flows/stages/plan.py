"""Plan: the architect turns the request into a plan for one block, contract first."""

from dataclasses import replace
from typing import Any, ClassVar

from orchestrator.flows.generation import prompts
from orchestrator.flows.generation.block_files import stable_prefix
from orchestrator.flows.generation.model_request import ModelRequest, ask_model, contradiction_failure
from orchestrator.flows.generation.parsing import check_block_name, check_family_name, parse_json_object
from orchestrator.flows.stage_outputs import ContextOutput, PlanOutput
from orchestrator.flows.stage_protocol import Done, Failed, StageContext, StageResult

MAX_OUTPUT_TOKENS = 8192
"""A long plan with its schemas is about 3,000 tokens; the rest is room for thinking."""

_TEXTS = {"type": "array", "items": {"type": "string"}}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "block_name": {"type": "string"},
        "block_family": {"type": "string"},
        "summary": {"type": "string", "minLength": 1},
        "steps": {**_TEXTS, "minItems": 1},
        "entrypoints": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "properties": {
                    "call": {"type": "string"},
                    "summary": {"type": "string"},
                    "input": {"type": "object"},
                    "output": {"type": "object"},
                    "raises": _TEXTS,
                },
                "required": ["call", "input", "output"],
            },
        },
        "risks": _TEXTS,
        "tests": {**_TEXTS, "minItems": 1},
        "contradiction": {"type": "string"},
    },
    "required": ["block_name", "block_family", "summary", "steps", "entrypoints", "risks", "tests"],
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
                "conventions": prompts.format_list(list(findings.conventions)),
            },
            max_output_tokens=MAX_OUTPUT_TOKENS,
            stable=stable_prefix(context),
            json_schema=SCHEMA,
        )
        reply = ask_model(context, question, lambda text: _read_plan(text, context.block_family))
        if isinstance(reply, Failed):
            return reply
        # The architect may refuse a request that no block can fulfil; that is an answer, not a defect.
        if "contradiction" in reply.value:
            return replace(
                contradiction_failure(reply.value["contradiction"].strip()), artifacts=(reply.answer,)
            )
        output = PlanOutput.parse({**reply.value, "calls": reply.calls})
        return Done(output=output.to_json(), artifacts=(reply.answer,))


def _read_plan(text: str, given_family: str) -> dict[str, Any]:
    plan = parse_json_object(text, SCHEMA)
    if plan.get("contradiction", "").strip():
        # Names and steps of a block that will not be written need not be sound.
        return plan
    return {
        **{key: plan[key] for key in SCHEMA["required"]},
        "block_name": check_block_name(plan["block_name"]),
        "block_family": check_family_name(given_family or plan["block_family"]),
    }


stage = PlanStage()
