"""Each method of the API declares the scope that it needs, and answers nobody whose token lacks it."""

import json
from typing import Any

import pytest
from django.test import Client

from orchestrator.repos import tokens
from orchestrator.repos.access import ScopeRequired
from orchestrator.repos.models import Token
from orchestrator.repos.scopes import ANY_TOKEN, DESCRIPTIONS, OPERATOR_SCOPES, REPO_SCOPES, TokenScope
from tests import scenes
from tests.rest.test_rights import LEFT_OUT, METHODS, fill_in, list_views

# What anybody may read or ask, without a token.
OPEN = {"/api/v1/schema/", "/api/v1/docs/", "/api/v1/evidence/keys/", "/api/v1/tokens/exchange/"}


def list_declared() -> dict[str, Any]:
    """Method and address of everything that needs a token, and the scope that its view declares."""
    found: dict[str, Any] = {}
    for route, callback in list_views():
        if not route.startswith("/api/") or route.startswith(LEFT_OUT):
            continue
        view = callback.view_class(**callback.view_initkwargs)
        if ScopeRequired not in view.permission_classes:
            assert route in OPEN, route
            continue
        methods = {method.upper() for method in METHODS if hasattr(view, method)}
        assert set(view.scopes) == methods, route
        found |= {f"{method} {route}": view.scopes[method] for method in methods}
    return found


DECLARED = list_declared()


def ask(scopes: Any, row: str, flow: Any) -> Any:
    method, address = row.split(" ", 1)
    owner = None if OPERATOR_SCOPES & set(scopes) else flow.repo
    _, secret = tokens.create_token("limited", owner, scopes=scopes)
    body = {} if method == "GET" else {"data": "{}", "content_type": "application/json"}
    headers = {"Authorization": f"Bearer {secret}"}
    return getattr(Client(), method.lower())(fill_in(address, flow), headers=headers, **body)


def read_code(answer: Any) -> str:
    """The code of a problem; empty for an answer that is none."""
    if answer["Content-Type"] != "application/problem+json":
        for closer in getattr(answer, "_resource_closers", ()):
            closer()
        return ""
    return str(json.loads(answer.content)["code"])


def test_every_scope_is_used_and_described():
    assert set(DECLARED.values()) == {ANY_TOKEN, *TokenScope}
    assert set(DESCRIPTIONS) == set(TokenScope)


@pytest.mark.parametrize("row", sorted(row for row, scope in DECLARED.items() if scope is not None))
def test_a_token_with_every_other_scope_is_refused(db, row):
    flow = scenes.make_flow()
    needed = DECLARED[row]
    reach = set(TokenScope) if needed in OPERATOR_SCOPES else REPO_SCOPES
    refused = ask(sorted(reach - {needed}), row, flow)
    assert (refused.status_code, read_code(refused)) == (403, "auth:missing-scope")
    assert json.loads(refused.content)["scope"] == needed
    # What then stops it is the empty body, or a row that is not there.
    assert read_code(ask([needed], row, flow)) not in {"auth:missing-scope", "auth:operators-only"}


def test_operators_scopes_are_nothing_on_the_token_of_a_repo(repo):
    token, _ = tokens.create_token("odd", repo, scopes=[*TokenScope])
    assert set(token.granted_scopes) == REPO_SCOPES
    assert tokens.create_token("odd", repo, scopes=["flows:everything"])[0].granted_scopes == ()


def test_tokens_of_before_may_do_what_they_could(repo):
    """Old code inserts rows without scopes, and so were those that were there before."""
    for owner, everything in ((repo, REPO_SCOPES), (None, set(TokenScope))):
        token = Token.objects.create(name="old", repo=owner, digest=str(owner))
        token.refresh_from_db()
        assert set(token.granted_scopes) == everything
