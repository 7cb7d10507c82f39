"""What a call is charged where the vendor's own figures do not tell, or cannot be true.

Never nothing, and never less than may have been used: a vendor that reports no usage still sends a bill. And
never more than any request of this size can use: one wrong number must not use up a day's quota.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from providers import limiter, prices, usage, wire
from providers.base import (
    Completion,
    ConnectionCut,
    PartialAnswer,
    PromptCut,
    ProviderError,
    Request,
    TimedOut,
    Usage,
    UsageSource,
)
from providers.catalog import effort_control
from providers.counting import InputCount, estimate_input, estimate_tokens
from providers.models import ProviderCall

# No text of a request has fewer tokens than this, by any tokenizer; a server must have read most of them.
# Shorter requests are left alone.
_MOST_BYTES_A_TOKEN: Final = 6
_LEAST_SHARE_READ: Final = 0.75
_LEAST_TOKENS: Final = 1500
# More than models that think write in a second; what they think does not come over the wire.
_FASTEST_TOKENS_PER_SECOND: Final = 200
# What a request can be billed beyond its own text and its ceiling: a server's own instructions, tokens of
# several kinds counted twice. A larger claim is a mistake.
_MOST_TIMES: Final = 4
_MOST_ADDED_TOKENS: Final = 20_000


@dataclass(frozen=True, slots=True)
class Charge:
    """The tokens that a call is charged, where they come from, and the least that it costs."""

    usage: Usage
    source: UsageSource
    least_usd: Decimal = Decimal(0)


def decide_charge(call_id: UUID, request: Request, completion: Completion, count: InputCount) -> Charge:
    """Return what an answer is charged."""
    source = completion.usage_source
    if source is UsageSource.DOUBTFUL or _is_excessive(request, completion.usage):
        return _charge_bound(call_id, request, completion.usage.total)
    if source is UsageSource.MISSING or _is_partly_counted(completion):
        return _count_answer(request, completion, count)
    return Charge(completion.usage, source)


def read_charge(call_id: UUID, provider: str, request: Request, raw: Mapping[str, Any]) -> Charge | None:
    """Return what an answer without a usable text is charged by its own usage; None where it tells none."""
    used, source = usage.read_reported(provider, raw)
    if source is UsageSource.MISSING:
        return None
    if source is UsageSource.DOUBTFUL or _is_excessive(request, used):
        return _charge_bound(call_id, request, used.total)
    return Charge(used, source)


def find_remains(error: ProviderError) -> PartialAnswer | None:
    """Return what came of an answer that ended in ``error``; None where all of it may have been written."""
    if error.partial is not None:
        return error.partial
    if error.raw is not None:
        return PartialAnswer(wire.read_texts(error.raw))
    return PartialAnswer() if isinstance(error, TimedOut | ConnectionCut) else None


def lower_unknown(
    call_id: UUID, provider: str, request: Request, count: InputCount, came: PartialAnswer | None
) -> None:
    """Charge a call of unknown use its counted input and what came of its answer.

    ``came`` is None where an answer was lost here: it may have used all of its output tokens.
    """
    counted = count.read()
    inputs, source, outputs = counted.bound, counted.source, request.max_output_tokens
    if came is not None:
        used = came.usage or Usage()
        # The first frame of a stream may have told the input exactly.
        if used.read_tokens > 0 and not _is_excessive(request, used):
            inputs, source = used.read_tokens, UsageSource.REPORTED
        written = estimate_tokens(came.text)
        # Gemini counts its thoughts with each piece.
        thought = used.reasoning_tokens
        if not thought:
            thought = _bound_thoughts(request, came.thoughts, came.silent_seconds)
        # What came may be anything, but no model writes more than it may.
        outputs = min(max(written + thought, used.written_tokens), request.max_output_tokens)
    usd = prices.price_worst_case(provider, request.model, inputs, outputs)
    limiter.lower_charge(call_id, provider, inputs + outputs, usd, source)


def find_cut_prompt(provider: str, request: Request, completion: Completion) -> PromptCut | None:
    """Return the error for an answer to a part of the prompt only; None where all of it was read.

    Servers with a small window silently cut what does not fit.
    """
    if completion.usage_source is not UsageSource.REPORTED:
        return None
    read = completion.usage.read_tokens
    size = sum(len(text.encode("utf-8", "surrogatepass")) for text in (request.stable, request.prompt))
    least = min(size // _MOST_BYTES_A_TOKEN, estimate_input(request) if read * 3 < size else size)
    if least < _LEAST_TOKENS or read >= least * _LEAST_SHARE_READ:
        return None
    return PromptCut(provider, f"it read {read:,} tokens of a prompt of {size:,} bytes", raw=completion.raw)


def _count_answer(request: Request, completion: Completion, count: InputCount) -> Charge:
    """Charge what is counted here, and of what was reported the side that can be true."""
    counted, reported = count.read(), completion.usage
    # An answer was written, although its text may be empty where a filter withheld it.
    inputs = Usage(input_tokens=max(counted.tokens, 1))
    if reported.read_tokens:
        inputs = replace(reported, output_tokens=0, reasoning_tokens=0)
    thought = _bound_thoughts(request, completion.thoughts, completion.silent_seconds)
    written = min(estimate_tokens(completion.text), request.max_output_tokens)
    thought = min(thought, request.max_output_tokens - written)
    used = replace(
        inputs,
        output_tokens=reported.output_tokens or written,
        reasoning_tokens=reported.reasoning_tokens or thought,
    )
    return Charge(used, counted.source)


def _is_partly_counted(completion: Completion) -> bool:
    """Return whether nothing was counted of a prompt that was read, or of an answer that was written."""
    used = completion.usage
    return used.read_tokens == 0 or bool(completion.text and used.written_tokens == 0)


def _is_excessive(request: Request, used: Usage) -> bool:
    """Return whether no request of this size can have used so much."""
    # No token is shorter than a byte, and no character is longer than four.
    characters = sum(map(len, (request.stable, request.system, request.prompt)))
    most_read = _MOST_TIMES * characters + _MOST_ADDED_TOKENS
    most_written = _MOST_TIMES * request.max_output_tokens + _MOST_ADDED_TOKENS
    return used.read_tokens > most_read or used.written_tokens > most_written


def _bound_thoughts(request: Request, shown: str, silent_seconds: float) -> int:
    """Return the most tokens that the model can have thought in the time before its first text.

    Vendors bill thoughts that they do not show. A model that is not known to think unseen is charged those
    that it showed.
    """
    told = estimate_tokens(shown)
    if not effort_control(request.model):
        return told
    return max(told, int(silent_seconds * _FASTEST_TOKENS_PER_SECOND))


def _charge_bound(call_id: UUID, request: Request, claimed: int) -> Charge:
    """Charge the bound of the call, or the larger total that the vendor's numbers may mean."""
    call = ProviderCall.objects.only("reserved_tokens", "reserved_usd").get(id=call_id)
    outputs = min(request.max_output_tokens, call.reserved_tokens)
    if claimed > _MOST_TIMES * call.reserved_tokens + _MOST_ADDED_TOKENS:
        claimed = 0
    inputs = max(call.reserved_tokens, claimed) - outputs
    return Charge(Usage(input_tokens=inputs, output_tokens=outputs), UsageSource.DOUBTFUL, call.reserved_usd)
