"""Review: a model of another vendor than the implementer's reads the block; the review gate judges what it
says.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from gates import runner
from gates.allowlist import describe_rules
from gates.base import Candidate
from gates.candidate import find_problems
from gates.reading_places import find_reading_places
from orchestrator.flows.generation import prompts
from orchestrator.flows.generation.block_files import digest_files, read_candidate, stable_prefix
from orchestrator.flows.generation.model_request import ModelRequest, ask_model, show_request
from orchestrator.flows.generation.parsing import AnswerUnreadable, parse_json_object
from orchestrator.flows.generation.parsing.contradictions import is_quoted
from orchestrator.flows.stage_outputs import (
    ContextOutput,
    ImplementOutput,
    PlanOutput,
    RecordedCall,
    ReviewOutput,
    VerifyOutput,
)
from orchestrator.flows.stage_protocol import Done, Failed, Repair, StageContext, StageResult
from orchestrator.flows.verification import gate_reports, repair_loop
from providers.registry import provider_for_model

ANSWER_TOKENS = 4096
"""Twenty findings are about 2,000 tokens."""

GATES = ("review",)

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "verdict": {"type": "string", "enum": ["approve", "block"]},
        "summary": {"type": "string", "minLength": 1},
        "findings": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "path": {"type": "string"},
                    "line": {"type": "integer", "minimum": 0},
                    "severity": {"type": "string", "enum": ["error", "warning", "note"]},
                    "message": {"type": "string", "minLength": 1},
                },
                "required": ["path", "line", "severity", "message"],
                "additionalProperties": False,
            },
        },
        "wrong_examples": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "number": {"type": "integer", "minimum": 1},
                    "quote": {"type": "string", "description": "a sentence of the request, to the letter"},
                    "why": {"type": "string", "minLength": 1},
                },
                "required": ["number", "quote", "why"],
                "additionalProperties": False,
            },
        },
    },
    "required": ["verdict", "summary", "findings"],
    "additionalProperties": False,
}
# With more of them wrong it is the plan that is wrong, and the block must not ship.
_WITHDRAWN_SHARE = 3


class ReviewStage:
    """Has the block read by another house. Artifact ``review``; output: the verdict and the facts of the
    gate.
    """

    kind: ClassVar[str] = "review"

    def run(self, context: StageContext) -> StageResult:
        gates = context.settings.gates
        if gates.mode == "off":
            return Done(output=ReviewOutput(mode="off").to_json())
        subject = read_candidate(context)
        implementer = ImplementOutput.parse(context.read_output("implement")).provider
        if not implementer:
            # Every reviewer would differ from an unknown implementer, and none would be known to be
            # independent.
            raise ValueError("the provider of the implementation is not recorded")
        model = _choose_reviewer(context, implementer)
        if model is None:
            return _same_vendor(implementer)
        reply = ask_model(
            context, _build_question(context, subject, model), lambda text: _read_review(text, context)
        )
        if isinstance(reply, Failed):
            return reply
        if reply.facts["provider"] == implementer:
            # A fallback may have answered in the reviewer's place.
            return _same_vendor(implementer)
        reviewer = f"{reply.facts['provider']}:{reply.facts['model']}"
        reports = runner.run_gates(replace(subject, review=reply.value, reviewer=reviewer), gates, GATES)
        if (failure := gate_reports.missing_report_failure(reports, GATES)) is not None:
            return failure
        passed = gate_reports.all_passed(reports)
        earlier = ReviewOutput.parse(context.read_output("review"))
        output = ReviewOutput(
            verdict=reply.value["verdict"],
            summary=reply.value["summary"],
            findings=tuple(reply.value["findings"]),
            mode=gates.mode,
            passed=passed,
            candidate_sha256=digest_files(subject.files),
            gates=gate_reports.summarise_reports(reports, context.round),
            wrong_examples=_join_disputes(earlier.wrong_examples, reply.value.get("wrong_examples", ())),
            calls=(*earlier.calls, *map(RecordedCall.parse, reply.calls)),
        ).to_json()
        # In advisory mode findings do not stop the flow. ``passed`` stays false: the block is not verified.
        if runner.judge_reports(reports, gates):
            record = repair_loop.record_round(
                context, "review", reports, subject.files, passed=passed, review=reply.value
            )
            return Done(
                output=output,
                artifacts=(record, reply.answer, *gate_reports.evidence_artifacts(reports)),
                gates=reports,
            )
        result = repair_loop.decide_repair(context, "review", reports, subject.files, review=reply.value)
        # The answer of a rejection is kept like any other: it was paid for, and people read why.
        result = replace(result, artifacts=(*result.artifacts, reply.answer))
        return replace(result, output=output) if isinstance(result, Repair) else result


def _read_review(text: str, context: StageContext) -> dict[str, Any]:
    """The review in an answer. An example of the plan is only wrong where the request says so."""
    review = parse_json_object(text, SCHEMA)
    disputes = review.get("wrong_examples", [])
    examples = PlanOutput.parse(context.read_output("plan")).examples
    request = show_request(context)
    unfounded = [
        each["number"]
        for each in disputes
        if each["number"] > len(examples) or not is_quoted(each["quote"], request)
    ]
    if unfounded:
        raise AnswerUnreadable(
            "answer:unquoted-contradiction",
            f"wrong_examples names {unfounded[:10]} and quotes no sentence of the request against them.",
            "Quote the sentence of the request that the example contradicts, to the letter, or leave it out.",
        )
    if len(disputes) > max(1, len(examples) // _WITHDRAWN_SHARE):
        raise AnswerUnreadable(
            "answer:unsound-example",
            f"wrong_examples names {len(disputes)} of {len(examples)} examples: that is another plan.",
            "If so many are wrong, block with an error that says so, and leave wrong_examples empty.",
        )
    return review


def _join_disputes(
    earlier: Iterable[Mapping[str, Any]], found: Iterable[Mapping[str, Any]]
) -> tuple[Mapping[str, Any], ...]:
    """Those of all rounds: what is withdrawn stays so."""
    by_number = {each["number"]: each for each in (*found, *earlier)}
    return tuple(by_number[number] for number in sorted(by_number))


def _choose_reviewer(context: StageContext, implementer: str) -> str | None:
    """The architect's model, or the first other one that is not of the implementer's vendor."""
    # The vendor counts, not the model: what a vendor's models overlook in writing, they overlook in reading.
    chosen = context.settings
    models = (chosen.architect_model, chosen.context_model, chosen.fallback_model)
    return next((model for model in models if model and provider_for_model(model) != implementer), None)


def _same_vendor(vendor: str) -> Failed:
    return Failed(
        "review:same-vendor",
        f"The block was written by a model of {vendor}, "
        "and no model of another vendor is there to review it.",
        "Choose architect.model and implementation.model of different vendors "
        "with `blocks config set`, then retry.",
    )


def _build_question(context: StageContext, subject: Candidate, model: str) -> ModelRequest:
    plan = PlanOutput.parse(context.read_output("plan")).document()
    judged = VerifyOutput.parse(context.read_output("verify")).gates
    # None where the gates judge the same candidate at this moment.
    findings = ContextOutput.parse(context.read_output("context"))
    gates = [f"{gate.gate}: {gate.verdict}, {gate.summary}" for gate in judged] or [
        "not known: the gates judge these files at the same time"
    ]
    places = [] if find_problems(subject) else find_reading_places(subject)
    gates += [f"read twice: {place.path} line {place.line}: {place.message}" for place in places]
    return ModelRequest(
        prompt="review",
        model=model,
        variables={
            "block_family": subject.family,
            "block_name": subject.name,
            "plan": json.dumps(plan, indent=2, ensure_ascii=False),
            "gates": prompts.format_list(gates),
            "conventions": prompts.format_list(list(findings.conventions)),
            "rules": describe_rules(context.settings.gates.capabilities),
            "files": prompts.fence_files(subject.files, numbered=True),
        },
        answer_tokens=ANSWER_TOKENS,
        stable=stable_prefix(context),
        json_schema=SCHEMA,
    )


stage = ReviewStage()
