"""Entity tags. Django's middleware gives one to each answer and answers 304; here are the others.

An answer that says how long something has been running differs every millisecond. Its tag is weak and leaves
such fields out, so that a client that asks again is told 304 until something happens.
"""

import hashlib
import json
from collections.abc import Collection
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.utils.http import parse_etags
from rest_framework.request import Request
from rest_framework.response import Response

from orchestrator.rest.problems import Problem
from orchestrator.rest.refusals import ProblemKind

CHANGED = ProblemKind(412, "request:changed-meanwhile", "It has changed since what `If-Match` names.")


def tag_weakly(answer: Response, ignored: Collection[str]) -> Response:
    """``answer`` with a tag that does not depend on the fields called ``ignored``, at any depth."""
    answer.headers["ETag"] = f'W/"{_digest(_leave_out(answer.data, ignored))}"'
    return answer


def build_tag(data: Any) -> str:
    """The strong tag of an answer with ``data``."""
    return f'"{_digest(data)}"'


def require_match(request: Request, tag: str) -> None:
    """Raise 412 where the request says ``If-Match`` and does not name ``tag``."""
    named = request.headers.get("If-Match")
    if named is None or "*" in (tags := parse_etags(named)):
        return
    if tag not in tags:
        raise Problem(
            CHANGED.status,
            CHANGED.code,
            "Somebody has changed it since you read it.",
            cure="Read it again, look at the change, and send yours with the new ETag.",
            headers={"ETag": tag},
        )


def _leave_out(data: Any, ignored: Collection[str]) -> Any:
    match data:
        case dict():
            return {name: _leave_out(value, ignored) for name, value in data.items() if name not in ignored}
        case list() | tuple():
            return [_leave_out(value, ignored) for value in data]
    return data


def _digest(data: Any) -> str:
    text = json.dumps(data, cls=DjangoJSONEncoder, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
