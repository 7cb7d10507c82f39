"""One question of a stage to a model, and the second chance that a wrong format or a cut answer gets.

No question asks for more than its model may write in one answer (``providers.catalog``).

Both calls are made of what the stage was given and of the first answer alone, so a stage that is run again asks the same
and is served the stored answers.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Generic, TypeVar

from django.conf import settings

from orchestrator.core.redaction import redact_text
from orchestrator.flows.generation import prompts
from orchestrator.flows.generation.parsing import AnswerUnreadable, RequestContradicted
from orchestrator.flows.stage_protocol import Failed, NewArtifact, StageContext
from providers.base import Completion, Request, StopReason, UnknownModel
from providers.catalog import output_limit
from providers.registry import provider_for_model

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """What to ask: the prompt's name, its variables, and how long the answer may become (tokens, thinking included).

    ``repair`` says that the prompt of a repair round is part of it, whose digest the provenance then keeps too.
    """

    prompt: str
    model: str
    variables: Mapping[str, str] = field(repr=False)
    max_output_tokens: int
    stable: str = field(default="", repr=False)
    repair: bool = False
    json_schema: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class ModelReply(Generic[T]):
    """A read answer. ``calls`` is what the provenance keeps, a call each, the answering one last; ``answer`` is for people."""

    value: T
    calls: list[dict[str, Any]]
    answer: NewArtifact

    @property
    def facts(self) -> dict[str, Any]:
        """What the provenance keeps of the call that answered."""
        return self.calls[-1]


_STOPPED = {
    StopReason.REFUSAL: (
        "answer:refused",
        "The model refused to answer.",
        "Take out of the feature request what may be misread and start a new flow, or choose another model for this stage.",
    ),
    StopReason.CONTENT_FILTER: (
        "answer:filtered",
        "The provider's content filter withheld the answer.",
        "Look for text in the request or the repository that the filter may mistake, or choose another provider for this stage.",
    ),
}
_TOO_LONG = (
    "answer:too-long",
    "The answer did not fit, even with twice the room.",
    "Split the feature request into smaller blocks, or choose a model with a larger output for this stage.",
)
_CONTRADICTED_CURE = "Mend the feature request where it contradicts itself, and start a new flow."
_SHORTER = (
    "Your previous answer was cut off because it became too long. Answer again, complete, and much shorter."
)


def ask_model(
    work: StageContext,
    question: ModelRequest,
    read: Callable[[str], T],
    cut: Callable[[str], T] | None = None,
) -> ModelReply[T] | Failed:
    """The answer to ``question`` as ``read`` understands it (raising ``Unreadable``), or why there is none.

    An answer that was cut off is asked for once more with twice the room; one that cannot be read once more with what to
    repair. ``cut`` says what is usable of an answer that was cut off, something falsy where nothing is: what is usable is the
    reply, and what is not after two answers, too. Errors of the provider pass through to the engine.
    """
    provider = provider_for_model(question.model)
    request = _request(work, question, float(settings.PROVIDERS[provider]["timeout_seconds"]))
    completion = work.call_model(provider, request)
    calls = [_facts(work, question, completion)]
    problem = _attempt(completion, read, cut)
    if isinstance(problem, _Again) and (again := _again(request, problem)) is not None:
        work.report_progress(
            f"Asking {question.model} again: {problem.failure.message}", code=problem.failure.code
        )
        completion = work.call_model(provider, again)
        calls.append(_facts(work, question, completion))
        problem = _attempt(completion, read, cut)
    answer = NewArtifact(
        "answer", f"{work.kind}-{work.round}.txt", completion.text.encode("utf-8", "replace")
    )
    if isinstance(problem, _Read):
        return ModelReply(problem.value, calls, answer)
    if isinstance(problem, _Again) and problem.partial is not None:
        return ModelReply(problem.partial, calls, answer)
    return replace(problem.failure if isinstance(problem, _Again) else problem, artifacts=(answer,))


def clamp_output_tokens(model: str, wanted: int) -> int:
    """``wanted`` tokens of output, or as many as ``model`` may write."""
    return min(wanted, output_limit(model) or wanted)


def contradiction_failure(reason: str) -> Failed:
    """The end of a flow whose request cannot be fulfilled, in the model's words."""
    return Failed(
        "spec:contradiction", f"The feature request contradicts itself: {reason}", _CONTRADICTED_CURE
    )


