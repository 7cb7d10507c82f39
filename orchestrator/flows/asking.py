"""One question of a stage to a model, and the second chance that a wrong format or a cut answer gets.

Both calls are made of what the stage was given and of the first answer alone, so a stage that is run again asks the same
and is served the stored answers.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Generic, TypeVar

from django.conf import settings

from orchestrator.flows.answers import Unreadable
from orchestrator.flows.context import redact
from orchestrator.flows.stages import prompts
from orchestrator.flows.stages.base import Failed, NewArtifact, Work
from providers.base import Completion, Request, StopReason, UnknownModel
from providers.registry import provider_for_model

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Question:
    """What to ask: the prompt's name, its variables, and how long the answer may become (tokens, thinking included)."""

    prompt: str
    model: str
    variables: Mapping[str, str] = field(repr=False)
    max_output_tokens: int
    stable: str = field(default="", repr=False)
    json_schema: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Reply(Generic[T]):
    """A read answer. ``facts`` is what the provenance keeps of the call; ``answer`` the text for people."""

    value: T
    facts: dict[str, Any]
    answer: NewArtifact


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
_SHORTER = "Your previous answer was cut off because it became too long. Answer again, complete, and much shorter."


def ask(work: Work, question: Question, read: Callable[[str], T]) -> Reply[T] | Failed:
    """The answer to ``question`` as ``read`` understands it (raising ``Unreadable``), or why there is none.

    An answer that was cut off is asked for once more with twice the room; one that cannot be read once more with what to
    repair. Errors of the provider pass through to the engine.
    """
    provider = provider_for_model(question.model)
    request = _request(work, question, float(settings.PROVIDERS[provider]["timeout_seconds"]))
    completion = work.complete(provider, request)
    problem = _attempt(completion, read)
    if isinstance(problem, _Again):
        work.progress(f"Asking {question.model} again: {problem.failure.message}", code=problem.failure.code)
        again = replace(
            request,
            prompt=f"{request.prompt}\n{problem.advice}\n",
            max_output_tokens=request.max_output_tokens * (2 if problem.failure.code == _TOO_LONG[0] else 1),
        )
        completion = work.complete(provider, again)
        problem = _attempt(completion, read)
    answer = NewArtifact("answer", f"{work.kind}-{work.round}.txt", completion.text.encode("utf-8", "replace"))
    if isinstance(problem, _Again):
        return replace(problem.failure, artifacts=(answer,))
    if isinstance(problem, Failed):
        return replace(problem, artifacts=(answer,))
    return Reply(problem.value, _facts(work, question, completion), answer)


@dataclass(frozen=True, slots=True)
class _Again:
    """Worth a second question. ``advice`` goes to the model, ``failure`` is what remains if that does not help."""

    advice: str
    failure: Failed


@dataclass(frozen=True, slots=True)
class _Read(Generic[T]):
    value: T


def _attempt(completion: Completion, read: Callable[[str], T]) -> _Read[T] | _Again | Failed:
    if completion.stop_reason in _STOPPED:
        return Failed(*_STOPPED[completion.stop_reason])
    if completion.stop_reason is StopReason.LENGTH:
        return _Again(_SHORTER, Failed(*_TOO_LONG))
    try:
        return _Read(read(completion.text))
    except Unreadable as error:
        advice = f"Your previous answer could not be used: {error} {error.repair} Answer again, complete."
        return _Again(advice, Failed(error.code, str(error), error.cure))


def _request(work: Work, question: Question, timeout_seconds: float) -> Request:
    # Nothing leaves before redaction. The bundle was redacted when it was built; plans and code are of models that saw no more.
    prompt = prompts.load(question.prompt)
    variables = {
        "round": str(work.round),
        "nonce": work.nonce,
        "repo": work.repo,
        "feature_request": prompts.feature_request(redact(work.feature_request)[0]),
        **question.variables,
    }
    return Request(
        model=question.model,
        system=prompt.system.substitute(variables),
        prompt=prompt.text.substitute(variables),
        max_output_tokens=question.max_output_tokens,
        timeout_seconds=timeout_seconds,
        stable=question.stable,
        json_schema=question.json_schema,
    )


def _facts(work: Work, question: Question, completion: Completion) -> dict[str, Any]:
    return {
        "model": completion.model,
        "provider": vendor_of(completion.model, question.model),
        "request_id": completion.request_id,
        "tokens": asdict(completion.usage),
        "prompt": f"{question.prompt}.v{prompts.VERSIONS[question.prompt]}",
        "prompt_digest": prompts.load(question.prompt).digest,
        "round": work.round,
    }


def vendor_of(answered: str, asked: str) -> str:
    """The vendor of the model that answered; where its name is not one we know (a dated variant), of the one that was asked."""
    try:
        return provider_for_model(answered)
    except UnknownModel:
        return provider_for_model(asked)
