"""Who reaches what: each address of the service as each kind of person and token, against one table.

The table is compared with the routes themselves: an address without a row fails, and so does a row without an
address.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from orchestrator.repos.models import Membership, Repo, Role
from orchestrator.web import roles
from providers.models import ProviderState
from tests import scenes

PEOPLE = ("anonymous", "stranger", "staff", "foreign", "viewer", "member", "sre", "commander", "superuser")
"""In the order of the columns. ``stranger`` has an account and nothing else, ``staff`` may enter the admin
and has no permission, ``foreign`` is a member of another repo."""
TOKENS = ("none", "foreign token", "token", "operator")

OPEN = "200 200 200 200 200 200 200 200 200"
READS = "302 403 403 404 200 200 200 200 200"
LISTS = "302 403 403 200 200 200 200 200 200"
ACTS = "302 403 403 404 403 302 302 302 302"
NO_REQUEST = "302 404 404 404 404 404 404 404 404"
PAGES = {
    # address: what GET answers each of PEOPLE
    "/": OPEN,
    "/status/": OPEN,
    "/status/feed.atom": OPEN,
    # A key that nobody has.
    "/status/confirm/<key>/": OPEN,
    "/status/unsubscribe/<key>/": OPEN,
    "/health": OPEN,
    "/ready": OPEN,
    "/login/": OPEN,
    # Only where people sign in with their company account.
    "/login/openid/callback/": "404 404 404 404 404 404 404 404 404",
    "/cli/": OPEN,
    "/cli/simple/": OPEN,
    "/cli/simple/multi-llm-blocks/": OPEN,
    "/cli/release.json": OPEN,
    # Its name has the version in it: tests/web/test_command_line.py asks for it.
    "/cli/<file>": "404 404 404 404 404 404 404 404 404",
    "/onboarding/": "302 200 200 200 200 200 200 200 200",
    # A link that was not signed here, and a request that none of them may see.
    "/onboarding/approve/<signed>/": "403 403 403 403 403 403 403 403 403",
    "/onboarding/<reference>/": NO_REQUEST,
    "/onboarding/<reference>/live/": NO_REQUEST,
    "/dashboards/": "302 403 403 302 302 302 302 302 302",
    "/dashboards/<dashboard>/": LISTS,
    "/dashboards/<dashboard>/<panel>.csv": LISTS,
    "/dashboards/spend.csv": LISTS,
    "/dashboards/repos/<repo>/": READS,
    "/dashboards/repos/<repo>/<panel>.csv": READS,
    "/preflight/": "302 403 403 403 403 403 200 200 200",
    "/flows/": LISTS,
    "/flows/<flow_id>/": READS,
    "/flows/<flow_id>/events/": READS,
    "/flows/<flow_id>/evidence.zip": READS,
    "/flows/<flow_id>/block.tar.gz": READS,
    "/flows/<flow_id>/artifacts/<artifact_id>/": READS,
}
POSTED = {
    # address: what POST answers each of PEOPLE
    "/flows/<flow_id>/<action>/": ACTS,
    "/onboarding/<reference>/token/": NO_REQUEST,
    "/onboarding/<reference>/retry/": NO_REQUEST,
    "/onboarding/<reference>/cancel/": NO_REQUEST,
    # Only where people sign in with their company account, and where Slack is set up.
    "/login/openid/": "404 404 404 404 404 404 404 404 404",
    "/onboarding/slack/": "404 404 404 404 404 404 404 404 404",
    # Without an address: the same words as with one.
    "/status/subscribe/": "200 200 200 200 200 200 200 200 200",
    # Without an answer: those who may are sent back to the page.
    "/preflight/answer/": "302 403 403 403 403 403 302 302 302",
    "/logout/": "302 302 302 302 302 302 302 302 302",
}
REPOS_OWN = "401 403 200 200"
FLOWS_OWN = "401 404 200 200"
# Nobody has asked for a replay of this flow.
NOT_ASKED = "401 404 404 404"
API = {
    # method and address: what it answers each of TOKENS
    "GET /api/v1/schema/": "200 200 200 200",
    "GET /api/v1/docs/": "200 200 200 200",
    "GET /api/v1/flows/": "401 200 200 200",
    "POST /api/v1/flows/": "401 403 202 202",
    "GET /api/v1/flows/<flow_id>/": FLOWS_OWN,
    "GET /api/v1/flows/<flow_id>/events/": FLOWS_OWN,
    "GET /api/v1/flows/<flow_id>/gates/": FLOWS_OWN,
    "GET /api/v1/flows/<flow_id>/gates/replay/": NOT_ASKED,
    "POST /api/v1/flows/<flow_id>/gates/replay/": "401 404 202 202",
    "GET /api/v1/flows/<flow_id>/calls/": FLOWS_OWN,
    "GET /api/v1/flows/<flow_id>/evidence/": FLOWS_OWN,
    "GET /api/v1/flows/<flow_id>/block/": FLOWS_OWN,
    "POST /api/v1/flows/<flow_id>/cancel/": "401 404 409 409",
    "POST /api/v1/flows/<flow_id>/retry/": "401 404 409 409",
    # It has no plan here, and so no files.
    "POST /api/v1/flows/<flow_id>/edit/": "401 404 422 422",
    "GET /api/v1/flows/<flow_id>/replay/": NOT_ASKED,
    "POST /api/v1/flows/<flow_id>/replay/": "401 404 202 202",
    "GET /api/v1/evidence/keys/": "200 200 200 200",
    "GET /api/v1/quota/": "401 200 200 200",
    "POST /api/v1/quota/<provider>/pause/": "401 403 403 200",
    "POST /api/v1/quota/<provider>/resume/": "401 403 403 200",
    "GET /api/v1/repos/": "401 200 200 200",
    # Without a name for the new repo.
    "POST /api/v1/repos/": "401 403 403 422",
    "GET /api/v1/repos/<name>/": REPOS_OWN,
    "GET /api/v1/repos/<name>/config/": REPOS_OWN,
    "PUT /api/v1/repos/<name>/config/": "401 403 200 200",
    "GET /api/v1/repos/<name>/ci-trusts/": REPOS_OWN,
    "POST /api/v1/repos/<name>/ci-trusts/": "401 403 201 201",
    "DELETE /api/v1/repos/<name>/ci-trusts/<number>/": "401 403 404 404",
    "GET /api/v1/config/": "401 200 200 200",
    "PUT /api/v1/config/": "401 403 403 200",
    "GET /api/v1/whoami/": "401 200 200 200",
    "GET /api/v1/tokens/": "401 200 200 200",
    "POST /api/v1/tokens/": "401 403 201 201",
    # Without an OIDC token in the body.
    "POST /api/v1/tokens/exchange/": "422 422 422 422",
    "GET /api/v1/tokens/<number>/": "401 404 404 404",
    "DELETE /api/v1/tokens/<number>/": "401 404 404 404",
    "POST /api/v1/tokens/<number>/rotate/": "401 404 404 404",
    # Neither Slack nor mail is configured here.
    "POST /api/v1/notify/slack/": "401 403 403 503",
    "POST /api/v1/notify/email/": "401 403 403 503",
    "GET /api/v1/notifications/": "401 403 403 200",
    "GET /api/v1/notifications/<number>/": "401 403 403 404",
    "GET /api/v1/webhooks/": "401 200 200 200",
    "POST /api/v1/webhooks/": "401 403 201 201",
    "GET /api/v1/webhooks/<number>/": "401 404 404 404",
    "PATCH /api/v1/webhooks/<number>/": "401 404 404 404",
    "DELETE /api/v1/webhooks/<number>/": "401 404 404 404",
    "POST /api/v1/webhooks/<number>/test/": "401 404 404 404",
    "POST /api/v1/webhooks/<number>/rotate-secret/": "401 404 404 404",
    "POST /api/v1/webhooks/<number>/replay/": "401 404 404 404",
    "GET /api/v1/webhooks/<number>/deliveries/": "401 404 404 404",
    "GET /api/v1/webhooks/<number>/deliveries/<delivery_number>/": "401 404 404 404",
    "POST /api/v1/webhooks/<number>/deliveries/<delivery_number>/replay/": "401 404 404 404",
    "GET /api/v1/reports/daily/": "401 200 200 200",
    "GET /api/v1/reports/weekly/": "401 403 403 200",
    # Neither SOAK_DAYS nor ROLLOUT_DAYS is set here.
    "GET /api/v1/reports/soak/": "401 403 403 422",
    "GET /api/v1/reports/rollout/": "401 403 403 422",
    "GET /api/v1/preflight/": "401 403 403 200",
    # Without an answer.
    "POST /api/v1/preflight/answers/": "401 403 403 422",
    "GET /api/v1/training/": "401 403 403 200",
    "GET /api/v1/training/people/": "401 403 403 200",
    # Without a file.
    "POST /api/v1/training/imports/<kind>/": "401 403 403 422",
    "GET /api/v1/incidents/": "401 403 403 200",
    # Without a title.
    "POST /api/v1/incidents/": "401 403 403 422",
    # Not a message of Alertmanager's.
    "POST /api/v1/incidents/alerts/": "401 403 403 422",
    "GET /api/v1/incidents/<number>/": "401 403 403 404",
    "POST /api/v1/incidents/<number>/acknowledge/": "401 403 403 404",
    "POST /api/v1/incidents/<number>/handover/": "401 403 403 422",
    "POST /api/v1/incidents/<number>/severity/": "401 403 403 422",
    "POST /api/v1/incidents/<number>/resolve/": "401 403 403 404",
    "GET /api/v1/incidents/<number>/timeline/": "401 403 403 404",
    "POST /api/v1/incidents/<number>/timeline/": "401 403 403 422",
    "GET /api/v1/incidents/<number>/diagnosis/": "401 403 403 404",
    "GET /api/v1/incidents/<number>/review/": "401 403 403 404",
    "PATCH /api/v1/incidents/<number>/review/": "401 403 403 404",
    "POST /api/v1/incidents/<number>/actions/": "401 403 403 422",
    "POST /api/v1/incidents/<number>/actions/<action_number>/done/": "401 403 403 404",
    "GET /api/v1/onboarding/": "401 200 200 200",
    # Without a repo.
    "POST /api/v1/onboarding/": "401 403 403 422",
    "POST /api/v1/onboarding/batch/": "401 403 403 422",
    "GET /api/v1/onboarding/rollout/": "401 403 403 200",
    # Without a role.
    "POST /api/v1/onboarding/rollout/votes/": "401 403 403 422",
    # Without a reason.
    "POST /api/v1/onboarding/rollout/close/": "401 403 403 422",
    "POST /api/v1/onboarding/rollout/open/": "401 403 403 422",
    # Nobody has this reference; whose requests a token reaches is tried in tests/onboarding.
    "GET /api/v1/onboarding/<reference>/": "401 404 404 404",
    "POST /api/v1/onboarding/<reference>/approve/": "401 403 403 404",
    "POST /api/v1/onboarding/<reference>/reject/": "401 403 403 404",
    "POST /api/v1/onboarding/<reference>/retry/": "401 403 403 404",
    "POST /api/v1/onboarding/<reference>/cancel/": "401 403 403 404",
    "POST /api/v1/onboarding/<reference>/offboard/": "401 403 403 404",
    "GET /api/v1/rollback/": "401 403 403 200",
    # Without a reason.
    "POST /api/v1/rollback/": "401 403 403 422",
    "GET /api/v1/rollback/plan/": "401 403 403 200",
    "GET /api/v1/rollback/<number>/": "401 403 403 404",
    "POST /api/v1/rollback/<number>/votes/": "401 403 403 422",
    "POST /api/v1/rollback/<number>/restore/": "401 403 403 404",
    "POST /api/v1/rollback/<number>/decline/": "401 403 403 422",
    "POST /api/v1/rollback/announcements/<number>/send/": "401 403 403 404",
    "POST /api/v1/rollback/announcements/<number>/drop/": "401 403 403 404",
    # No Alertmanager is configured here.
    "POST /api/v1/alerts/<name>/test/": "401 403 403 503",
}
# Not addresses of their own: the last resort of /api/, and everything of the admin, which has tables below.
LEFT_OUT = ("/api/v1/^", "/admin/")
METHODS = ("get", "post", "put", "patch", "delete")
# What each role may do with each model: v view, a add, c change, d delete. Superusers may do all that the
# admin offers, so only groups are listed.
ADMIN = {
    # model: staff, SRE, commander
    "flows.flow": ("", "v", "v"),
    "flows.stage": ("", "v", "v"),
    "flows.flowevent": ("", "v", "v"),
    "flows.block": ("", "v", "v"),
    "flows.gateresult": ("", "v", "v"),
    "flows.hold": ("", "v", "va"),
    "flows.attempt": ("", "v", "v"),
    "flows.stagewait": ("", "v", "v"),
    "repos.repo": ("", "vac", "vac"),
    "repos.reposetting": ("", "va", "va"),
    "repos.token": ("", "vac", "vac"),
    "repos.citrust": ("", "vad", "vad"),
    "core.auditentry": ("", "v", "v"),
    "core.outgoingevent": ("", "v", "v"),
    "providers.providerstate": ("", "vc", "vc"),
    "providers.providercall": ("", "v", "v"),
    "providers.providerchange": ("", "v", "v"),
    "onboarding.onboardingrequest": ("", "v", "v"),
    "onboarding.terraformstate": ("", "v", "v"),
    "onboarding.repopage": ("", "v", "v"),
    "reports.report": ("", "v", "v"),
    "reports.figureanswer": ("", "va", "va"),
    "alerts.alerttestresult": ("", "v", "v"),
    "preflight.personanswer": ("", "v", "v"),
    "status.maintenance": ("", "vac", "vac"),
    "status.statusnews": ("", "v", "v"),
    "status.statusreader": ("", "v", "v"),
    "training.trainee": ("", "vac", "vac"),
    "training.trainingmodule": ("", "vac", "vac"),
    "training.trainingsession": ("", "vac", "vac"),
    "training.trainingscore": ("", "vac", "vac"),
    "training.certificate": ("", "v", "v"),
    "training.feedback": ("", "vac", "vac"),
    "notifications.notification": ("", "v", "v"),
    "notifications.deadletter": ("", "v", "v"),
    "notifications.subscription": ("", "vacd", "vacd"),
    "incidents.incident": ("", "vac", "vac"),
    "incidents.incidententry": ("", "va", "va"),
    "incidents.incidentreview": ("", "vc", "vc"),
    "incidents.actionitem": ("", "vac", "vac"),
    "rollback.rollback": ("", "v", "va"),
    "rollback.rollbackvote": ("", "va", "va"),
    "rollback.rollbackrepo": ("", "v", "v"),
    "rollback.announcement": ("", "v", "v"),
    "rollback.triggerstate": ("", "v", "v"),
    "rollback.triggerdecision": ("", "v", "v"),
    "auth.user": ("", "", ""),
    "auth.group": ("", "", ""),
    "axes.accessattempt": ("", "", ""),
    "axes.accessfailurelog": ("", "", ""),
    "axes.accesslog": ("", "", ""),
}

# The models of an app are tried together: to make its people takes a test most of its time.
ADMIN_APPS = sorted({label.partition(".")[0] for label in ADMIN})
ADMIN_OWN = {
    # address of the admin itself: what GET answers each of PEOPLE
    "/admin/": "302 302 200 302 302 302 200 200 200",
    "/admin/<app_label>/": "302 302 404 302 302 302 200 200 200",
    "/admin/<url>": "302 302 404 302 302 302 404 404 404",
    # Of no model, which is not allowed to anybody.
    "/admin/autocomplete/": "302 302 403 302 302 302 403 403 403",
    "/admin/jsi18n/": "302 302 200 302 302 302 200 200 200",
    "/admin/login/": "200 200 302 200 200 200 302 302 302",
    # By POST only.
    "/admin/logout/": "302 302 405 302 302 302 405 405 405",
    "/admin/password_change/": "302 302 200 302 302 302 200 200 200",
    "/admin/password_change/done/": "302 302 200 302 302 302 200 200 200",
    "/admin/r/<content_type_id>/<object_id>/": "302 302 404 302 302 302 404 404 404",
    # What it finds is tried below.
    "/admin/search/": "302 302 200 302 302 302 200 200 200",
}
ADMIN_PAGES = {
    # address of a model: what of the table above opens it
    "": "vc",
    "add/": "a",
    "<object_id>/change/": "vc",
    "<object_id>/history/": "vc",
    "<object_id>/delete/": "d",
    # Leads to the page before.
    "<object_id>/": "",
    "<id>/password/": "c",
    "templates/": "v",
    "import/": "c",
    # Of onboarding: a list that is scheduled, and the switch.
    "schedule/": "v",
    "rollout/": "v",
}


def list_views(resolver: URLResolver | None = None, prefix: str = "/") -> Iterator[tuple[str, Any]]:
    """Every address that the service knows, with its variable parts as ``<name>``, and its view."""
    for pattern in (resolver or get_resolver()).url_patterns:
        whole = prefix + _write_plainly(str(pattern.pattern))
        if isinstance(pattern, URLPattern):
            yield whole, pattern.callback
        else:
            yield from list_views(pattern, whole)


def _write_plainly(pattern: str) -> str:
    plain = re.sub(r"<\w+:(\w+)>", r"<\1>", pattern)
    named = re.sub(r"\(\?P(<\w+>)[^)]*\)", r"\1", plain)
    return named.removeprefix("^").removesuffix("$") if named != plain else plain


def test_every_address_has_a_row_and_every_row_an_address() -> None:
    routes = {route for route, _ in list_views() if not route.startswith(LEFT_OUT)}
    rows = {*PAGES, *POSTED, *(row.split(" ", 1)[1] for row in API)}
    assert routes == rows


def test_every_method_of_the_api_has_a_row() -> None:
    found = {
        f"{method.upper()} {route}"
        for route, view in list_views()
        for method in METHODS
        if route.startswith("/api/") and not route.startswith(LEFT_OUT) and hasattr(view.view_class, method)
    }
    assert found == set(API)


@pytest.fixture
def people(db) -> dict[str, Client]:
    """Somebody of each kind, logged in."""
    roles.write_groups()
    repo, other = scenes.make_repo(), scenes.make_repo("other")
    found = {"anonymous": Client(raise_request_exception=False)}
    for name in PEOPLE[1:]:
        user = User.objects.create_user(name, f"{name}@example.org")
        user.is_staff = name in {"staff", "sre", "commander", "superuser"}
        user.is_superuser = name == "superuser"
        user.save()
        found[name] = Client()
        found[name].force_login(user)
    for name, where, role in (
        ("foreign", other, Role.MEMBER),
        ("viewer", repo, Role.VIEWER),
        ("member", repo, Role.MEMBER),
    ):
        Membership.objects.create(user=User.objects.get(username=name), repo=where, role=role)
    for name, group in (("sre", "SRE"), ("commander", "Incident commander")):
        User.objects.get(username=name).groups.add(Group.objects.get(name=group))
    return found


def fill_in(address: str, flow: Any) -> str:
    """``address`` with the parts of a real flow."""
    artifact = flow.artifacts.order_by("id").first()
    values = {
        "<flow_id>": flow.pk,
        "<artifact_id>": str(artifact.pk) if artifact else "1",
        "<action>": "pause",
        "<name>": flow.repo.name,
        "<repo>": flow.repo.name,
        "<dashboard>": "reliability",
        "<reference>": "ONB-ZZZZZ",
        "<panel>": "success",
        "<provider>": "openai",
        "<key>": "00000000-0000-4000-8000-000000000000",
        "<number>": "999999",
        "<delivery_number>": "999999",
        "<action_number>": "999999",
    }
    for part, value in values.items():
        address = address.replace(part, value)
    return address


def call(client: Any, method: str, address: str, body: Any = None) -> int:
    """The status; a stream is left at once."""
    answer = getattr(client, method)(address, **({} if body is None else body))
    for closer in getattr(answer, "_resource_closers", ()):
        closer()
    return int(answer.status_code)


@pytest.mark.parametrize("address", PAGES)
def test_pages_answer_each_person_as_the_table_says(people, address) -> None:
    flow = scenes.run_through(scenes.make_flow())
    found = [call(people[name], "get", fill_in(address, flow)) for name in PEOPLE]
    assert dict(zip(PEOPLE, found, strict=True)) == _expected(PEOPLE, PAGES[address])


@pytest.mark.parametrize("address", POSTED)
def test_actions_answer_each_person_as_the_table_says(people, address) -> None:
    found = []
    for name in PEOPLE:
        flow = scenes.make_flow()
        found.append(call(people[name], "post", fill_in(address, flow), {"data": {"reason": "a test"}}))
        flow.refresh_from_db()
        # A refusal that acts all the same would be worse than none.
        may = name in {"member", "sre", "commander", "superuser"} and "<action>" in address
        assert (flow.status == "paused") is may, name
    assert dict(zip(PEOPLE, found, strict=True)) == _expected(PEOPLE, POSTED[address])


@pytest.mark.parametrize("row", API)
def test_the_api_answers_each_token_as_the_table_says(
    as_token: Callable[..., Any], repo: Repo, row: str
) -> None:
    method, address = row.split(" ", 1)
    flow = scenes.run_through(scenes.make_flow(repo))
    ProviderState.objects.get_or_create(provider="openai")
    body = {
        "POST /api/v1/flows/": {"repo": repo.name, "feature_request": "# Ratio\nOf capital."},
        "PUT /api/v1/repos/<name>/config/": {"flow.max_cost_usd": "1.5"},
        "POST /api/v1/notify/slack/": {"channel": "#sre", "message": "Hello."},
        "POST /api/v1/notify/email/": {"to": "sre@example.org", "subject": "Hello", "body": "Hello."},
        "POST /api/v1/webhooks/": {
            "repo": repo.name,
            "url": "https://example.org/hook",
            "topics": ["flow.passed"],
        },
        "POST /api/v1/tokens/": {"name": "ci", "repo": repo.name, "scopes": ["flows:read"]},
        "POST /api/v1/repos/<name>/ci-trusts/": {
            "issuer": "github",
            "repository": "example-org/auth-service",
            "refs": ["refs/heads/main"],
        },
        "POST /api/v1/quota/<provider>/pause/": {"reason": "a test"},
        "POST /api/v1/quota/<provider>/resume/": {"reason": "a test"},
        **{
            f"POST /api/v1/onboarding/<reference>/{action}/": {"reason": "a test"}
            for action in ("approve", "reject", "retry", "cancel", "offboard")
        },
    }.get(row, {})
    callers = {
        "none": Client(),
        "foreign token": as_token(scenes.make_repo("other")),
        "token": as_token(repo),
        "operator": as_token(None),
    }
    how = {} if method == "GET" else {"data": body, "format": "json"}
    found = []
    for name in TOKENS:
        mine = {"data": body, "content_type": "application/json"} if name == "none" and how else how
        found.append(call(callers[name], method.lower(), fill_in(address, flow), mine))
    assert dict(zip(TOKENS, found, strict=True)) == _expected(TOKENS, API[row])


def _expected(names: tuple[str, ...], row: str) -> dict[str, int]:
    return dict(zip(names, map(int, row.split()), strict=True))


def test_every_model_of_the_admin_has_a_row() -> None:
    assert {model._meta.label_lower for model in admin.site._registry} == set(ADMIN)


def list_labels(app: str) -> list[str]:
    return [label for label in ADMIN if label.startswith(f"{app}.")]


@pytest.mark.parametrize("app", ADMIN_APPS)
def test_the_admin_offers_each_role_what_the_table_says(people, rf, app) -> None:
    for label in list_labels(app):
        for name, expected in zip(("staff", "sre", "commander"), ADMIN[label], strict=True):
            request = rf.get("/")
            request.user = User.objects.get(username=name)
            assert list_rights(label, request) == expected, (name, label)
            listed = people[name].get(f"/admin/{label.replace('.', '/')}/").status_code
            assert listed == (200 if expected else 403), (name, label)


def list_rights(label: str, request: Any) -> str:
    """What the admin allows with a model, as in the table."""
    shown = admin.site._registry[apps.get_model(label)]
    allowed = {
        "v": shown.has_view_permission(request),
        "a": shown.has_add_permission(request),
        "c": shown.has_change_permission(request),
        "d": shown.has_delete_permission(request),
    }
    return "".join(letter for letter, may in allowed.items() if may)


def test_a_page_shows_the_buttons_only_to_those_who_may_use_them(people) -> None:
    flow = scenes.make_flow()
    for name, shown in (("viewer", False), ("member", True), ("sre", True)):
        page = people[name].get(f"/flows/{flow.pk}/").content.decode()
        assert (f"/flows/{flow.pk}/cancel/" in page) is shown


def test_the_list_shows_only_flows_of_ones_own_repos(people) -> None:
    scenes.make_flow(request="# Ours")
    scenes.make_flow(scenes.make_repo("other"), request="# Theirs")
    for name, seen in (("viewer", (True, False)), ("foreign", (False, True)), ("sre", (True, True))):
        page = people[name].get("/flows/").content.decode()
        assert ("Ours" in page, "Theirs" in page) == seen
        assert ("compliance-service" in page, ">other<" in page) == seen


def test_every_address_of_the_admin_has_a_row() -> None:
    routes = {route for route, _ in list_views() if route.startswith("/admin/")}
    models = {f"/admin/{label.replace('.', '/')}/" for label in ADMIN}
    pages = {model + page for model in models for page in ADMIN_PAGES}
    assert routes - pages == set(ADMIN_OWN)
    # Each is an address of some model.
    assert {page for page in ADMIN_PAGES if routes & {model + page for model in models}} == set(ADMIN_PAGES)


@pytest.mark.parametrize("address", ADMIN_OWN)
def test_the_admin_itself_answers_each_person_as_the_table_says(people, address) -> None:
    found = [call(people[name], "get", fill_in_admin(address)) for name in PEOPLE]
    assert dict(zip(PEOPLE, found, strict=True)) == _expected(PEOPLE, ADMIN_OWN[address])


def fill_in_admin(address: str) -> str:
    values = {"<app_label>": "flows", "<url>": "nope", "<content_type_id>": "1", "<object_id>": "1"}
    for part, value in values.items():
        address = address.replace(part, value)
    return address


@pytest.mark.parametrize("app", ADMIN_APPS)
@pytest.mark.parametrize("method", ["get", "post"])
def test_pages_of_a_model_are_closed_to_those_without_the_right(people, app, method) -> None:
    scenes.run_through(scenes.make_flow())
    known = {route for route, _ in list_views()}
    for label in list_labels(app):
        try_pages(people, label, method, known)


def try_pages(people: dict[str, Client], label: str, method: str, known: set[str]) -> None:
    """Every page of a model as everybody who has no right to it."""
    row = apps.get_model(label)._default_manager.order_by("pk").first()
    start = f"/admin/{label.replace('.', '/')}/"
    rights = dict(zip(("staff", "sre", "commander"), ADMIN[label], strict=True))
    for page in (page for page in ADMIN_PAGES if start + page in known and ADMIN_PAGES[page]):
        address = (start + page).replace("<object_id>", str(row.pk if row else 0)).replace("<id>", "1")
        for name in PEOPLE[:-1]:
            if set(ADMIN_PAGES[page]) & set(rights.get(name, "")):
                continue
            found = call(people[name], method, address)
            # To the page for logging in; of a row that is not there, everybody is led to the start.
            refused = 403 if name in rights and (row or "history" not in page) else 302
            assert found == refused, (name, address)


def test_the_search_of_the_admin_finds_what_one_may_read(people) -> None:
    scenes.make_flow()
    for name, finds in (("staff", False), ("sre", True)):
        page = people[name].get("/admin/search/?s=flow").content.decode()
        assert ("/admin/flows/flow/" in page) is finds, name
