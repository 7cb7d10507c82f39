"""Implement: the implementer writes module, tests and contract as whole files; in a repair round, again."""

import json
from typing import ClassVar

from orchestrator.flows import policy
from orchestrator.flows.answers import files
from orchestrator.flows.asking import Question, ask
from orchestrator.flows.blocks import bundle, name_of, written
from orchestrator.flows.context import redact
from orchestrator.flows.stages import prompts
from orchestrator.flows.stages.base import Done, Failed, NewArtifact, Result, Work

MAX_OUTPUT_TOKENS = 16_384
"""Three whole files of a 200-line block are about 8,000 tokens; the rest is room for thinking."""

_PLAN_KEYS = ("block_name", "block_family", "summary", "steps", "entrypoints", "risks", "tests")


class Implement:
    """Asks for the files. Artifacts ``module``, ``tests``, ``contract``; output: their names and the calls so far."""

    kind: ClassVar[str] = "implement"

    def run(self, work: Work) -> Result:
        name = name_of(work)
        plan, context, gates = work.output("plan"), work.output("context"), policy.gate_policy(work.settings)
        repairing = bool(work.feedback)
        question = Question(
            prompt="implement",
            model=policy.model(work.settings, "implementation"),
            variables={
                "block_family": name.family,
                "block_name": name.name,
                "conventions": prompts.listed(context.get("conventions")),
                "plan": json.dumps({key: plan[key] for key in _PLAN_KEYS if key in plan}, indent=2, ensure_ascii=False),
                "min_coverage": str(gates.min_unit_coverage),
                "min_kill_rate": str(gates.min_mutation_kill_rate),
                "repair": _repair(work, name.paths) if repairing else "",
            },
            max_output_tokens=MAX_OUTPUT_TOKENS,
            stable=bundle(work),
        )
        reply = ask(work, question, lambda text: files(text, work.nonce, tuple(name.paths.values())))
        if isinstance(reply, Failed):
            return reply
        facts = {**reply.facts, "repair_digest": prompts.load("repair").digest} if repairing else reply.facts
        return Done(
            output={
                "files": list(reply.value),
                "model": facts["model"],
                "provider": facts["provider"],
                "calls": [*work.output("implement").get("calls", []), facts],
            },
            artifacts=(
                *(NewArtifact(kind, path, reply.value[path].encode()) for kind, path in name.paths.items()),
                reply.answer,
            ),
        )


def _repair(work: Work, paths: dict[str, str]) -> str:
    previous = {paths[kind]: text for kind, text in written(work).items()}
    # Tests run beside the repo's files and may print what is in them; what the model wrote itself it may see again.
    findings, _ = redact(work.feedback, written="\n".join(previous.values()))
    return prompts.load("repair").text.substitute(
        feedback=prompts.fence("findings", findings), files=prompts.fenced_files(previous)
    )


stage = Implement()
