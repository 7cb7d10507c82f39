"""The three roles of a fresh database: what each sees, and what each may do, as a table."""

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.test import Client

from orchestrator.flows import engine
from orchestrator.flows.models import Flow, Hold
from orchestrator.ops.incidents import opening
from orchestrator.ops.incidents.models import Incident
from orchestrator.repos import tokens
from orchestrator.web.roles import write_groups
from tests import scenes
from tests.web.test_admin import act

ROLES = ("Viewer", "SRE", "Incident commander")
NOBODY, OPERATORS, COMMANDERS, ALL = (), ROLES[1:], ROLES[2:], ROLES
# What each list shows, and to whom.
LISTS = {
    "flows/flow": ALL,
    "flows/attempt": ALL,
    "flows/stagewait": ALL,
    "flows/hold": ALL,
    "flows/flowevent": ALL,
    "core/auditentry": ALL,
    "incidents/incident": ALL,
    "providers/providercall": ALL,
    "repos/repo": ALL,
    "repos/token": ALL,
    "auth/user": NOBODY,
    "auth/group": NOBODY,
}


@pytest.fixture(params=ROLES)
def person(request, db) -> tuple[str, Client]:
    """Somebody with one role, who has logged in."""
    write_groups()
    user = User.objects.create_user("ann", is_staff=True)
    user.groups.add(Group.objects.get(name=request.param))
    client = Client()
    client.force_login(user)
    return request.param, client


@pytest.mark.parametrize("path", LISTS)
def test_who_sees_a_list(person, path):
    role, client = person
    assert (client.get(f"/admin/{path}/").status_code == 200) == (role in LISTS[path])


def pause_flow(client: Client) -> bool:
    flow = scenes.make_flow()
    act(client, "flows/flow", "pause", flow.pk)
    return Flow.objects.get().status == "paused"


def cancel_on_the_page_of_the_flow(client: Client) -> bool:
    flow = scenes.make_flow()
    client.post(f"/flows/{flow.pk}/cancel/", {"reason": "wrong branch"})
    return Flow.objects.get().status == "cancelled"


def change_priority(client: Client) -> bool:
    flow = scenes.make_flow()
    client.post(f"/flows/{flow.pk}/priority/", {"reason": "a customer waits", "priority": "9"})
    return Flow.objects.get().priority == 9


def hold_everything(client: Client) -> bool:
    client.post("/admin/flows/hold/add/", {"scope": "everything", "reason": "the database is full"})
    return Hold.objects.exists()


def release_hold(client: Client) -> bool:
    engine.hold("everything", reason="the database is full")
    act(client, "flows/hold", "release", Hold.objects.get().pk)
    return not Hold.objects.exists()


def acknowledge_page(client: Client) -> bool:
    incident, _ = opening.open_incident("Flows fail", "P1", commander="kim", actor="bob")
    body = {"action": "acknowledge", "_selected_action": [str(incident.pk)], "index": "0"}
    client.post("/admin/incidents/incident/", body)
    return Incident.objects.get().status == "acknowledged"


def switch_repo_off(client: Client) -> bool:
    repo = scenes.make_repo()
    client.post("/admin/repos/repo/", {"action": "switch_off", "_selected_action": [repo.pk], "index": "0"})
    repo.refresh_from_db()
    return not repo.enabled


def revoke_token(client: Client) -> bool:
    token, _ = tokens.create_token("ci")
    client.post("/admin/repos/token/", {"action": "revoke", "_selected_action": [token.pk], "index": "0"})
    token.refresh_from_db()
    return token.revoked_at is not None


def delete_audit_entry(client: Client) -> bool:
    scenes.make_repo()
    return client.post("/admin/core/auditentry/1/delete/", {"post": "yes"}).status_code == 302


def make_account(client: Client) -> bool:
    form = {"username": "mallory", "password1": "correct horse battery", "password2": "correct horse battery"}
    client.post("/admin/auth/user/add/", form)
    return User.objects.filter(username="mallory").exists()


# Each deed is tried by everybody, and returns whether it was done.
DEEDS = {
    pause_flow: OPERATORS,
    cancel_on_the_page_of_the_flow: OPERATORS,
    change_priority: OPERATORS,
    acknowledge_page: OPERATORS,
    switch_repo_off: OPERATORS,
    revoke_token: OPERATORS,
    hold_everything: COMMANDERS,
    release_hold: COMMANDERS,
    delete_audit_entry: NOBODY,
    make_account: NOBODY,
}


@pytest.mark.parametrize("deed", DEEDS, ids=lambda deed: deed.__name__)
def test_who_may_do_it(person, deed):
    role, client = person
    assert deed(client) == (role in DEEDS[deed])


def test_a_viewer_sees_what_an_sre_sees_and_changes_nothing(db, rf):
    write_groups()
    people = {}
    for role in ROLES[:2]:
        people[role] = User.objects.create_user(role, is_staff=True)
        people[role].groups.add(Group.objects.get(name=role))
    for model, page in admin.site._registry.items():
        request = rf.get("/")
        request.user = people["SRE"]
        seen = page.has_view_permission(request)
        request.user = people["Viewer"]
        assert page.has_view_permission(request) == seen, model
        changes = (page.has_add_permission, page.has_change_permission, page.has_delete_permission)
        assert not any(may(request) for may in changes), model
        assert set(page.get_actions(request)) == set(), model


def test_nobody_is_shown_a_button_that_is_refused(person):
    role, client = person
    flow = scenes.make_flow()
    page = client.get(f"/flows/{flow.pk}/").content.decode()
    assert (f"/flows/{flow.pk}/cancel/" in page) == (role in OPERATORS)
    assert (f"/flows/{flow.pk}/priority/" in page) == (role in OPERATORS)
    assert ("/admin/flows/hold/add/" in page) == (role in COMMANDERS)


def test_a_member_of_a_repo_acts_on_its_flows_but_not_on_their_order(db):
    user = User.objects.create_user("kim")
    flow = scenes.make_flow()
    flow.repo.memberships.create(user=user, role="member")
    client = Client()
    client.force_login(user)
    assert f"/flows/{flow.pk}/priority/" not in client.get(f"/flows/{flow.pk}/").content.decode()
    assert client.post(f"/flows/{flow.pk}/priority/", {"priority": "9", "reason": "mine"}).status_code == 403
    client.post(f"/flows/{flow.pk}/cancel/", {"reason": "mine"})
    assert Flow.objects.get().status == "cancelled"
