"""The description of an operation in OpenAPI: what DRF's classes say, and what they cannot say.

Beside the serializers that is: a summary, an example of each body, and every error with its codes. An example
is a file in ``examples/``, named after the operation; a test compares it with what the service answers.
"""

import json
from collections.abc import Callable, Iterable
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeVar

from django.core.validators import RegexValidator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ComponentIdentity, ResolvedComponent
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers

from orchestrator.rest import refusals
from orchestrator.rest.authentication import TokenRequired
from orchestrator.rest.deprecation import Deprecation, announce
from orchestrator.rest.problems import MEDIA_TYPE, Problem
from orchestrator.rest.query_names import FIELDS
from orchestrator.rest.refusals import ProblemKind
from orchestrator.rest.request_bodies import RequestSerializer
from orchestrator.rest.sparse_fields import list_fields

EXAMPLES: Final = Path(__file__).with_name("examples")
_REFUSALS: Final = "x-refusals"
SCOPE: Final = "x-required-scope"
"""The scope that a token needs; empty where every token may. Operations without it need no token."""
_JSON: Final = "application/json"
_HEADERS: Final[dict[str, dict[str, Any]]] = {
    "X-Request-ID": {
        "description": "Names the request in the log; a client may send its own.",
        "required": True,
        "schema": {"type": "string"},
    },
    "RateLimit-Limit": {
        "description": "Requests that this caller may send in a minute, to this process.",
        "required": True,
        "schema": {"type": "integer"},
    },
    "RateLimit-Remaining": {
        "description": "How many of them are left.",
        "required": True,
        "schema": {"type": "integer"},
    },
    "RateLimit-Reset": {
        "description": "Seconds until there are all of them again.",
        "required": True,
        "schema": {"type": "integer"},
    },
}
_FURTHER_HEADERS: Final[dict[str, dict[str, Any]]] = {
    "Location": {
        "description": "Where it is, as an absolute address.",
        "required": True,
        "schema": {"type": "string", "format": "uri"},
    },
    "ETag": {
        "description": "Send it as `If-None-Match` to be told 304 until something has changed.",
        "schema": {"type": "string"},
    },
}
# A text with more than white space. JSON Schema takes the white space of JavaScript, and Python has more.
_NOT_BLANK: Final = r"[^\s\x1c-\x1f\x85]|\ufeff"
_View = TypeVar("_View", bound=Callable[..., Any])


class ProblemSerializer(serializers.Serializer[Any]):
    """An error as RFC 9457 describes it. Further members may follow, such as ``flow``."""

    type = serializers.CharField(help_text="`urn:blocks:problem:` and the code.")
    title = serializers.CharField(help_text="The meaning of the status.")
    status = serializers.IntegerField(min_value=400, max_value=599)
    detail = serializers.CharField(help_text="What happened, for people.")
    code = serializers.CharField(help_text="Stable: rely on this one.")
    cure = serializers.CharField(required=False, help_text="What to do about it.")
    errors = serializers.DictField(  # type: ignore[assignment]  # a property of DRF has this name, too
        child=serializers.ListField(child=serializers.CharField()),
        required=False,
        help_text="Every field with a mistake, and what is wrong with it.",
    )


def describe_operation(
    operation_id: str,
    *,
    tags: list[str],
    refused: Iterable[ProblemKind] = (),
    deprecation: Deprecation | None = None,
    **more: Any,
) -> Callable[[_View], _View]:
    """``extend_schema`` with the ways in which only this operation is refused.

    The operation's id is a name in generated clients, so it stays as it is.
    """
    describe: Any = extend_schema(
        operation_id=operation_id,
        tags=tags,
        extensions={_REFUSALS: tuple(refused)},
        deprecated=True if deprecation else None,
        **more,
    )

    def decorate(method: _View) -> _View:
        announced: Any = method if deprecation is None else announce(deprecation)(method)
        described: _View = describe(announced)
        return described

    return decorate


def describe_number(description: str, name: str = "number") -> OpenApiParameter:
    """The number of a row in the path of an operation."""
    schema = {"type": "integer", "minimum": 0}
    return OpenApiParameter(name, schema, location=OpenApiParameter.PATH, description=description)


