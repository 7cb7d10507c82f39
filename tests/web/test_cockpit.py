"""The cockpit: what the home of the admin shows, actions that ask why, lists that never count."""

import re
from datetime import timedelta

import pytest
from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import BooleanField
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from bench.stored_flows import compose_insert
from onboarding.models import OnboardingRequest
from orchestrator.core.admin import KeysetMixin
from orchestrator.core.models import AuditEntry
from orchestrator.flows import engine
from orchestrator.flows.admin import FlowAdmin
from orchestrator.flows.models import Flow, Hold, Stage, search
from orchestrator.ops.incidents import handling, opening
from orchestrator.ops.incidents.models import ActionItem, Incident, IncidentReview
from orchestrator.repos.models import RepoSetting
from tests import scenes
from tests.web.test_admin import act, run_action

FLOWS = "flows/flow"


@pytest.fixture
def sre(db) -> Client:
    """An SRE who has logged in."""
    client = Client()
    client.force_login(User.objects.create_superuser("sre", "sre@example.org"))
    return client


def read_page(client: Client, address: str, **query: str) -> str:
    answer = client.get(address, query)
    assert answer.status_code == 200, (address, answer.status_code)
    return answer.content.decode()


def list_ids(page: str) -> list[str]:
    """The flows of a list, in the order of the page."""
    linked = re.findall(r"/admin/flows/flow/(task_\w+)/change/", page)
    return list(dict.fromkeys(map(unquote, linked)))


# --- actions


def test_an_action_asks_first_and_names_what_it_is_about(sre):
    flows = [scenes.make_flow() for _ in range(2)]
    page = run_action(sre, FLOWS, "cancel", *(flow.pk for flow in flows))
    assert "nothing more is started" in page
    assert all(flow.pk in page for flow in flows)
    refused = run_action(sre, FLOWS, "cancel", flows[0].pk, confirmed="yes", reason="  ")
    assert "This field is required." in refused
    assert set(Flow.objects.values_list("status", flat=True)) == {"pending"}


def test_of_many_each_that_was_not_done_is_named_with_its_reason(sre):
    running, cancelled, passed = (scenes.make_flow() for _ in range(3))
    scenes.cancel_flow(cancelled)
    scenes.run_through(passed)
    page = act(sre, FLOWS, "cancel", running.pk, cancelled.pk, passed.pk, reason="wrong branch")
    assert f"1 cancelled: {running.pk}" in page
    assert "2 not cancelled:" in page
    for flow in (cancelled, passed):
        assert f"{flow.pk}: it has ended already" in page
    page = act(sre, FLOWS, "pause", running.pk, passed.pk)
    assert page.count("has ended.") == 2
    entry = AuditEntry.objects.filter(subject_key=running.pk).get()
    assert (entry.actor, entry.reason) == ("sre", "wrong branch")
    assert running.events.get(kind="flow.cancelled").data == {"by": "sre", "reason": "wrong branch"}


def test_all_that_there_are_cannot_be_chosen(sre):
    flow = scenes.make_flow()
    page = act(sre, FLOWS, "cancel", flow.pk, select_across="1")
    assert "choose rows that you see" in page
    assert Flow.objects.get().status == "pending"


def test_a_hold_is_released_with_a_reason_and_never_deleted(sre):
    assert (
        "This field is required."
        in sre.post("/admin/flows/hold/add/", {"scope": "everything", "reason": ""}).content.decode()
    )
    sre.post("/admin/flows/hold/add/", {"scope": "everything", "reason": "the database is full"})
    hold = Hold.objects.get()
    assert sre.post(f"/admin/flows/hold/{hold.pk}/delete/", {"post": "yes"}).status_code == 403
    assert "1 released" in act(sre, "flows/hold", "release", hold.pk, reason="there is room again")
    assert not Hold.objects.exists()
    told = AuditEntry.objects.filter(subject="flows_hold").order_by("id")
    assert [(one.operation, one.actor, one.reason) for one in told] == [
        ("insert", "sre", "the database is full"),
        ("delete", "sre", "there is room again"),
    ]


