"""The portal in a browser: every state of a request, what moves while somebody looks, and what does not."""

import pytest
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Page, expect

from onboarding import engine, rollout
from onboarding.models import OnboardingRequest
from onboarding.step_protocol import FarSideTrouble, Refused
from tests import scenes
from tests.browser.readability import THEMES, WIDTHS, choose_screen, find_barriers, find_flaws
from tests.onboarding import steps

pytestmark = pytest.mark.browser


@pytest.fixture
def ann(service, context, transactional_db, monkeypatch) -> User:
    """The browser has a session of somebody without any right; requests have two steps."""
    steps.keep_only(monkeypatch, "lead_approved", "registration")
    user = User.objects.create_user("ann", "ann@example.org")
    client = Client()
    client.force_login(user)
    cookie = {"name": "sessionid", "value": client.cookies["sessionid"].value, "url": service.url}
    context.add_cookies([cookie])
    return user


def ask(ann: User, name: str) -> OnboardingRequest:
    path = f"example-org/{name}"
    return steps.ask_for(name, requested_by=ann, code_host_path=path, block_family="compliance")


def take_check(request: OnboardingRequest) -> engine.StepClaim:
    """A worker has the request's check."""
    claim = engine.claim_step(request.steps.get(name="lead_approved").pk, "worker@host")
    assert claim is not None
    engine.add_to_log(claim, "GET /repos/example-org/name answers 200 in 0.21 s.")
    return claim


def make_ready(request: OnboardingRequest) -> None:
    engine.approve(request.pk, actor=request.team_lead)
    steps.run_due_steps()


def make_states(ann: User, settings) -> dict[str, OnboardingRequest]:
    """A request in each state that its page shows in another way."""
    settings.ONBOARDING_MAX_PER_DAY = 2
    made = {
        name: ask(ann, f"{name}-service")
        for name in ("waiting", "running", "failed", "errored", "declined", "ready", "first-flow", "queued")
    }
    take_check(made["running"])
    refused = Refused("The repo has no workflow under .github/workflows.", "Add one, then retry.")
    engine.finish_step(take_check(made["failed"]), refused)
    engine.record_trouble(take_check(made["errored"]), FarSideTrouble("GitHub answers 502."))
    engine.reject(made["declined"].pk, actor="lead@example.org")
    make_ready(made["ready"])
    make_ready(made["first-flow"])
    made["first-flow"].refresh_from_db()
    scenes.run_through(scenes.make_flow(made["first-flow"].repo))
    make_ready(made["queued"])
    return made


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_every_state_is_readable(page: Page, faults, ann, service, settings, theme, width):
    made = make_states(ann, settings)
    choose_screen(page, width, theme)
    flaws = []
    paths = {name: f"/onboarding/{one.reference}/" for name, one in made.items()}
    for name, path in ({"form": "/onboarding/"} | paths).items():
        page.goto(service.url + path)
        for fold in page.locator("details").all():
            fold.evaluate("one => { one.open = true; }")
        flaws += find_flaws(page, f"onboarding-{name}-{theme}-{width}")
        flaws += [f"{name}: {barrier}" for barrier in find_barriers(page)]
    page.goto(service.url + paths["ready"])
    page.get_by_role("button", name="Show the token, once").click()
    expect(page.locator("#token-text")).to_contain_text("blk_")
    flaws += find_flaws(page, f"onboarding-token-{theme}-{width}")
    flaws += find_barriers(page)
    assert not flaws, "\n".join(flaws)