class OperationSchema(AutoSchema):
    """Describes one method of one view."""

    def get_description(self) -> str:  # type: ignore[override]  # as its parent
        """The docstring, as Markdown."""
        return str(super().get_description()).replace("``", "`")

    def get_summary(self) -> str:
        """The first sentence of the description, where no summary is given."""
        return " ".join(self.get_description().split()).partition(". ")[0]

    def get_paginated_name(self, serializer_name: str) -> str:
        """What a page of such rows is called."""
        return f"{serializer_name}Page"

    def _map_serializer_field(self, field: Any, direction: Any, *args: Any, **kwargs: Any) -> Any:
        """Say of a set of choices, a mapping and a text, too, that it may not be empty."""
        schema: Any = super()._map_serializer_field(  # type: ignore[no-untyped-call]
            field, direction, *args, **kwargs
        )
        if isinstance(field, serializers.MultipleChoiceField) and not field.allow_empty:
            schema["minItems"] = 1
        if isinstance(field, serializers.DictField) and not field.allow_empty:
            schema["minProperties"] = 1
        if direction == "request" and schema.get("type") == "string" and _refuses_blank(field):
            # White space around a text is dropped, so one that has nothing else is empty, too.
            if field.trim_whitespace:
                schema.setdefault("pattern", _NOT_BLANK)
            else:
                schema.setdefault("minLength", 1)
        return schema

    def _map_basic_serializer(self, serializer: Any, direction: Any) -> Any:
        """Say of a body that it has no other fields."""
        schema: Any = super()._map_basic_serializer(serializer, direction)  # type: ignore[no-untyped-call]
        if _refuses_fields(serializer):
            schema["additionalProperties"] = False
        return schema

    def get_operation(self, *args: Any, **kwargs: Any) -> dict[str, Any] | None:
        """The operation with its errors, headers and examples."""
        operation = super().get_operation(*args, **kwargs)
        if operation is None:
            return None
        _refuse_empty(operation)
        operation["summary"] = operation["summary"].removesuffix(".")
        if self.method == "GET" and hasattr(self.view, "sparse_serializer"):
            self._offer_fields(operation)
        self._add_scope(operation)
        self._add_headers(operation)
        self._add_problems(operation)
        _add_examples(operation)
        return operation

    def _refer(self, kind: str, name: str, described: dict[str, Any], identity: Any) -> dict[str, Any]:
        """A reference to a part of the document that many operations share."""
        # Two parts of one name with different identities are a warning, which a test turns into a failure.
        named: Any = ComponentIdentity(identity)  # type: ignore[no-untyped-call]
        component: Any = ResolvedComponent(name, kind, described, named)  # type: ignore[no-untyped-call]
        self.registry.register_on_missing(component)
        return dict(component.ref)

    def _offer_fields(self, operation: dict[str, Any]) -> None:
        """Describe ``?fields=``, and the answer in which other fields are missing."""
        names = list_fields(self.view.sparse_serializer)  # type: ignore[attr-defined]
        operation.setdefault("parameters", []).append(
            {
                "name": FIELDS,
                "in": "query",
                "description": "Only these fields, comma-separated; what is left out is not computed.",
                "schema": {"type": "array", "items": {"type": "string", "enum": names}, "minItems": 1},
                "style": "form",
                "explode": False,
            }
        )
        content = operation["responses"]["200"]["content"][_JSON]
        content["schema"] = {"anyOf": [content["schema"], self._refer_to_sparse(content["schema"])]}

    def _refer_to_sparse(self, whole: dict[str, Any]) -> dict[str, Any]:
        name = whole["$ref"].rpartition("/")[2]
        described = deepcopy(self.registry[name, ResolvedComponent.SCHEMA].schema)
        if "results" in described["properties"]:
            results = described["properties"]["results"]
            results["items"] = self._refer_to_sparse(results["items"])
        else:
            described.pop("required", None)
            described["description"] = "The same with the fields that `fields` names."
        return self._refer(ResolvedComponent.SCHEMA, f"Sparse{name}", described, f"sparse {name}")

    def _add_scope(self, operation: dict[str, Any]) -> None:
        """Ask the permissions of the view what a token needs."""
        for permission in self.view.permission_classes:
            if hasattr(permission, "describe"):
                scope, refused = permission.describe(self.view, self.method)
                operation[SCOPE] = scope
                operation[_REFUSALS] = (*operation.get(_REFUSALS, ()), *refused)

    def _add_headers(self, operation: dict[str, Any]) -> None:
        for status, answer in operation["responses"].items():
            answer["description"] = answer["description"] or operation["summary"]
            names = [*_HEADERS]
            if status in {"201", "202"}:
                names.append("Location")
            elif self.method == "GET" and _JSON in answer.get("content", ()):
                names.append("ETag")
            found = answer.setdefault("headers", {})
            for name in names:
                described = _HEADERS.get(name) or _FURTHER_HEADERS[name]
                found[name] = self._refer(ResolvedComponent.HEADER, name, described, name)

    def _add_problems(self, operation: dict[str, Any]) -> None:
        own = operation.pop(_REFUSALS, ())
        schema = self.resolve_serializer(ProblemSerializer, "response").ref
        grouped: dict[int, list[ProblemKind]] = {}
        for refusal in dict.fromkeys((*self._list_general_refusals(operation), *own)):
            grouped.setdefault(refusal.status, []).append(refusal)
        responses = operation["responses"]
        for status, found in grouped.items():
            responses[str(status)] = {
                "description": "\n".join(f"- `{one.code}`: {one.meaning}" for one in found),
                "content": {MEDIA_TYPE: {"schema": schema, "examples": self._refer_to_codes(found)}},
            }
        operation["responses"] = dict(sorted(responses.items()))

    def _refer_to_codes(self, found: list[ProblemKind]) -> dict[str, Any]:
        """An example for each code."""
        examples = {}
        for refusal in found:
            problem = Problem(refusal.status, refusal.code, refusal.meaning)
            described = {"summary": refusal.meaning, "value": problem.document()}
            name = f"{refusal.status}.{refusal.code.replace(':', '.')}"
            examples[refusal.code] = self._refer(ResolvedComponent.EXAMPLE, name, described, refusal)
        return examples

    def _list_general_refusals(self, operation: dict[str, Any]) -> list[ProblemKind]:
        """What the classes around a view refuse before it does anything."""
        view = self.view
        found = [*refusals.EVERYWHERE]
        if TokenRequired in view.permission_classes:
            found += refusals.WITH_TOKEN
        if "requestBody" in operation:
            found += refusals.WITH_BODY
            if _refuses_fields(self.get_request_serializer()):
                found.append(refusals.UNKNOWN_FIELD)
        places = {parameter["in"] for parameter in operation.get("parameters", ())}
        if "path" in places:
            found.append(refusals.NOTHING_HERE)
        if "query" in places:
            found.append(refusals.INVALID_PARAMETER)
        if self.method == "GET" and getattr(view, "pagination_class", None):
            found.append(refusals.INVALID_CURSOR)
        if _answers_json_only(operation):
            found.append(refusals.NOT_ACCEPTABLE)
        return found