def test_a_form_of_the_admin_is_in_the_audit_trail_with_the_person(sre):
    repo = scenes.make_repo()
    form = {"domain": "risk", "team_lead": "lead@example.org", "phase": "soak", "clone_url": ""}
    for name in ("memberships", "setting_rows"):
        form |= {f"{name}-TOTAL_FORMS": "0", f"{name}-INITIAL_FORMS": "0"}
    answer = sre.post(f"/admin/repos/repo/{repo.pk}/change/", form)
    assert answer.status_code == 302, answer.context["errors"]
    entry = AuditEntry.objects.filter(subject="repos", operation="update").get()
    assert entry.actor == "sre"
    assert entry.changes["domain"] == ["", "risk"]
    # An odd address of such a form is refused as before, not an internal error.
    assert sre.post("/admin/repos/repo/add/?_to_field=\0", {}).status_code == 400
    page = read_page(sre, "/admin/core/auditentry/", q="sre")
    assert "domain: nothing → risk" in page
    assert RepoSetting.objects.count() == 0


def test_the_page_of_a_flow_asks_why_and_says_what_was_not_done(sre):
    flow = scenes.make_flow(request="# Ratio")
    page = read_page(sre, f"/flows/{flow.pk}/")
    for word in ("cancel", "pause", "priority"):
        assert f'href="/flows/{flow.pk}/{word}/"' in page
    assert f"/admin/flows/hold/add/?scope=repo&amp;target={flow.repo.name}" in page
    asked = read_page(sre, f"/flows/{flow.pk}/cancel/")
    assert "nothing more is started" in asked
    refused = sre.post(f"/flows/{flow.pk}/cancel/", {"reason": ""})
    assert refused.status_code == 200
    assert "This field is required." in refused.content.decode()
    sre.post(f"/flows/{flow.pk}/priority/", {"reason": "a customer waits", "priority": "9"})
    sre.post(f"/flows/{flow.pk}/cancel/", {"reason": "wrong branch"})
    flow.refresh_from_db()
    assert (flow.status, flow.priority) == ("cancelled", 9)
    again = sre.post(f"/flows/{flow.pk}/cancel/", {"reason": "once more"}, follow=True).content.decode()
    assert "Nothing has changed: it has ended already." in again
    # Everybody who follows the flow reads who and why.
    assert "wrong branch" in again
    trail = AuditEntry.objects.filter(subject_key=flow.pk).order_by("id")
    assert [(one.actor, one.reason) for one in trail] == [
        ("sre", "a customer waits"),
        ("sre", "wrong branch"),
    ]


# --- lists


def test_a_list_is_paged_by_key_and_keeps_its_filter(sre, monkeypatch):
    monkeypatch.setattr(FlowAdmin, "list_per_page", 2)
    made = [scenes.make_flow().pk for _ in range(5)]
    scenes.cancel_flow(Flow.objects.get(pk=made[4]))
    pages, query = [], {"status__exact": "pending"}
    while True:
        page = read_page(sre, "/admin/flows/flow/", **query)
        pages.append(list_ids(page))
        older = re.search(r'rel="next" href="\?before=(\w+)&amp;status__exact=pending"', page)
        if older is None:
            break
        query["before"] = older[1]
    assert pages == [[made[3], made[2]], [made[1], made[0]]]
    # A link of a filter begins at the newest again.
    assert "before=" not in re.findall(r'href="(\?[^"]*status__exact=failed[^"]*)"', page)[0]


def test_a_page_that_begins_nowhere_is_refused_or_empty(sre):
    scenes.make_flow()
    assert list_ids(read_page(sre, "/admin/flows/flow/", before="0")) == []
    assert sre.get("/admin/flows/attempt/", {"before": "x"}).status_code == 400


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("compliance-service", {"failed"}),
        ("other", {"bobs"}),
        ("bob", {"bobs"}),
        ("gate:mutation-failed", {"failed"}),
        ("gate:mut", {"failed"}),
        ("ledger", {"bobs"}),
        ("nobody", set()),
        ("\0", {"failed", "bobs"}),
        ("  ", {"failed", "bobs"}),
    ],
)
def test_one_field_finds_by_repo_person_error_and_words(sre, typed, found):
    made = {
        "failed": scenes.run_through(scenes.make_flow(created_by="ann"), gates_fail=True),
        "bobs": scenes.make_flow(scenes.make_repo("other"), request="# Ledger", created_by="bob"),
    }
    names = {flow.pk: name for name, flow in made.items()}
    assert {names[key] for key in list_ids(read_page(sre, "/admin/flows/flow/", q=typed))} == found
    assert {names[key] for key in names if key in read_page(sre, "/flows/", q=typed)} == found


