"""Everything that is sent to any address: an answer that says what is wrong, never a failure of the service.

The addresses come from the routes themselves, so a new one is tried too.
"""

import json
from collections.abc import Iterator
from functools import cache as cache_result
from itertools import product
from typing import Any
from urllib.parse import quote

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.repos import tokens
from providers.models import ProviderState
from tests import scenes
from tests.rest.test_rights import ADMIN_APPS, fill_in, list_views

ODD_QUERIES = (
    "page=abc&s=a",
    "page=-1&s=a&p=-1&o=xx&e=1",
    "p=99999999999999999999999&o=-1.5",
    "q=%00",
    "_to_field=&_popup=1",
    "_to_field=%00",
    "created_at__year=0",
    "created_at__gte=99999-01-01&created_at__year=99999999999999999999999",
    "status=%00&kind=%00&repo__id__exact=abc",
    "since=9999-12-31&until=0001-01-01&days=99999999999999999999&range=%00",
    "cursor=%00&limit=-1",
    "cursor=cD0tMQ%3D%3D&limit=1e309",
    "%ED%A0%80=%FF%FE&app_label=x&model_name=y&field_name=z&term=%00",
)
"""Each is asked of each address; ``hypothesis`` draws others."""
NAMES = sorted(
    {name.partition("=")[0] for query in ODD_QUERIES for name in query.split("&")}
    | {"family", "model", "gate", "reason", "repo", "stage", "provider", "compare", "after", "format", "next"}
)
FIELDS = (
    *("repo", "feature_request", "flow_type", "block_family", "context", "reason", "name", "url", "topics"),
    *(
        "channel",
        "message",
        "to",
        "subject",
        "body",
        "clone_url",
        "username",
        "password",
        "repo_name",
        "domain",
    ),
    *(
        "team_lead",
        "flow.max_cost_usd",
        "architect.model",
        "budget.tokens_day",
        "enabled",
        "severity",
        "end_wait",
    ),
    *("scopes", "expires_at", "operator", "overlap_seconds", "events", "active", "days", "provider"),
)
HEADERS = (
    *("Accept", "Authorization", "Cookie", "Content-Type", "Host", "Idempotency-Key", "Last-Event-ID"),
    *(
        "X-Forwarded-For",
        "X-Forwarded-Proto",
        "X-Request-ID",
        "Origin",
        "Referer",
        "traceparent",
        "User-Agent",
    ),
    *("If-None-Match", "If-Modified-Since", "Range", "Content-Encoding", "X-CSRFToken", "HX-Request"),
)
# Refusals with a reason and a cure, of what is not set up here.
NOT_SET_UP = {"notify:not-configured", "alerts:not-configured", "provider:missing-key"}
LEFT_OUT = ("/api/v1/^", "logout")


@pytest.fixture
def flow(db) -> Any:
    """A flow that has passed, beside one that its gates refused."""
    ProviderState.objects.get_or_create(provider="openai")
    repo = scenes.make_repo()
    scenes.run_through(scenes.make_flow(repo), gates_fail=True)
    return scenes.run_through(scenes.make_flow(repo))


@pytest.fixture
def clients(flow) -> Iterator[dict[str, Client]]:
    """Those who are asked with: nobody, a person who may do all, an operator's token."""
    person = User.objects.create_superuser("sre", "sre@example.org", "a long enough one 7")
    pages = Client(raise_request_exception=False)
    pages.force_login(person)
    bearer = {"Authorization": f"Bearer {tokens.create_token('t', None)[1]}"}
    cache.clear()
    yield {
        "nobody": Client(raise_request_exception=False),
        "person": pages,
        "token": Client(raise_request_exception=False, headers=bearer),
    }
    cache.clear()


def list_addresses() -> list[str]:
    """Every address, its variable parts as ``<name>``."""
    return sorted({route for route, _ in list_views() if not any(part in route for part in LEFT_OUT)})


@cache_result
def group_addresses() -> dict[str, list[str]]:
    """The addresses below the same three parts of a path: to make its flows takes a test most of its time."""
    areas: dict[str, list[str]] = {}
    for address in list_addresses():
        areas.setdefault("/".join(address.split("/")[:4]), []).append(address)
    return areas


def fill_in_rows(address: str, flow: Any) -> str:
    """``address`` with the parts of rows that are there."""
    address = fill_in(address, flow)
    if "<object_id>" in address and not address.startswith("/admin/r/"):
        app, model = address.split("/")[2:4]
        row = apps.get_model(app, model)._default_manager.order_by("pk").first()
        address = address.replace("<object_id>", str(row.pk if row else 1))
    for part, value in {
        "<app_label>": "flows",
        "<url>": "nope",
        "<id>": "1",
        "<content_type_id>": "1",
    }.items():
        address = address.replace(part, value)
    return address.replace("<object_id>", "1")


def find_failure(client: Client, method: str, address: str, **sent: Any) -> str:
    """What is wrong with the answer; empty where it is an answer."""
    answer = client.generic(method, address, **sent)
    for closer in getattr(answer, "_resource_closers", ()):
        closer()
    if answer.status_code < 500:
        return ""
    if answer.status_code == 503 and json.loads(answer.content).get("code") in NOT_SET_UP:
        return ""
    error = getattr(answer, "exc_info", None)
    return (
        f"{method} {address} {sent}: {answer.status_code} {error[1]!r}"
        if error
        else str(answer.content)[:300]
    )


