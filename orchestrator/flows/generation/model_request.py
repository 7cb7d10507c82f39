"""One question of a stage to a model, and the second question after an answer that was cut off or unreadable.

No question asks for more than its model may write in one answer (``providers.catalog``). Both calls depend
only on what the stage was given and on the first answer. So a stage that runs again asks the same questions,
and the ledger replays the stored answers.
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
from providers.catalog import effort_control, output_limit
from providers.registry import provider_for_model

T = TypeVar("T")
THINKING_TOKENS = {"low": 4096, "medium": 8192, "high": 16_384, "": 8192}
"""Room in an answer for what a model thinks at each effort; the vendors count it as output. At their defaults
they were seen to think up to 3,840 tokens about trivial questions."""
MAX_SHOWN_ANSWER = 60_000
"""The most characters of an unusable answer that the second question shows."""
SLOWEST_TOKENS_PER_SECOND = 20
"""An answer may take as long as a model of this speed takes to fill its ceiling, after one pause."""
SLOWEST_THOUGHTS_PER_SECOND = 50
"""The first text of a model that thinks may take as long as one of this speed takes to use its room."""
MOST_PAUSES_OF_THINKING = 2
"""Not longer than so many pauses, so that a vendor that hangs is noticed."""


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """A question: the name of its prompt, its variables, and the most tokens of the answer's text.

    Room for thinking is added by the effort of the stage (``THINKING_TOKENS``).
    ``stable`` is the part before the prompt that every call of the flow shares. ``repair`` says that the
    prompt of a repair round is part of the question; the provenance then keeps its digest too.
    """

    prompt: str
    model: str
    variables: Mapping[str, str] = field(repr=False)
    answer_tokens: int
    stable: str = field(default="", repr=False)
    repair: bool = False
    json_schema: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class ModelReply(Generic[T]):
    """An answer that was understood as ``value``.

    ``calls`` is what the provenance keeps of each call, the one that answered last. ``answer`` is the text,
    for people.
    """

    value: T
    calls: list[dict[str, Any]]
    answer: NewArtifact

    @property
    def facts(self) -> dict[str, Any]:
        """What the provenance keeps of the call that answered."""
        return self.calls[-1]


# Not asked again: the same text would be refused again, and a person has to decide what to change.
_STOPPED = {
    StopReason.REFUSAL: (
        "answer:refused",
        "The model refused to answer.",
        "Remove what may be misread from the feature request, or choose another model, and start a new flow.",
    ),
    StopReason.CONTENT_FILTER: (
        "answer:filtered",
        "The provider's content filter withheld the answer.",
        "Remove text that the filter may misjudge (request or repository), or choose another provider.",
    ),
}
_TOO_LONG = (
    "answer:too-long",
    "The answer did not fit, even with twice the room.",
    "Split the feature request into smaller blocks, or choose a model with a larger output for this stage.",
)
_SHORTER = (
    "Your previous answer was cut off because it became too long. Answer again, complete, and much shorter."
)


def ask_model(
    work: StageContext,
    question: ModelRequest,
    read: Callable[[str], T],
    cut: Callable[[str], T] | None = None,
) -> ModelReply[T] | Failed:
    """The answer to ``question`` as ``read`` understands it, or why there is none.

    ``read`` raises ``AnswerUnreadable``; the model is then asked once more and told what to correct. An
    answer that was cut off is asked for once more with twice the room. ``cut`` returns the usable part of an
    answer that was cut off, and a falsy value where there is none. A usable part is the reply, and so is an
    empty one after two answers. Errors of the provider pass through to the engine.
    """
    provider = provider_for_model(question.model)
    request = _build_request(work, question, float(settings.PROVIDERS[provider]["timeout_seconds"]))
    completion = work.call_model(provider, request)
    calls = [_describe_call(work, question, completion)]
    outcome = _read_completion(completion, read, cut)
    second = _second_request(request, outcome, completion.text) if isinstance(outcome, _Unusable) else None
    if isinstance(outcome, _Unusable) and second is not None:
        work.report_progress(
            f"Asking {question.model} again: {outcome.failure.message}", code=outcome.failure.code
        )
        completion = work.call_model(provider, second)
        calls.append(_describe_call(work, question, completion))
        # This answer is final: a third question costs as much and rarely helps.
        outcome = _read_completion(completion, read, cut)
    # Kept even when it is unusable: people need to see what the model wrote.
    answer = NewArtifact(
        "answer", f"{work.kind}-{work.round}.txt", completion.text.encode("utf-8", "replace")
    )
    if isinstance(outcome, _Usable):
        return ModelReply(outcome.value, calls, answer)
    if isinstance(outcome, Failed):
        return replace(outcome, artifacts=(answer,))
    if outcome.partial is not None:
        return ModelReply(outcome.partial, calls, answer)
    return replace(outcome.failure, artifacts=(answer,))


def clamp_output_tokens(model: str, wanted: int) -> int:
    """``wanted`` tokens of output, or as many as ``model`` may write."""
    # A vendor rejects a request for more. For a model that it does not know, the catalog has no limit.
    return min(wanted, output_limit(model) or wanted)


def show_request(work: StageContext) -> str:
    """The feature request as models see it: redacted, and unable to close the tags around it."""
    return prompts.escape_request(redact_text(work.feature_request)[0])


def contradiction_failure(reason: str) -> Failed:
    """The failure that ends a flow whose request cannot be fulfilled, in the model's words."""
    message = f"The feature request contradicts itself: {reason}"
    return Failed(RequestContradicted.code, message, RequestContradicted.cure)