def test_an_id_may_be_typed_in_part(sre):
    flow, other = scenes.make_flow(), scenes.make_flow()
    assert list_ids(read_page(sre, "/admin/flows/flow/", q=flow.pk)) == [flow.pk]
    assert set(list_ids(read_page(sre, "/admin/flows/flow/", q=flow.pk[:8]))) == {flow.pk, other.pk}


@pytest.mark.parametrize(
    ("typed", "index"),
    [
        # By the key where the collation is C, else by the index for patterns.
        ("task_01k", "flows_flow_(pkey|id_.*_like)"),
        ("repo-7", "flow_newest_by_repo"),
        ("person-7", "flow_newest_of_author"),
        ("gate:mut", "flow_newest_of_error"),
    ],
)
def test_each_kind_of_search_is_one_range_of_an_index(db, typed, index):
    repos = [scenes.make_repo(f"repo-{number}") for number in range(40)]
    template = scenes.make_flow(repos[0])
    # As many kinds as rows of each: PostgreSQL then chooses as it does with a million.
    copied = {
        "id": "'task_01k' || lpad(n::text, 17, '0')",
        "repo_id": f"{repos[0].pk} + n %% 40",
        "created_by": "'person-' || n %% 40",
        "error_code": "CASE WHEN n %% 50 = 0 THEN 'gate:mutation-failed' ELSE 'provider:' || n %% 9 END",
    }
    source = "flows_flow AS old, generate_series(1, 20000) AS n WHERE old.id = %(template)s"
    with connection.cursor() as cursor:
        cursor.execute(compose_insert(Flow, copied, source), {"template": template.pk})
        cursor.execute("ANALYZE flows_flow")
    found = search.find_flows(Flow.objects.order_by("-pk"), typed)[:51]
    plan = found.explain()
    assert re.search(index, plan), plan
    assert "Seq Scan" not in plan
    assert len(found) == 51


LISTS = (
    "flows/flow",
    "flows/stage",
    "flows/attempt",
    "flows/flowevent",
    "flows/gateresult",
    "flows/block",
    "flows/stagewait",
    "flows/hold",
    "providers/providercall",
    "core/auditentry",
)


@pytest.mark.parametrize("path", LISTS)
def test_a_list_asks_as_much_for_many_rows_as_for_few_and_counts_nothing(sre, path):
    def fill(number: int) -> None:
        for _ in range(number):
            scenes.run_through(scenes.make_flow())
            waits = scenes.make_flow()
            scenes.park_stage(scenes.start_kind(waits, "context"), "no room", provider="google")

    def ask() -> list[str]:
        with CaptureQueriesContext(
            connection,
        ) as asked:
            read_page(sre, f"/admin/{path}/")
        return [query["sql"] for query in asked]

    fill(1)
    # The first page of a process reads content types, which are kept.
    ask()
    few = ask()
    fill(6)
    many = ask()
    assert len(many) == len(few)
    table = path.replace("/", "_")
    counted = [sql for sql in many if "COUNT(" in sql.upper() and table in sql]
    assert counted == [] or path == "flows/hold"


def test_no_filter_of_such_a_list_reads_every_row_for_its_values():
    for model, page in admin.site._registry.items():
        if not isinstance(page, KeysetMixin):
            continue
        for name in page.list_filter:
            # A filter of our own names its values itself.
            if isinstance(name, type):
                continue
            field = model._meta.get_field(name)
            # Django asks for the values of any other field by a DISTINCT over all rows.
            assert field.choices or field.is_relation or isinstance(field, BooleanField), (model, name)


