"""The ledger's own words: what makes two requests the same, and an answer as it is kept and read back."""

import hashlib
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from django.db.models import Case, Sum, When

from orchestrator.core import database
from providers.base import Completion, Request, StopReason, Usage
from providers.models import CallStatus, ProviderCall

_STORE_SECONDS: Final = 30.0
_LONG: Final = 32_768  # characters of JSON
_STORE: Final = (
    "WITH stored AS (UPDATE providers_providercall SET response = %s::jsonb, answer = %s::jsonb"
    " WHERE id = %s::uuid AND response IS NULL RETURNING 1) SELECT count(*) FROM stored"
)


def digest_request(provider: str, request: Request) -> str:
    """SHA-256 of what is asked of whom. The timeout is not part of the question."""
    asked = [
        provider,
        request.model,
        request.system,
        request.stable,
        request.prompt,
        request.max_output_tokens,
        dict(request.json_schema) if request.json_schema is not None else None,
    ]
    return hashlib.sha256(
        json.dumps(asked, sort_keys=True, ensure_ascii=False).encode("utf-8", "surrogatepass")
    ).hexdigest()


def find_stored_call(stage_id: int | None, request_digest: str) -> UUID | None:
    """The call of this stage that has an answer to this very request."""
    if stage_id is None:
        return None
    found = ProviderCall.objects.filter(
        stage_id=stage_id, request_digest=request_digest, answer__isnull=False
    )
    return found.order_by("created_at").values_list("id", flat=True).first()


def sum_committed_usd(flow_id: str) -> Decimal:
    """What a flow has spent, and what calls under way or of unknown use may have cost."""
    spent = Case(When(status=CallStatus.RESERVED, then="reserved_usd"), default="cost_usd")
    total: Decimal | None = ProviderCall.objects.filter(flow_id=flow_id).aggregate(usd=Sum(spent))["usd"]
    return total or Decimal(0)


def store_response(call_id: UUID, raw: Mapping[str, Any]) -> None:
    """Keep a raw response that has no answer in it: somebody may have to read it."""
    _store_texts(call_id, _to_json(raw), None)


def prepare_answer(call_id: UUID, completion: Completion) -> tuple[str | None, str | None]:
    """The raw response and the answer read from it, as JSON to be stored by the settlement.

    A long one is stored here and now: it is compressed for milliseconds, which must not happen under the provider's lock.
    """
    raw, answer = _to_json(completion.raw), _to_json(_answer_fields(completion))
    if len(raw) + len(answer) <= _LONG:
        return raw, answer
    _store_texts(call_id, raw, answer)
    return None, None


def _store_texts(call_id: UUID, raw: str, answer: str | None) -> None:
    database.retry_while_away(
        lambda: database.fetch_row(_STORE, [raw, answer, call_id]), seconds=_STORE_SECONDS
    )


def read_completion(call: ProviderCall) -> Completion:
    """The answer that was kept, as the adapter returned it."""
    kept = call.answer or {}
    return Completion(
        text=kept["text"],
        stop_reason=StopReason(kept["stop_reason"]),
        usage=Usage(**kept["usage"]),
        model=kept["model"],
        request_id=kept["request_id"],
        raw=call.response or {},
    )


def _answer_fields(completion: Completion) -> dict[str, Any]:
    usage = completion.usage
    return {
        "text": completion.text,
        "stop_reason": completion.stop_reason.value,
        "model": completion.model,
        "request_id": completion.request_id,
        "usage": {name: getattr(usage, name) for name in Usage.__dataclass_fields__},
    }


def _to_json(value: Mapping[str, Any]) -> str:
    """JSON that PostgreSQL takes: it has no NUL character and no lone surrogates."""
    text = json.dumps(dict(value), ensure_ascii=True)
    return (
        text
        if "\\u0000" not in text and "\\ud" not in text
        else json.dumps(_replace_unstorable(dict(value)), ensure_ascii=False)
    )


def _replace_unstorable(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\x00", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, Mapping):
        return {_replace_unstorable(key): _replace_unstorable(item) for key, item in value.items()}
    return [_replace_unstorable(item) for item in value] if isinstance(value, list | tuple) else value
