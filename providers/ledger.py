"""The ledger of calls: what makes two requests the same, and how an answer is stored and read back."""

import hashlib
import json
import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from django.db.models import Case, Max, Sum, When

from orchestrator.core import database
from orchestrator.core.sql import load_statements
from providers.base import (
    AccountExhausted,
    Completion,
    RateLimited,
    Request,
    StopReason,
    Usage,
    UsageSource,
)
from providers.models import CallStatus, ProviderCall

_SQL: Final = load_statements(__file__)
# A paid answer is tried to be stored for longer than a restart of the database takes.
_STORE_SECONDS: Final = 30.0
# Characters of JSON above which PostgreSQL compresses for milliseconds.
_LONG: Final = 32_768


def digest_request(provider: str, request: Request) -> str:
    """Return the SHA-256 of what is asked of which provider. The timeout is not part of the question."""
    schema = None
    if request.json_schema is not None:
        schema = dict(request.json_schema)
    asked = [
        provider,
        request.model,
        request.system,
        request.stable,
        request.prompt,
        request.max_output_tokens,
        schema,
    ]
    # A prompt may quote a file with half a surrogate pair, which plain UTF-8 cannot encode.
    text = json.dumps(asked, sort_keys=True, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return hashlib.sha256(text).hexdigest()


def find_stored_call(stage_id: int | None, request_digest: str) -> UUID | None:
    """Return the call of this stage that has an answer to this very request, if there is one."""
    # Without a stage there is no earlier attempt that could have asked.
    if stage_id is None:
        return None
    found = ProviderCall.objects.filter(
        stage_id=stage_id, request_digest=request_digest, answer__isnull=False
    )
    return found.order_by("created_at").values_list("id", flat=True).first()


def count_refusals(stage_id: int) -> int:
    """Return how often the calls of a stage were refused by the provider since its newest answer."""
    calls = ProviderCall.objects.filter(stage_id=stage_id)
    answered = calls.filter(status=CallStatus.SETTLED).aggregate(at=Max("created_at"))["at"]
    refused = calls.filter(error_code__in=(RateLimited.code, AccountExhausted.code))
    return (refused if answered is None else refused.filter(created_at__gt=answered)).count()


def sum_committed_usd(flow_id: str) -> Decimal:
    """Return the USD that a flow has spent, and that open calls and calls of unknown use may have cost."""
    # An open call counts with its bound, so that calls side by side cannot pass a ceiling together.
    spent = Case(When(status=CallStatus.RESERVED, then="reserved_usd"), default="cost_usd")
    total: Decimal | None = ProviderCall.objects.filter(flow_id=flow_id).aggregate(usd=Sum(spent))["usd"]
    return total or Decimal(0)


def store_response(call_id: UUID, raw: Mapping[str, Any]) -> None:
    """Store a raw response that has no answer in it: an operator may have to read it."""
    _store_texts(call_id, _to_json(raw), None)


def prepare_answer(call_id: UUID, completion: Completion) -> tuple[str | None, str | None]:
    """Return the raw response and the answer read from it, as JSON that the settlement stores.

    A long one is stored here and now: it is compressed for milliseconds, which must not happen under the
    provider's lock.
    """
    raw, answer = _to_json(completion.raw), _to_json(_answer_fields(completion))
    if len(raw) + len(answer) <= _LONG:
        return raw, answer
    _store_texts(call_id, raw, answer)
    return None, None


def _store_texts(call_id: UUID, raw: str, answer: str | None) -> None:
    parameters = {"call": call_id, "response": raw, "answer": answer}
    database.retry_while_away(
        lambda: database.fetch_row(_SQL["store_response"], parameters), seconds=_STORE_SECONDS
    )


def read_completion(call: ProviderCall) -> Completion:
    """Return the stored answer as the adapter returned it."""
    kept = call.answer or {}
    return Completion(
        text=kept["text"],
        stop_reason=StopReason(kept["stop_reason"]),
        usage=Usage(**kept["usage"]),
        model=kept["model"],
        request_id=kept["request_id"],
        raw=call.response or {},
        # Answers that were stored by an older version were all reported.
        usage_source=UsageSource(kept.get("usage_source", UsageSource.REPORTED)),
        silent_seconds=kept.get("silent_seconds", 0.0),
    )


def _answer_fields(completion: Completion) -> dict[str, Any]:
    usage = completion.usage
    return {
        "text": completion.text,
        "stop_reason": completion.stop_reason.value,
        "model": completion.model,
        "request_id": completion.request_id,
        "usage_source": completion.usage_source.value,
        "silent_seconds": round(completion.silent_seconds, 3),
        "usage": {name: getattr(usage, name) for name in Usage.__dataclass_fields__},
    }


def _to_json(value: Mapping[str, Any]) -> str:
    """Return JSON that PostgreSQL accepts: without NUL characters, lone surrogates, NaN and infinity."""
    try:
        text = json.dumps(dict(value), ensure_ascii=True, allow_nan=False)
    except ValueError:
        # Python reads and writes numbers that JSON does not have.
        return json.dumps(_replace_unstorable(dict(value)), ensure_ascii=False)
    # Looking for the escapes is much cheaper than walking the value, and nearly every answer has none. A
    # proper surrogate pair is found too; it comes through the walk unchanged.
    if "\\u0000" not in text and "\\ud" not in text:
        return text
    return json.dumps(_replace_unstorable(dict(value)), ensure_ascii=False)


def _replace_unstorable(value: Any) -> Any:
    if isinstance(value, str):
        # Encoding to UTF-16 joins the halves of a pair; decoding replaces a half that stands alone.
        without_nul = value.replace("\x00", "\ufffd")
        return without_nul.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {_replace_unstorable(key): _replace_unstorable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_replace_unstorable(item) for item in value]
    return value
