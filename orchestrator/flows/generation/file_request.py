"""Asks a model for whole files, and file by file where one answer cannot hold them all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from orchestrator.flows.generation import prompts
from orchestrator.flows.generation.model_request import (
    ModelReply,
    ModelRequest,
    ask_model,
    clamp_output_tokens,
    show_request,
)
from orchestrator.flows.generation.parsing import parse_files, parse_whole_files
from orchestrator.flows.generation.parsing.elision import check_python
from orchestrator.flows.stage_protocol import Failed, NewArtifact, StageContext


@dataclass(frozen=True, slots=True)
class FileRequest:
    """The files that a stage wants.

    ``order`` is the order in which they are asked for one by one; ``originals`` is their text before a
    repair, which answers what changes and no more. ``tokens`` is what all of them may take together. A model
    that may write less is asked file by file from the start.
    """

    paths: Sequence[str]
    order: Sequence[str]
    tokens: int
    originals: Mapping[str, str] = field(default_factory=dict)


def request_files(
    work: StageContext, question: ModelRequest, wanted: FileRequest
) -> ModelReply[dict[str, str]] | Failed:
    """Every file of ``wanted``, by as few calls as the model allows, or why there is none.

    The prompt of ``question`` has ``$only`` in its machine line, ``$already`` where finished files go, and
    ``$form`` where the form of the answer goes.
    """
    written: dict[str, str] = {}
    calls: list[dict[str, Any]] = []
    answers: list[bytes] = []
    whole = clamp_output_tokens(question.model, wanted.tokens) >= wanted.tokens
    # This ends: an answer fails or holds a missing file, and only the first question asks for all of them.
    while missing := [path for path in wanted.order if path not in written]:
        paths = tuple(wanted.paths) if whole and not calls else (missing[0],)
        reply = _request_some(work, question, wanted, paths, written)
        if isinstance(reply, Failed):
            # The answers of earlier calls were paid for, and show people how far the model got.
            kept = b"\n".join([*answers, *(artifact.content for artifact in reply.artifacts)])
            return replace(reply, artifacts=(_make_artifact(work, kept),))
        written |= reply.value
        calls += reply.calls
        answers.append(reply.answer.content)
    return ModelReply(
        {path: written[path] for path in wanted.paths}, calls, _make_artifact(work, b"\n".join(answers))
    )


def _request_some(
    work: StageContext,
    question: ModelRequest,
    wanted: FileRequest,
    paths: tuple[str, ...],
    written: Mapping[str, str],
) -> ModelReply[dict[str, str]] | Failed:
    """The files ``paths`` by one question. The reply may lack some of them where the answer was cut off."""
    every = len(paths) == len(wanted.paths)
    originals = {path: text for path, text in wanted.originals.items() if path in paths}
    variables = {
        **question.variables,
        "only": "" if every else f" files={','.join(paths)}",
        "already": _format_written(written),
        "form": _format_answer(paths, originals, work.nonce),
    }

    def read_whole(text: str) -> dict[str, str]:
        return check_python(parse_whole_files(text, work.nonce, paths))

    return ask_model(
        work,
        replace(question, variables=variables),
        lambda text: check_python(
            parse_files(text, work.nonce, paths, originals=originals, request=show_request(work))
        ),
        # A single file that is cut off has nothing usable, and no smaller question is left to ask.
        cut=read_whole if every and len(paths) > 1 else None,
    )


def _format_written(written: Mapping[str, str]) -> str:
    if not written:
        return ""
    shown = prompts.fence_files(written)
    return (
        "You have already written these files of the block. They are final. "
        f"What you write now must fit them.\n\n{shown}\n"
    )


def _format_answer(paths: Sequence[str], originals: Mapping[str, str], nonce: str) -> str:
    """The form of the answer, as the prompt shows it to the model."""
    form = "\n".join(f"<<<FILE {path} {nonce}>>>\n(the whole of {path})\n<<<END {nonce}>>>" for path in paths)
    if not originals:
        return form
    edit = (
        f"<<<EDIT {next(iter(originals))} {nonce}>>>\n<<<SEARCH {nonce}>>>\n"
        "(whole lines, exactly as they are in the file, where they occur once)\n"
        f"<<<REPLACE {nonce}>>>\n(the lines that replace them)\n<<<END {nonce}>>>"
    )
    # Not offered for a single file: an answer without any file cannot be distinguished from a broken one.
    omitted = "Leave out a file in which nothing changes. " if len(paths) > 1 else ""
    return (
        f"{form}\n\nAnswer only what changes. {omitted}Where a few lines of a file change, answer it as "
        "edits instead, which is shorter: one section for the file, with as many SEARCH and REPLACE parts as "
        f"you need. Where most of it changes, write the whole file.\n\n{edit}"
    )


def _make_artifact(work: StageContext, content: bytes) -> NewArtifact:
    return NewArtifact("answer", f"{work.kind}-{work.round}.txt", content)