def _refuse_empty(operation: dict[str, Any]) -> None:
    """Say of the texts in a query that none of them may be empty."""
    for parameter in operation.get("parameters", ()):
        schema = parameter["schema"]
        if parameter["in"] == "query" and schema.get("type") == "string" and "enum" not in schema:
            schema["minLength"] = 1


def _refuses_fields(serializer: Any) -> bool:
    """Whether a body of that shape has no other fields."""
    kind = serializer if isinstance(serializer, type) else type(serializer)
    return issubclass(kind, RequestSerializer) and not kind.takes_more


def _refuses_blank(field: Any) -> bool:
    if not isinstance(field, serializers.CharField) or field.allow_blank:
        return False
    # The own pattern of a field says more; it is filled in later, and only where there is none yet.
    return not any(isinstance(one, RegexValidator) for one in field.validators)


def _answers_json_only(operation: dict[str, Any]) -> bool:
    kinds = {kind for answer in operation["responses"].values() for kind in answer.get("content", ())}
    return kinds == {_JSON}


def _add_examples(operation: dict[str, Any]) -> None:
    example = read_example(operation["operationId"])
    body = operation.get("requestBody")
    if body is not None and "request" in example:
        body["content"][_JSON]["example"] = example["request"]
    for status, answer in operation["responses"].items():
        for kind, content in answer.get("content", {}).items():
            if status.startswith("2") and kind in example.get("response", {}):
                content["example"] = example["response"][kind]


@cache
def read_example(operation_id: str) -> dict[str, Any]:
    """The bodies of an operation: ``request``, and ``response`` by its media type."""
    path = EXAMPLES / f"{operation_id}.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return found