@pytest.mark.parametrize("area", group_addresses())
def test_no_odd_query_makes_an_address_fail(clients, flow, area) -> None:
    failures = []
    for address in group_addresses()[area]:
        # The requests of one address must not use up what a caller may ask of the next.
        cache.clear()
        client = clients["token" if address.startswith("/api/") else "person"]
        found = fill_in_rows(address, flow)
        # The pages of one row share their code; the lists are what reads a query.
        queries = ODD_QUERIES[4:6] if "<object_id>" in address or address.endswith("/add/") else ODD_QUERIES
        failures += [find_failure(client, "GET", f"{found}?{query}") for query in queries]
    assert not any(failures), [failure for failure in failures if failure]


def test_a_form_with_an_odd_parameter_does_not_fail_either(clients, flow) -> None:
    for query in ("_to_field=", "_to_field=%00", "_popup=1&_to_field=nope"):
        assert not find_failure(
            clients["person"], "POST", f"/admin/repos/repo/{flow.repo_id}/change/?{query}"
        )


odd_text = st.one_of(
    st.sampled_from(["", "\0", "-1", "0", "abc", "9" * 5000, "1e309", "NaN", "..", "%00", "[", "0001-01-01"]),
    st.text(max_size=30),
    st.text(max_size=1).map(lambda sign: sign * 3000),
)
odd_value = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), odd_text),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(odd_text, inner, max_size=3)),
    max_leaves=6,
)
# What a header can be: a server refuses the rest before it is one.
header_text = odd_text.map(
    lambda text: text.encode("ascii", "ignore").decode().translate(dict.fromkeys(range(32)))
)
requests = st.fixed_dictionaries(
    {
        "address": st.sampled_from(list_addresses()),
        "who": st.sampled_from(["nobody", "person", "token"]),
        "method": st.sampled_from(
            ["GET", "GET", "GET", "POST", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"]
        ),
        "part": st.one_of(st.none(), st.none(), odd_text),
        "query": st.lists(st.tuples(st.sampled_from(NAMES), odd_text), max_size=3),
        "headers": st.dictionaries(st.sampled_from(HEADERS), header_text, max_size=2),
        "body": st.one_of(
            st.dictionaries(st.sampled_from(FIELDS), odd_value, max_size=4).map(
                lambda body: json.dumps(body).encode()
            ),
            st.dictionaries(st.sampled_from(FIELDS), odd_text, max_size=4),
            st.binary(max_size=40),
        ),
    }
)


def try_request(clients: dict[str, Client], flow: Any, drawn: dict[str, Any]) -> None:
    address = drawn["address"]
    if drawn["part"] is not None:
        for name in ("<object_id>", "<flow_id>", "<name>", "<repo>", "<number>", "<panel>", "<dashboard>"):
            address = address.replace(name, quote(drawn["part"].encode("utf-8", "replace"), safe=""))
    address = fill_in_rows(address, flow)
    query = "&".join(f"{name}={quote(value.encode('utf-8', 'replace'))}" for name, value in drawn["query"])
    body, form = drawn["body"], "application/json"
    if isinstance(body, dict):
        form = "application/x-www-form-urlencoded"
        body = "&".join(f"{name}={quote(value.encode('utf-8', 'replace'))}" for name, value in body.items())
    sent = {"data": body, "content_type": form} if drawn["method"] in {"POST", "PUT", "PATCH"} else {}
    failure = find_failure(
        clients[drawn["who"]], drawn["method"], f"{address}?{query}", headers=drawn["headers"], **sent
    )
    assert not failure


@given(drawn=requests)
@settings(max_examples=150, suppress_health_check=list(HealthCheck))
def test_drawn_requests_are_answered(clients, flow, drawn) -> None:
    try_request(clients, flow, drawn)


@pytest.mark.slow
@pytest.mark.timeout(900)
@given(drawn=requests)
@settings(max_examples=3000, suppress_health_check=list(HealthCheck))
def test_an_hour_of_drawn_requests_is_answered(clients, flow, drawn) -> None:
    try_request(clients, flow, drawn)


@pytest.mark.parametrize("value", ["\0", "a" * 5000, "\U0001f511", "%s\r\nX: y", "\u202e", " "])
def test_forms_of_strangers_take_any_text(clients, value) -> None:
    form = dict.fromkeys(
        ("username", "password", "next", "repo", "block_family", "team_lead", "ci_system"), value
    )
    body = "&".join(f"{name}={quote(text)}" for name, text in form.items())
    printable = value.encode("ascii", "ignore").decode().translate(dict.fromkeys(range(32)))
    headers = {"User-Agent": printable, "X-Forwarded-For": printable, "Accept": printable}
    sent = {"data": body, "content_type": "application/x-www-form-urlencoded", "headers": headers}
    for page, who in (("/login/", "nobody"), ("/admin/login/", "nobody"), ("/onboarding/", "person")):
        assert not find_failure(clients[who], "POST", f"{page}?next={quote(value)}", **sent)


@pytest.mark.parametrize("app", ADMIN_APPS)
def test_no_action_of_the_admin_fails_over_the_rows_that_it_is_asked_for(clients, app) -> None:
    for model, shown in admin.site._registry.items():
        if model._meta.app_label != app:
            continue
        address = f"/admin/{app}/{model._meta.model_name}/"
        actions = ("delete_selected", "nope", *(shown.actions or ()))
        for action, chosen in product(actions, ["", "\0", "abc", "-1", "9" * 30]):
            form = f"action={action}&_selected_action={quote(chosen)}&index=0"
            sent = {"data": form, "content_type": "application/x-www-form-urlencoded"}
            assert not find_failure(clients["person"], "POST", address, **sent)
