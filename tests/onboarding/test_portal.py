"""The portal: the form, the page of a request, who sees it, and the token that is shown once."""

import re
import threading
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, User
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from onboarding import engine
from onboarding.models import OnboardingEvent, OnboardingRequest
from onboarding.step_protocol import Refused
from orchestrator.repos import tokens
from orchestrator.repos.models import OnboardingPause, Token
from orchestrator.web.roles import write_groups
from tests import scenes
from tests.onboarding import steps

GOOD = {
    "repo": "example-org/Financial-Reporting",
    "block_family": "Reporting",
    "team_lead": "lead@example.org",
    "ci_system": "github_actions",
    "ci_credentials": "secret",
}


@pytest.fixture(autouse=True)
def fresh_counts(db, monkeypatch):
    """Nobody has sent anything yet, and a request has two steps."""
    cache.clear()
    steps.keep_only(monkeypatch, "lead_approved", "registration")


def sign_in(name: str, **given) -> Client:
    client = Client()
    user = User.objects.filter(username=name).first() or User.objects.create_user(
        name, f"{name}@example.org", **given
    )
    client.force_login(user)
    return client


def sign_in_with_role(name: str, role: str) -> Client:
    write_groups()
    client = sign_in(name)
    User.objects.get(username=name).groups.add(Group.objects.get(name=role))
    return client


def make_ready(request: OnboardingRequest) -> OnboardingRequest:
    """The request after a yes, and after its steps."""
    engine.approve(request.pk, actor=request.team_lead)
    steps.run_due_steps()
    request.refresh_from_db()
    assert request.status == "ready"
    return request


def test_the_form_needs_an_account_and_leads_to_the_page_of_the_request(db):
    assert Client().get("/onboarding/")["Location"] == "/login/?next=/onboarding/"
    ann = sign_in("ann")
    assert "Ask for it" in ann.get("/onboarding/").content.decode()
    answer = ann.post("/onboarding/", GOOD)
    request = OnboardingRequest.objects.get()
    assert answer["Location"] == f"/onboarding/{request.reference}/"
    assert (request.repo_name, request.block_family) == ("financial-reporting", "reporting")
    assert (request.code_host, request.code_host_path) == ("github", "example-org/Financial-Reporting")
    assert request.clone_url == "https://github.com/example-org/Financial-Reporting.git"
    assert request.requested_by.username == "ann"
    page = ann.get(answer["Location"]).content.decode()
    assert request.reference in page
    assert "The team lead approves" in page
    assert request.reference in ann.get("/onboarding/").content.decode()


@pytest.mark.parametrize(
    ("typed", "ci", "host", "path"),
    [
        ("https://github.com/o/n", "github_actions", "github", "o/n"),
        ("https://github.com/o/n.git", "github_actions", "github", "o/n"),
        ("HTTPS://GitHub.com/o/n/", "github_actions", "github", "o/n"),
        ("https://gitlab.com/group/sub/n", "gitlab_ci", "gitlab", "group/sub/n"),
        ("group/sub/n", "gitlab_ci", "gitlab", "group/sub/n"),
        ("o/n.git", "github_actions", "github", "o/n"),
    ],
)
def test_a_name_or_an_address_is_understood(db, typed, ci, host, path):
    assert sign_in("ann").post("/onboarding/", GOOD | {"repo": typed, "ci_system": ci}).status_code == 302
    request = OnboardingRequest.objects.get()
    assert (request.code_host, request.code_host_path) == (host, path)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"repo": ""}, "required"),
        ({"repo": "alone"}, "Name the owner as well"),
        ({"repo": "o/n/deep"}, "owner/name"),
        ({"repo": "../../etc"}, "owner/name"),
        ({"repo": "o/<script>alert(1)</script>"}, "owner/name"),
        ({"repo": "https://169.254.169.254/o/n"}, "not on one of the code hosts"),
        ({"repo": "https://evil.test/o/n"}, "not on one of the code hosts"),
        ({"repo": "https://user:pw@github.com/o/n"}, "not on one of the code hosts"),
        ({"repo": "file:///etc/passwd"}, "not on one of the code hosts"),
        ({"repo": "https://gitlab.com/g/n"}, "does not run on the code host"),
        ({"team_lead": "nobody"}, "valid email"),
        ({"team_lead": "Ann@example.org"}, "from a second person"),
        ({"block_family": ""}, "required"),
        ({"block_family": "<b>x</b>"}, "lower-case letters"),
        ({"ci_system": "jenkins"}, "valid choice"),
        ({"ci_credentials": ""}, "required"),
    ],
)
def test_what_the_form_refuses(db, changes, words):
    answer = sign_in("ann").post("/onboarding/", GOOD | changes)
    assert answer.status_code == 422
    page = answer.content.decode()
    assert words in page
    assert "<script>alert" not in page
    assert "<b>x</b>" not in page
    assert not OnboardingRequest.objects.exists()


