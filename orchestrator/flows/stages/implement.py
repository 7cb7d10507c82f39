"""Implement: the implementer writes module, tests and contract; in a repair round again, from the best
candidate so far.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from gates.allowlist import describe_rules, describe_test_rules
from orchestrator.core.redaction import redact_text
from orchestrator.flows.generation import prompts
from orchestrator.flows.generation.block_files import (
    read_block_files,
    read_block_name,
    split_examples,
    stable_prefix,
)
from orchestrator.flows.generation.file_request import FileRequest, request_files
from orchestrator.flows.generation.model_request import ModelRequest
from orchestrator.flows.stage_outputs import (
    ContextOutput,
    ImplementOutput,
    PlanOutput,
    RecordedCall,
    ReviewOutput,
)
from orchestrator.flows.stage_protocol import Done, Failed, NewArtifact, StageContext, StageResult
from orchestrator.flows.verification import repair_loop

EXPECTED_TOKENS = 8000
"""Three whole files of a 200-line block."""
ANSWER_TOKENS = 12_288
"""Half as much again, for tokenizers that make more tokens of the same text."""
TOKENS_PER_MODULE = 2000
"""One more file of 150 lines."""

_PLAN_KEYS = (
    "block_name",
    "block_family",
    "summary",
    "steps",
    "entrypoints",
    "examples",
    "capabilities",
    "private_modules",
    "risks",
    "tests",
)


class ImplementStage:
    """Asks for the files. Artifacts ``module``, ``tests``, ``contract``; output: their names and the calls so
    far.
    """

    kind: ClassVar[str] = "implement"

    def run(self, context: StageContext) -> StageResult:
        name = read_block_name(context)
        plan = PlanOutput.parse(context.read_output("plan")).document()
        findings = ContextOutput.parse(context.read_output("context"))
        gates = context.settings.gates
        repairing = bool(context.feedback)
        basis = _read_basis(context, name.paths) if repairing else None
        review = ReviewOutput.parse(context.read_output("review"))
        _, withdrawn = split_examples(PlanOutput.parse(context.read_output("plan")), review)
        previous = dict(basis.files) if basis is not None else {}
        # A model that answers file by file writes the contract first: modules and tests follow it.
        paths = tuple(name.paths.values())
        more_tokens = TOKENS_PER_MODULE * len(name.private)
        question = ModelRequest(
            prompt="implement",
            model=context.settings.implementation_model,
            variables={
                "block_family": name.family,
                "block_name": name.name,
                **prompts.describe_repository(findings.conventions, findings.modules, findings.packages),
                "example": prompts.read_example(),
                "plan": json.dumps(
                    {key: plan[key] for key in _PLAN_KEYS if key in plan}, indent=2, ensure_ascii=False
                ),
                "rules": describe_rules(gates.capabilities),
                "test_rules": describe_test_rules(),
                "min_coverage": str(gates.min_unit_coverage),
                "min_kill_rate": str(gates.min_mutation_kill_rate),
                "repair": _format_repair(basis, withdrawn) if basis is not None else "",
            },
            answer_tokens=ANSWER_TOKENS + more_tokens,
            stable=stable_prefix(context),
            repair=repairing,
        )
        wanted = FileRequest(paths, paths, EXPECTED_TOKENS + more_tokens, previous)
        reply = request_files(context, question, wanted)
        if isinstance(reply, Failed):
            return reply
        # A block owes its provenance every call that led to it, so each round carries those of the rounds
        # before.
        earlier = ImplementOutput.parse(context.read_output("implement"))
        output = ImplementOutput(
            files=tuple(reply.value),
            model=reply.facts["model"],
            provider=reply.facts["provider"],
            calls=(*earlier.calls, *map(RecordedCall.parse, reply.calls)),
            # What a person wrote is still in it.
            edited_by=earlier.edited_by,
        )
        return Done(
            output=output.to_json(),
            artifacts=(
                *(NewArtifact(kind, path, reply.value[path].encode()) for kind, path in name.paths.items()),
                *(basis.kept if basis is not None else ()),
                reply.answer,
            ),
        )


def _read_basis(context: StageContext, paths: dict[str, str]) -> repair_loop.RepairBasis:
    """What the round starts from."""
    newest = {paths[kind]: text for kind, text in read_block_files(context).items()}
    return repair_loop.choose_basis(context, newest)


def _format_repair(basis: repair_loop.RepairBasis, withdrawn: Iterable[Mapping[str, Any]] = ()) -> str:
    # Tests run beside the repo's files and may print what is in them; what the model wrote itself it may see
    # again.
    told = basis.feedback
    for each in withdrawn:
        number, why = each["number"], each["why"]
        told += f"\nExample {number} of the plan is withdrawn, because the request says otherwise: {why}"
    findings, _ = redact_text(told, written="\n".join(basis.files.values()))
    return prompts.load_prompt("repair").text.substitute(
        feedback=prompts.fence_text("findings", findings), files=prompts.fence_files(basis.files)
    )


stage = ImplementStage()
