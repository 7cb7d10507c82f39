"""``docs/reference/rest-operations.md``: every operation of the REST API, from its OpenAPI."""

from collections.abc import Iterator
from typing import Any

from drf_spectacular.views import SpectacularAPIView

from docs.generators.markdown import build_page, build_table
from orchestrator.repos.scopes import DESCRIPTIONS, OPERATOR_SCOPES, TokenScope
from orchestrator.rest.openapi import SCOPE

_INTRODUCTION = """\
Who may call what. A token needs the scope of the row; "any" is every live token. A token of one repo reaches
that repo only, an operator's every repo; what is out of reach is answered as if it were not there. The
[conventions](rest-api.md) hold for all of them, and `/api/v1/docs/` shows each with its parameters, bodies,
examples and errors."""


def list_operations() -> Iterator[dict[str, Any]]:
    """Every operation with its path and its method, in the order of the paths."""
    generator: Any = SpectacularAPIView.generator_class()
    document = generator.get_schema(request=None, public=True)
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield {**operation, "path": path, "method": method.upper()}


def build_operations_page() -> str:
    """The page."""
    rows = []
    for operation in list_operations():
        scope = operation.get(SCOPE)
        of_operator = bool(scope) and TokenScope(str(scope)) in OPERATOR_SCOPES
        callers = (scope is None, not of_operator, True)
        rows.append(
            [
                f"`{operation['method']} {operation['path']}`",
                operation["summary"],
                "" if scope is None else f"`{scope}`" if scope else "any",
                *("yes" if may else "no" for may in callers),
            ]
        )
    heads = ("operation", "does", "scope", "nobody", "repo's token", "operator")
    scopes = build_table(
        ("scope", "allows"), ([f"`{scope.value}`", text] for scope, text in DESCRIPTIONS.items())
    )
    return build_page("REST operations", _INTRODUCTION, build_table(heads, rows), "## Scopes", scopes)
