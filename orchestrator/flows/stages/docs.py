"""Docs: the README of the block, written from its contract and its code."""

from typing import ClassVar

from orchestrator.flows.generation import prompts
from orchestrator.flows.generation.block_files import (
    README,
    digest_behaviour,
    read_block_files,
    read_block_name,
    stable_prefix,
)
from orchestrator.flows.generation.model_request import ModelRequest, ask_model
from orchestrator.flows.generation.parsing import parse_files
from orchestrator.flows.stage_outputs import DocsOutput, RecordedCall
from orchestrator.flows.stage_protocol import Done, Failed, NewArtifact, StageContext, StageResult

ANSWER_TOKENS = 4096
"""120 lines of Markdown are about 2,000 tokens."""


class DocsStage:
    """Asks for ``README.md``, unless the one of an earlier round still describes the block. Artifact
    ``readme``; output: its name and the digest of what it describes.
    """

    kind: ClassVar[str] = "docs"

    def run(self, context: StageContext) -> StageResult:
        name, texts = read_block_name(context), read_block_files(context)
        subject = digest_behaviour(texts)
        earlier = DocsOutput.parse(context.read_output("docs"))
        if earlier.subject_sha256 == subject:
            # A repair round changed neither contract nor behaviour: what was written is still true.
            context.report_progress("The README stays: contract and behaviour are the same as before.")
            return Done(output=earlier.to_json())
        question = ModelRequest(
            prompt="docs",
            model=context.settings.context_model,
            variables={
                "block_family": name.family,
                "block_name": name.name,
                "files": prompts.fence_files({path: texts[kind] for kind, path in name.paths.items()}),
            },
            answer_tokens=ANSWER_TOKENS,
            stable=stable_prefix(context),
        )
        reply = ask_model(context, question, lambda text: parse_files(text, context.nonce, ("README.md",)))
        if isinstance(reply, Failed):
            return reply
        readme = NewArtifact(
            README, "README.md", reply.value["README.md"].encode(), "text/markdown; charset=utf-8"
        )
        # The provenance of a README includes the calls of the rounds before.
        output = DocsOutput(("README.md",), subject, (*earlier.calls, *map(RecordedCall.parse, reply.calls)))
        return Done(output=output.to_json(), artifacts=(readme, reply.answer))


stage = DocsStage()