@dataclass(frozen=True, slots=True)
class _Again(Generic[T]):
    """Worth a second question. ``advice`` goes to the model, ``failure`` is what remains if that does not help.

    ``partial`` is the usable part of an answer that was cut off, which may be empty.
    """

    advice: str
    failure: Failed
    partial: T | None = None

    @property
    def too_long(self) -> bool:
        return self.failure.code == _TOO_LONG[0]


@dataclass(frozen=True, slots=True)
class _Read(Generic[T]):
    value: T


def _again(request: Request, problem: _Again[T]) -> Request | None:
    """The second question; ``None`` where it would be cut off like the first, and there is a better way on."""
    longer = (
        clamp_output_tokens(request.model, request.max_output_tokens * 2)
        if problem.too_long
        else request.max_output_tokens
    )
    if problem.partial is not None and longer == request.max_output_tokens:
        return None
    return replace(request, prompt=f"{request.prompt}\n{problem.advice}\n", max_output_tokens=longer)


def _attempt(
    completion: Completion, read: Callable[[str], T], cut: Callable[[str], T] | None
) -> _Read[T] | _Again[T] | Failed:
    if completion.stop_reason in _STOPPED:
        return Failed(*_STOPPED[completion.stop_reason])
    try:
        if completion.stop_reason is StopReason.END:
            return _Read(read(completion.text))
        usable = cut(completion.text) if cut is not None else None
        return _Read(usable) if usable else _Again(_SHORTER, Failed(*_TOO_LONG), usable)
    except RequestContradicted as reason:
        return contradiction_failure(str(reason))
    except AnswerUnreadable as error:
        advice = f"Your previous answer could not be used: {error} {error.repair} Answer again, complete."
        return _Again(advice, Failed(error.code, str(error), error.cure))


def _request(work: StageContext, question: ModelRequest, timeout_seconds: float) -> Request:
    # Nothing leaves before redaction. The bundle was redacted when it was built; plans and code are of models that saw no more.
    prompt = prompts.load_prompt(question.prompt)
    variables = {
        "round": str(work.round),
        "nonce": work.nonce,
        "repo": work.repo,
        "feature_request": prompts.escape_request(redact_text(work.feature_request)[0]),
        **question.variables,
    }
    return Request(
        model=question.model,
        system=prompt.system.substitute(variables),
        prompt=prompt.text.substitute(variables),
        max_output_tokens=clamp_output_tokens(question.model, question.max_output_tokens),
        timeout_seconds=timeout_seconds,
        stable=question.stable,
        json_schema=question.json_schema,
    )


def _facts(work: StageContext, question: ModelRequest, completion: Completion) -> dict[str, Any]:
    repair = {"repair_digest": prompts.load_prompt("repair").digest} if question.repair else {}
    return {
        "model": completion.model,
        "provider": vendor_of(completion.model, question.model),
        "request_id": completion.request_id,
        "tokens": asdict(completion.usage),
        "prompt": f"{question.prompt}.v{prompts.VERSIONS[question.prompt]}",
        "prompt_digest": prompts.load_prompt(question.prompt).digest,
        "round": work.round,
        **repair,
    }


def vendor_of(answered: str, asked: str) -> str:
    """The vendor of the model that answered; where its name is not one we know (a dated variant), of the one that was asked."""
    try:
        return provider_for_model(answered)
    except UnknownModel:
        return provider_for_model(asked)