def test_a_double_click_makes_one_request_and_shows_it(db):
    ann = sign_in("ann")
    places = {ann.post("/onboarding/", GOOD)["Location"] for _ in range(2)}
    assert places == {f"/onboarding/{OnboardingRequest.objects.get().reference}/"}
    other = sign_in("bob").post("/onboarding/", GOOD)
    assert other.status_code == 422
    assert "has been asked for already" in other.content.decode()


def test_a_repo_that_is_enabled_is_not_asked_for_again(db):
    scenes.make_repo("financial-reporting")
    page = sign_in("ann").post("/onboarding/", GOOD).content.decode()
    assert "is enabled already. Run <code>blocks init</code> in it." in page


def test_a_request_is_seen_by_who_asked_the_lead_and_sres_and_nobody_else(db):
    request = steps.ask_for("x-repo", requested_by=User.objects.create_user("ann", "ann@example.org"))
    page = f"/onboarding/{request.reference}/"
    assert Client().get(page).status_code == 302
    seen = {
        "ann": sign_in("ann"),
        "lead": sign_in("lead"),
        "sre": sign_in_with_role("sre", "SRE"),
        "stranger": sign_in("stranger"),
        "viewer": sign_in_with_role("viewer", "Viewer"),
    }
    found = {name for name, client in seen.items() if client.get(page).status_code == 200}
    assert found == {"ann", "lead", "sre"}
    for path in ("live/", "retry/", "cancel/", "token/"):
        for method in ("get", "post"):
            assert getattr(seen["stranger"], method)(f"{page}{path}").status_code in (404, 405)
    assert seen["stranger"].get("/onboarding/ONB-ZZZZZ/").status_code == 404
    # However somebody types it.
    assert seen["ann"].get(page.lower()).status_code == 200
    # An account without an address leads nothing.
    User.objects.filter(username="stranger").update(email="")
    OnboardingRequest.objects.update(requested_by=None)
    assert seen["stranger"].get(page).status_code == 404


def test_the_live_part_says_when_nothing_has_changed_and_stops_at_the_end(db):
    ann = sign_in("ann")
    ann.post("/onboarding/", GOOD)
    request = OnboardingRequest.objects.get()
    page = ann.get(f"/onboarding/{request.reference}/").content.decode()
    address = re.search(r'hx-get="([^"]+)"', page).group(1)
    assert ann.get(address).status_code == 204
    engine.reject(request.pk, actor="lead@example.org")
    changed = ann.get(address)
    assert changed.status_code == 200
    part = changed.content.decode()
    assert "Declined by lead@example.org" in part
    assert "hx-trigger" not in part
    assert 'hx-swap-oob="innerHTML"' in part
    assert "<!doctype" not in part
    # The whole page has nothing left to ask for either.
    assert "hx-get" not in ann.get(f"/onboarding/{request.reference}/").content.decode()


def test_reason_cure_and_log_are_shown_as_text(db):
    ann = sign_in("ann")
    ann.post("/onboarding/", GOOD)
    request = OnboardingRequest.objects.get()
    hostile = "<img src=x onerror=alert(1)>"
    claim = engine.claim_step(request.steps.get(name="lead_approved").pk, "w@host")
    assert claim is not None
    engine.add_to_log(claim, f"asked {hostile}")
    typed = f"Do `this {hostile}` and `that`; a ` alone stays."
    engine.finish_step(claim, Refused(f"because {hostile}", typed))
    page = ann.get(f"/onboarding/{request.reference}/").content.decode()
    assert hostile not in page
    assert "because &lt;img" in page
    assert "asked &lt;img" in page
    cure = "Do <code>this &lt;img src=x onerror=alert(1)&gt;</code> and <code>that</code>; a ` alone stays."
    assert cure in page
    assert "Retry from where it failed" in page


def test_retry_and_cancel_are_safe_against_a_double_click(db):
    ann = sign_in("ann")
    ann.post("/onboarding/", GOOD)
    request = OnboardingRequest.objects.get()
    page = f"/onboarding/{request.reference}/"
    # Nothing has failed: the page says so, and nothing changes.
    answer = ann.post(f"{page}retry/", follow=True)
    assert "nothing has failed" in answer.content.decode()
    for _ in range(2):
        assert ann.post(f"{page}cancel/")["Location"] == page
    request.refresh_from_db()
    assert request.status == "cancelled"
    assert OnboardingEvent.objects.filter(request=request, kind="cancelled").count() == 1
    assert Client(enforce_csrf_checks=True).post(f"{page}cancel/").status_code == 403