def test_waits_and_attempts_have_their_times_in_utc_and_seconds(sre):
    flow = scenes.make_flow()
    scenes.park_stage(scenes.start_kind(flow, "context"), "no room", provider="google", seconds=90)
    waits = read_page(sre, "/admin/flows/stagewait/")
    assert re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", waits)
    assert "no room" in waits
    attempts = read_page(sre, "/admin/flows/attempt/", q=flow.pk)
    assert "w@host" in attempts
    assert re.search(r"field-ran[^>]*>\s*\d+\.\d\s*<", attempts), attempts[attempts.find("field-ran") :][:200]
    assert re.search(r"field-finished_at[^>]*>\s*\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", attempts)


# --- home


def test_the_home_says_that_nothing_is_needed(sre):
    page = read_page(sre, "/admin/")
    assert "What needs me?" in page
    assert ">Nothing<" in page
    assert "Is it healthy?" in page


def test_the_home_lists_what_needs_somebody_and_links_to_it(sre):
    now = timezone.now()
    incident, _ = opening.open_incident("Flows fail", "P1", commander="ann", actor="bob")
    handled, _ = opening.open_incident("Slow", "P2", commander="ann", actor="bob")
    handling.acknowledge(handled.pk, actor="eve")
    over, _ = opening.open_incident("Was away", "P2", commander="ann", actor="bob")
    handling.resolve(over.pk, actor="ann")
    IncidentReview.objects.filter(incident=over).update(due_at=now - timedelta(hours=3))
    ActionItem.objects.create(
        incident=over, text="Raise the limit", owner="kim", due=now.date() - timedelta(2)
    )
    engine.hold("queue", "openai", actor="ann", reason="bills twice")
    paused = scenes.make_flow()
    engine.pause(paused.pk, actor="ann")
    stuck = scenes.make_flow()
    Stage.objects.filter(flow=stuck, status="ready").update(ready_at=now - timedelta(minutes=30))
    late = scenes.make_flow()
    Flow.objects.filter(pk=late.pk).update(deadline_at=now - timedelta(minutes=30))
    OnboardingRequest.objects.create(repo_name="ledger", block_family="d", team_lead="lead@example.org")
    page = read_page(sre, "/admin/")
    for words, href in (
        (f"P1 incident {incident.pk}: Flows fail", f"/admin/incidents/incident/{incident.pk}/change/"),
        ("nobody has acknowledged the page", ""),
        (f"P2 incident {handled.pk}: Slow", f"/admin/incidents/incident/{handled.pk}/change/"),
        ("eve leads it", ""),
        ("The review of incident", "/admin/incidents/incidentreview/"),
        ("kim is late: Raise the limit", "/admin/incidents/actionitem/"),
        ("Queue openai is on hold", "/admin/flows/hold/"),
        ("bills twice by ann", ""),
        ("1 flow paused", "/flows/?status=paused"),
        (f"{stuck.pk} is stuck", f"/flows/{stuck.pk}/"),
        (f"{late.pk} of compliance-service is stuck", f"/flows/{late.pk}/"),
        ("ledger asks to be onboarded", "/admin/onboarding/onboardingrequest/?status__exact=checking"),
    ):
        assert words in page, words
        assert f'href="{href}' in page
    # The worst comes first, and what is only known comes last.
    assert page.index("P1 incident") < page.index("P2 incident") < page.index("1 flow paused")
    assert Incident.objects.count() == 3
    for address in re.findall(r'<a class="break-words[^"]*" href="([^"]+)"', page):
        assert sre.get(address.replace("&amp;", "&")).status_code == 200, address


def test_the_home_asks_as_much_for_many_flows_as_for_few(sre):
    scenes.run_through(scenes.make_flow())
    read_page(sre, "/admin/")
    with CaptureQueriesContext(connection) as few:
        read_page(sre, "/admin/")
    for number in range(6):
        scenes.run_through(scenes.make_flow(), gates_fail=number % 2 == 0)
    with CaptureQueriesContext(connection) as many:
        read_page(sre, "/admin/")
    assert len(many) == len(few)


def test_flower_is_linked_where_it_is_named(sre, settings):
    assert "Flower" not in read_page(sre, "/admin/")
    settings.FLOWER_URL = "https://flower.example.org/"
    assert 'href="https://flower.example.org/"' in read_page(sre, "/admin/")
