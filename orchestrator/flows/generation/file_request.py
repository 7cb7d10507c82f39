"""Whole files from a model whose answer may be too short for all of them: what is missing is asked for file by file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from orchestrator.flows.generation import prompts
from orchestrator.flows.generation.model_request import (
    ModelReply,
    ModelRequest,
    ask_model,
    clamp_output_tokens,
)
from orchestrator.flows.generation.parsing import parse_files, parse_whole_files
from orchestrator.flows.stage_protocol import Failed, NewArtifact, StageContext

LARGE_BYTES = 12_000
"""Above this a repair may answer a file as edits: whole files come out well-formed more often, but a long one may not fit."""


@dataclass(frozen=True, slots=True)
class FileRequest:
    """Files to be written. ``order`` is the order in which they are asked for one by one, ``originals`` what they were before.

    ``tokens`` is what all of them may take together: a model that may write less is asked file by file from the start.
    """

    paths: Sequence[str]
    order: Sequence[str]
    tokens: int
    originals: Mapping[str, str] = field(default_factory=dict)

    @property
    def large(self) -> dict[str, str]:
        """The originals that may be answered as edits."""
        return {path: text for path, text in self.originals.items() if len(text.encode()) > LARGE_BYTES}


def request_files(
    work: StageContext, question: ModelRequest, wanted: FileRequest
) -> ModelReply[dict[str, str]] | Failed:
    """Every file of ``wanted``, by as few calls as the model allows, or why there is none.

    The prompt of ``question`` says ``$only`` in its machine line, ``$already`` where finished files go and ``$form`` where the
    form of the answer goes.
    """
    written: dict[str, str] = {}
    calls: list[dict[str, Any]] = []
    answers: list[bytes] = []
    whole = clamp_output_tokens(question.model, wanted.tokens) >= wanted.tokens
    while missing := [path for path in wanted.order if path not in written]:
        paths = tuple(wanted.paths) if whole and not calls else (missing[0],)
        reply = _part(work, question, wanted, paths, written)
        if isinstance(reply, Failed):
            kept = b"\n".join([*answers, *(artifact.content for artifact in reply.artifacts)])
            return replace(reply, artifacts=(_answer(work, kept),))
        written |= reply.value
        calls += reply.calls
        answers.append(reply.answer.content)
    return ModelReply(
        {path: written[path] for path in wanted.paths}, calls, _answer(work, b"\n".join(answers))
    )


def _part(
    work: StageContext,
    question: ModelRequest,
    wanted: FileRequest,
    paths: tuple[str, ...],
    written: Mapping[str, str],
) -> ModelReply[dict[str, str]] | Failed:
    every = len(paths) == len(wanted.paths)
    large = {path: text for path, text in wanted.large.items() if path in paths}
    variables = {
        **question.variables,
        "only": "" if every else f" files={','.join(paths)}",
        "already": _already(written),
        "form": _form(paths, large, work.nonce),
    }
    return ask_model(
        work,
        replace(question, variables=variables),
        lambda text: parse_files(text, work.nonce, paths, originals=large, may_contradict=True),
        # A single file that is cut off has nothing usable, and no smaller question is left to ask.
        cut=(lambda text: parse_whole_files(text, work.nonce, paths)) if every and len(paths) > 1 else None,
    )


def _already(written: Mapping[str, str]) -> str:
    if not written:
        return ""
    shown = prompts.fence_files(written)
    return f"You have written these files of the block already. They are final; what you write now has to fit them.\n\n{shown}\n"


def _form(paths: Sequence[str], large: Mapping[str, str], nonce: str) -> str:
    form = "\n".join(f"<<<FILE {path} {nonce}>>>\n(the whole of {path})\n<<<END {nonce}>>>" for path in paths)
    if not large:
        return form
    names = ", ".join(large)
    edit = (
        f"<<<EDIT {next(iter(large))} {nonce}>>>\n<<<SEARCH {nonce}>>>\n(whole lines, exactly as they stand in the file, once)\n"
        f"<<<REPLACE {nonce}>>>\n(what takes their place)\n<<<END {nonce}>>>"
    )
    omitted = "left out where nothing changes in them, or " if len(paths) > 1 else ""
    return (
        f"{form}\n\nLong files ({names}) may be {omitted}answered as edits: one section a file, with as many SEARCH and REPLACE "
        f"parts as are needed:\n\n{edit}"
    )


def _answer(work: StageContext, content: bytes) -> NewArtifact:
    return NewArtifact("answer", f"{work.kind}-{work.round}.txt", content)