@dataclass(frozen=True, slots=True)
class _Unusable(Generic[T]):
    """An answer that is worth a second question. ``advice`` goes to the model.

    ``failure`` is the result if the second answer is unusable too. ``partial`` is the usable part of an
    answer that was cut off, which may be empty.
    """

    advice: str
    failure: Failed
    partial: T | None = None

    @property
    def too_long(self) -> bool:
        return self.failure.code == _TOO_LONG[0]


@dataclass(frozen=True, slots=True)
class _Usable(Generic[T]):
    value: T


def _second_request(request: Request, first: _Unusable[T], answer: str) -> Request | None:
    """The second question; ``None`` where its answer would be cut off like the first."""
    tokens = request.max_output_tokens
    if first.too_long:
        tokens = clamp_output_tokens(request.model, tokens * 2)
    # The model has no more room, but the caller can use a part and ask for the rest in smaller questions.
    if first.partial is not None and tokens == request.max_output_tokens:
        return None
    # A model corrects what it sees. An answer that was too long would only be repeated.
    shown = "" if first.too_long else prompts.fence_text("previous_answer", answer[:MAX_SHOWN_ANSWER])
    # The advice goes last: what precedes it stays the same to the byte, and the vendor's cache hits.
    return replace(
        request,
        prompt=f"{request.prompt}\n{shown}\n{first.advice}\n",
        max_output_tokens=tokens,
        timeout_seconds=_total_seconds(request.silence_seconds, tokens),
    )


def _read_completion(
    completion: Completion, read: Callable[[str], T], cut: Callable[[str], T] | None
) -> _Usable[T] | _Unusable[T] | Failed:
    """What ``completion`` amounts to: a value, a reason to ask again, or a failure."""
    if completion.stop_reason in _STOPPED:
        return Failed(*_STOPPED[completion.stop_reason])
    try:
        if completion.stop_reason is StopReason.END:
            return _Usable(read(completion.text))
        # Every other reason to stop is a limit on length: the answer is cut off.
        partial = cut(completion.text) if cut is not None else None
        if partial:
            return _Usable(partial)
        return _Unusable(_SHORTER, Failed(*_TOO_LONG), partial)
    except RequestContradicted as reason:
        return contradiction_failure(str(reason))
    except AnswerUnreadable as error:
        advice = f"Your previous answer could not be used: {error} {error.repair} Answer again, complete."
        return _Unusable(advice, Failed(error.code, str(error), error.cure))


def _total_seconds(silence_seconds: float, tokens: int) -> float:
    return silence_seconds + tokens / SLOWEST_TOKENS_PER_SECOND


def _thinking_seconds(model: str, effort: str, silence_seconds: float) -> float:
    """How much longer the first text of ``model`` may take: nothing arrives while it thinks."""
    if not effort_control(model):
        return 0.0
    seconds = THINKING_TOKENS[effort] / SLOWEST_THOUGHTS_PER_SECOND
    return min(seconds, MOST_PAUSES_OF_THINKING * silence_seconds)


def _build_request(work: StageContext, question: ModelRequest, silence_seconds: float) -> Request:
    # No text leaves before redaction. The bundle was redacted when it was built, and the models that wrote
    # plans and code saw only redacted text.
    prompt = prompts.load_prompt(question.prompt)
    variables = {
        "round": str(work.round),
        "nonce": work.nonce,
        "repo": work.repo,
        "feature_request": show_request(work),
        **question.variables,
    }
    effort = work.settings.efforts.get(work.kind, "")
    tokens = clamp_output_tokens(question.model, question.answer_tokens + THINKING_TOKENS[effort])
    return Request(
        model=question.model,
        system=prompt.system.substitute(variables),
        prompt=prompt.text.substitute(variables),
        max_output_tokens=tokens,
        timeout_seconds=_total_seconds(silence_seconds, tokens),
        silence_seconds=silence_seconds,
        thinking_seconds=_thinking_seconds(question.model, effort, silence_seconds),
        effort=effort,
        prompt_name=prompts.version_name(question.prompt),
        stable=question.stable,
        json_schema=question.json_schema,
    )


def _describe_call(work: StageContext, question: ModelRequest, completion: Completion) -> dict[str, Any]:
    """What the provenance keeps of one call."""
    repair = {"repair_digest": prompts.load_prompt("repair").digest} if question.repair else {}
    return {
        "model": completion.model,
        "provider": vendor_of(completion.model, question.model),
        "request_id": completion.request_id,
        "tokens": asdict(completion.usage),
        "prompt": prompts.version_name(question.prompt),
        "prompt_digest": prompts.load_prompt(question.prompt).digest,
        "round": work.round,
        **repair,
    }


def vendor_of(answered: str, asked: str) -> str:
    """The vendor of the model ``answered``, or that of ``asked`` where the catalog does not know the name."""
    # Vendors answer with the name of a dated variant, which the catalog may not list.
    try:
        return provider_for_model(answered)
    except UnknownModel:
        return provider_for_model(asked)