def test_whose_turn_it_is_and_what_holds_it_is_shown(db, settings):
    settings.ONBOARDING_MAX_PER_DAY = 1
    ann = sign_in("ann")
    make_ready(steps.ask_for("first"))
    ann.post("/onboarding/", GOOD)
    request = OnboardingRequest.objects.get(repo_name="financial-reporting")
    engine.approve(request.pk, actor="lead@example.org")
    steps.run_due_steps()
    day = timezone.now().date() + timedelta(days=1)
    page = ann.get(f"/onboarding/{request.reference}/").content.decode()
    assert "Number 1 in line" in page
    assert f"{day:%A}, {day.day} {day:%B %Y}" in page
    OnboardingPause.objects.create(key="rollback-1", reason="rollback 1 is in force", actor="sre")
    page = ann.get(f"/onboarding/{request.reference}/").content.decode()
    assert "rollback 1 is in force" in page


def test_closed_or_paused_the_portal_says_why_and_requests_stay_visible(db, settings):
    ann = sign_in("ann")
    ann.post("/onboarding/", GOOD)
    request = OnboardingRequest.objects.get()
    settings.ONBOARDING_ENABLED = False
    # Also to somebody who has not signed in.
    for client in (ann, Client()):
        answer = client.get("/onboarding/")
        assert answer.status_code == 503
        assert "switched off" in answer.content.decode()
    assert ann.post("/onboarding/", GOOD | {"repo": "o/other"}).status_code == 503
    assert OnboardingRequest.objects.count() == 1
    assert ann.get(f"/onboarding/{request.reference}/").status_code == 200


# --- ready


def test_three_commands_and_the_token_once(db):
    ann_user = User.objects.create_user("ann", "ann@example.org")
    request = make_ready(steps.ask_for("x-repo", requested_by=ann_user, block_family="compliance"))
    page = f"/onboarding/{request.reference}/"
    ann, sre = sign_in("ann"), sign_in_with_role("sre", "SRE")
    shown = ann.get(page).content.decode()
    for command in (
        "pipx install http://testserver/",
        "blocks login --url http://testserver",
        "blocks flow run",
    ):
        assert command in shown
    assert "Block family: compliance" in shown
    # An SRE sees the request, and not the token.
    assert (
        "for the person who asked, and for the team lead"
        in sre.post(f"{page}token/", follow=True).content.decode()
    )
    answer = ann.post(f"{page}token/")
    assert "no-store" in answer["Cache-Control"]
    secret = re.search(r"blk_[\w-]+", answer.content.decode()).group()
    token = tokens.find_token(secret)
    assert token.repo == request.repo
    assert "repo:admin" in token.scopes
    # A second look, by anybody, does not show it, and makes no other.
    for client in (ann, sign_in("lead")):
        again = client.post(f"{page}token/", follow=True).content.decode()
        assert "was shown to ann already" in again
        assert "blk_" not in again
    assert Token.objects.filter(repo=request.repo).count() == 1
    assert secret not in ann.get(page).content.decode()
    assert not OnboardingEvent.objects.filter(text__contains=secret).exists()


def test_before_it_is_ready_there_is_no_token(db):
    request = steps.ask_for("x-repo", requested_by=User.objects.create_user("ann", "ann@example.org"))
    page = sign_in("ann").post(f"/onboarding/{request.reference}/token/", follow=True).content.decode()
    assert f"{request.reference} is" in page
    assert not Token.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_two_who_press_at_the_same_moment_get_one_token():
    request = make_ready(
        steps.ask_for("x-repo", requested_by=User.objects.create_user("ann", "ann@example.org"))
    )
    clients = [sign_in("ann"), sign_in("lead")]
    at_once = threading.Barrier(2)
    codes: list[int] = []

    def press(client: Client) -> None:
        from django.db import connection  # noqa: PLC0415 - of this thread

        at_once.wait()
        codes.append(client.post(f"/onboarding/{request.reference}/token/").status_code)
        connection.close()

    threads = [threading.Thread(target=press, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes) == [200, 302]
    assert Token.objects.filter(repo=request.repo).count() == 1


def test_the_first_flow_turns_it_green_and_the_page_rests(db):
    request = make_ready(
        steps.ask_for("x-repo", requested_by=User.objects.create_user("ann", "ann@example.org"))
    )
    ann, page = sign_in("ann"), f"/onboarding/{request.reference}/"
    before = ann.get(page).content.decode()
    assert "Waiting for your first flow" in before
    assert "every 5s" in before
    flow = scenes.make_flow(request.repo)
    assert "Your first flow is pending" in ann.get(page).content.decode()
    scenes.run_through(flow)
    after = ann.get(page).content.decode()
    assert "Your first flow has passed" in after
    assert "hx-get" not in after