def test_the_page_follows_and_leaves_alone_what_somebody_does(page: Page, faults, ann, service):
    request = ask(ann, "ledger")
    claim = take_check(request)
    page.goto(f"{service.url}/onboarding/{request.reference}/")
    expect(page.locator("#step-check-lead_approved .pill")).to_have_text("running")
    page.get_by_text("Log", exact=True).click()
    cancel = page.get_by_role("button", name="Cancel this request")
    cancel.focus()
    # Nothing has changed: what is there stays there, the same element.
    page.evaluate("document.querySelector('#live').dataset.mark = 'kept'")
    page.wait_for_timeout(2500)
    assert page.locator("#live").get_attribute("data-mark") == "kept"
    engine.add_to_log(claim, "Another line.")
    expect(page.locator("#log-check-lead_approved pre")).to_contain_text("Another line.")
    # Swapped, and still unfolded, and the focus is where it was.
    assert page.locator("#live").get_attribute("data-mark") is None
    expect(page.locator("#log-check-lead_approved pre")).to_be_visible()
    expect(cancel).to_be_focused()
    engine.finish_step(claim, Refused("No workflow is there.", "Add one."))
    expect(page.get_by_text("No workflow is there.")).to_be_visible()
    # What a screen reader says.
    expect(page.locator("#said")).to_have_text("It has stopped after 0 of 2 steps, and nothing is lost.")
    page.get_by_role("button", name="Retry from where it failed").click()
    expect(page.locator("#step-check-lead_approved .pill")).to_have_text("not begun")
    engine.approve(request.pk, actor="lead@example.org")
    steps.run_due_steps()
    expect(page.get_by_role("heading", name="Three commands to your first block")).to_be_visible()
    expect(page.locator("#said")).to_have_text("The repo is ready.")
    expect(page.get_by_role("heading", name="Waiting for your first flow")).to_be_visible()
    request.refresh_from_db()
    scenes.run_through(scenes.make_flow(request.repo))
    expect(page.get_by_role("heading", name="Your first flow has passed")).to_be_visible(timeout=15_000)
    asked: list[str] = []
    page.on("request", lambda one: asked.append(one.url))
    page.wait_for_timeout(6000)
    assert asked == [], "at its end it asks for nothing any more"


def test_by_keyboard_from_the_form_to_the_request_and_its_end(page: Page, faults, ann, service):
    page.goto(f"{service.url}/onboarding/")
    page.get_by_label("Repository").focus()
    page.keyboard.type("https://github.com/example-org/ledger")
    for keys in ("Tab", "compliance", "Tab", "lead@example.org", "Tab", " ", "Tab", "Tab", "Tab", "Enter"):
        if len(keys) > 1 and keys not in ("Tab", "Enter"):
            page.keyboard.type(keys)
        else:
            page.keyboard.press(keys if keys != " " else "Space")
    expect(page.get_by_role("heading", name="ledger")).to_be_visible()
    row = OnboardingRequest.objects.get()
    assert (row.code_host_path, row.ci_system) == ("example-org/ledger", "github_actions")
    page.get_by_role("button", name="Cancel this request").focus()
    page.keyboard.press("Enter")
    expect(page.locator("main .pill").first).to_have_text("cancelled")


def test_without_scripts_the_page_reloads_itself(browser, ann, service, context):
    request = ask(ann, "ledger")
    plain = browser.new_context(java_script_enabled=False, storage_state=context.storage_state())
    page = plain.new_page()
    page.goto(f"{service.url}/onboarding/{request.reference}/")
    assert page.locator("noscript meta[http-equiv=refresh], meta[http-equiv=refresh]").count() >= 1
    page.get_by_role("button", name="Cancel this request").click()
    expect(page.locator("main .pill").first).to_have_text("cancelled")
    plain.close()


def test_a_fast_double_click_sends_once(page: Page, faults, ann, service):
    page.goto(f"{service.url}/onboarding/")
    page.get_by_label("Repository").fill("example-org/ledger")
    page.get_by_label("Block family").fill("compliance")
    page.get_by_label("Team lead's e-mail address").fill("lead@example.org")
    page.get_by_label("GitHub Actions").check()
    page.get_by_role("button", name="Ask for it").dblclick()
    expect(page.get_by_role("heading", name="ledger")).to_be_visible()
    assert OnboardingRequest.objects.count() == 1


def test_closed_and_paused_pages_are_readable(page: Page, ann, service, settings):
    rollout.close_portal(actor="sre", reason="The database moves tonight.")
    page.goto(f"{service.url}/onboarding/")
    expect(page.get_by_text("The database moves tonight.")).to_be_visible()
    assert not find_flaws(page, "onboarding-closed")
    assert not find_barriers(page)


def test_who_is_signed_in_sees_it_on_every_page_and_logs_out(page: Page, service, ann):
    requests = [f"/onboarding/{ask(ann, 'ledger-service').reference}/", "/onboarding/", "/flows/"]
    for width in WIDTHS:
        for theme in THEMES:
            choose_screen(page, width, theme)
            page.goto(f"{service.url}{requests[0]}")
            assert not find_flaws(page, f"header-{width}-{theme}")
    for address in requests:
        page.goto(f"{service.url}{address}")
        expect(page.locator("header .account")).to_contain_text("ann")
    # By keyboard; and the session is over, not only its page.
    page.get_by_role("button", name="Log out").press("Enter")
    page.wait_for_url(f"{service.url}/")
    expect(page.get_by_role("button", name="Log out")).to_have_count(0)
    page.goto(f"{service.url}/onboarding/")
    expect(page).to_have_url(f"{service.url}/login/?next=/onboarding/")
