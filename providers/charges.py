"""What a call is charged where the vendor's own figures do not tell, or cannot be true.

Never nothing, and never less than may have been used: a vendor that reports no usage still sends a bill.
"""

from collections.abc import Mapping
from dataclasses import dataclass
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
from providers.counting import InputCount, estimate_input, estimate_tokens
from providers.models import ProviderCall

# No text of a request has fewer tokens than this, by any tokenizer; a server must have read most of them.
# Shorter requests are left alone.
_MOST_BYTES_A_TOKEN: Final = 6
_LEAST_SHARE_READ: Final = 0.75
_LEAST_TOKENS: Final = 1500


@dataclass(frozen=True, slots=True)
class Charge:
    """The tokens that a call is charged, where they come from, and the least that it costs."""

    usage: Usage
    source: UsageSource
    least_usd: Decimal = Decimal(0)


def decide_charge(call_id: UUID, request: Request, completion: Completion, count: InputCount) -> Charge:
    """Return what an answer is charged."""
    if completion.usage_source is UsageSource.MISSING:
        return _count_answer(completion, count)
    if completion.usage_source is UsageSource.DOUBTFUL:
        return _charge_bound(call_id, request, completion.usage.total)
    return Charge(completion.usage, completion.usage_source)


def read_charge(call_id: UUID, provider: str, request: Request, raw: Mapping[str, Any]) -> Charge | None:
    """Return what an answer without a usable text is charged by its own usage; None where it tells none."""
    used, source = usage.read_reported(provider, raw)
    if source is UsageSource.REPORTED:
        return Charge(used, source)
    if source is UsageSource.DOUBTFUL:
        return _charge_bound(call_id, request, used.total)
    return None


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
        read = used.total - used.output_tokens - used.reasoning_tokens
        # The first frame of a stream may have told the input exactly.
        if read > 0:
            inputs, source = read, UsageSource.REPORTED
        # What came may be anything, but no model writes more than it may.
        written = min(estimate_tokens(came.text), request.max_output_tokens)
        outputs = max(written, used.output_tokens + used.reasoning_tokens)
    usd = prices.price_worst_case(provider, request.model, inputs, outputs)
    limiter.lower_charge(call_id, provider, inputs + outputs, usd, source)


def find_cut_prompt(provider: str, request: Request, completion: Completion) -> PromptCut | None:
    """Return the error for an answer to a part of the prompt only; None where all of it was read.

    Servers with a small window silently cut what does not fit.
    """
    used = completion.usage
    if completion.usage_source is not UsageSource.REPORTED:
        return None
    read = used.total - used.output_tokens - used.reasoning_tokens
    size = sum(len(text.encode("utf-8", "surrogatepass")) for text in (request.stable, request.prompt))
    least = min(size // _MOST_BYTES_A_TOKEN, estimate_input(request) if read * 3 < size else size)
    if least < _LEAST_TOKENS or read >= least * _LEAST_SHARE_READ:
        return None
    return PromptCut(provider, f"it read {read:,} tokens of a prompt of {size:,} bytes", raw=completion.raw)


def _count_answer(completion: Completion, count: InputCount) -> Charge:
    counted = count.read()
    # An answer was written, although its text may be empty where a filter withheld it.
    used = Usage(input_tokens=max(counted.tokens, 1), output_tokens=estimate_tokens(completion.text))
    return Charge(used, counted.source)


def _charge_bound(call_id: UUID, request: Request, claimed: int) -> Charge:
    """Charge the bound of the call, or the larger total that the vendor's numbers may mean."""
    call = ProviderCall.objects.only("reserved_tokens", "reserved_usd").get(id=call_id)
    outputs = min(request.max_output_tokens, call.reserved_tokens)
    inputs = max(call.reserved_tokens, claimed) - outputs
    return Charge(Usage(input_tokens=inputs, output_tokens=outputs), UsageSource.DOUBTFUL, call.reserved_usd)
