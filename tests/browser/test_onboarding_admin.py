"""The admin of onboarding in a browser: every page and action that an SRE has, read by axe-core, too."""

import json

import pytest
from playwright.sync_api import Page, expect

from onboarding import engine
from onboarding.models import OnboardingRequest, RepoPage, RolloutVote, TerraformState
from onboarding.step_protocol import Refused
from orchestrator.ops.incidents import handling, opening
from tests import scenes
from tests.browser.readability import THEMES, WIDTHS, choose_screen, find_barriers, keep_picture
from tests.onboarding import steps

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]
BASE = "/admin/onboarding/onboardingrequest/"
# The theme's frame: it has no main landmark, and two navigations without a name. Its pages are the same.
OF_THE_THEME = ("landmark-one-main: ", "region: ", "landmark-unique: ")
SIDEWAYS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture(autouse=True)
def two_steps(monkeypatch) -> None:
    """No code host is called."""
    steps.keep_only(monkeypatch, "lead_approved", "registration")


def make_failed(name: str) -> OnboardingRequest:
    """A request that waits for somebody, with all that a step can say."""
    request = steps.ask_for(name, code_host_path=f"example-org/{name}", requested_from="ann@example.org")
    claim = engine.claim_step(request.steps.get(name="lead_approved").pk, "worker@host")
    assert claim is not None
    engine.add_to_log(claim, "Asked lead@example.org in Slack; <b>it</b> answers 200.")
    engine.keep_note(claim, {"channel": "D01", "stamp": "1.2"})
    cure = "Let the lead join the workspace; then retry, or type `blocks onboarding list`."
    engine.finish_step(claim, Refused("lead@example.org is not in the Slack workspace.", cure))
    return request


def find_faults(page: Page, name: str) -> list[str]:
    keep_picture(page, f"onboarding-admin-{name}")
    found = [one for one in find_barriers(page) if not one.startswith(OF_THE_THEME)]
    if page.evaluate(SIDEWAYS) > 0:
        found.append("it scrolls sideways")
    return [f"{name}: {one}" for one in found]


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_every_page_can_be_read(page: Page, faults, sre, service, theme, width):
    failed = make_failed("ledger")
    steps.onboard("payments")
    repo = scenes.make_repo("payments")
    RepoPage.objects.create(repo=repo, condition="halted", words="payments is switched off by rollback-7.")
    TerraformState.objects.create(
        repo_name="payments", reference="ONB-7K3QF", drift=["pagerduty_service.repo"]
    )
    RolloutVote.objects.create(role="pm", person="paula", verdict="go", expires_at=failed.created_at)
    choose_screen(page, width, theme)
    paths = {
        "list": BASE,
        "filtered": f"{BASE}?status__exact=failed",
        "request": f"{BASE}{failed.pk}/change/",
        "schedule": f"{BASE}schedule",
        "rollout": f"{BASE}rollout",
        "states": "/admin/onboarding/terraformstate/",
        "pages": "/admin/onboarding/repopage/",
    }
    found = []
    for name, path in paths.items():
        page.goto(service.url + path)
        found += find_faults(page, f"{name}-{theme}-{width}")
    page.goto(service.url + paths["request"])
    expect(page.get_by_text("lead@example.org is not in the Slack workspace.").first).to_be_visible()
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("action", "meaning", "status"),
    [
        ("approve", "You say yes instead of the team lead.", "failed"),
        ("reject", "the repo may be asked for again", "rejected"),
        ("retry", "What has passed is not run again.", "checking"),
        ("cancel", "Only what was not provisioned yet is cancelled.", "cancelled"),
    ],
)
def test_an_action_asks_why_and_says_what_it_did(page: Page, faults, sre, service, action, meaning, status):
    request = make_failed("ledger")
    page.goto(service.url + BASE)
    page.locator("input.action-select").first.check()
    page.locator("select[name=action]").select_option(action)
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_text(meaning)).to_be_visible()
    assert not find_faults(page, f"confirm-{action}")
    page.get_by_label("Reason").fill("asked for by the team")
    page.locator("main button[type=submit], form button[type=submit]").last.click()
    expect(page.get_by_text("ledger").first).to_be_visible()
    request.refresh_from_db()
    assert request.status == status
    assert request.events.last().text == "asked for by the team"
    assert not find_faults(page, f"done-{action}")


def test_a_ready_repo_is_offboarded(page: Page, faults, sre, service):
    request = steps.onboard("payments")
    page.goto(service.url + BASE)
    page.locator("input.action-select").first.check()
    page.locator("select[name=action]").select_option("offboard")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_text("What carries our mark is deleted")).to_be_visible()
    page.get_by_label("Reason").fill("moved")
    page.locator("form button[type=submit]").last.click()
    expect(page.get_by_text("1 being offboarded")).to_be_visible()
    request.refresh_from_db()
    assert request.status == "offboarding"


def test_a_list_is_scheduled_and_its_bad_lines_are_named(page: Page, faults, sre, service):
    page.goto(service.url + BASE)
    page.get_by_role("link", name="Schedule a list").click()
    page.get_by_label("Repos").fill("acme/a, payments, lead@example.org\nacme/b, payments, sre@example.org\n")
    page.get_by_role("button", name="Schedule").click()
    expect(page.get_by_text("This is your own address")).to_have_count(1)
    expect(page.get_by_text("line 2, team_lead: This is your own address")).to_be_visible()
    assert not find_faults(page, "bad-lines")
    page.get_by_label("Repos").fill(
        "acme/a, payments, lead@example.org\nacme/b, payments, lead@example.org\n"
    )
    page.get_by_role("button", name="Schedule").click()
    expect(page.get_by_text("2 repos are asked for")).to_be_visible()
    assert OnboardingRequest.objects.count() == 2


def test_the_switch_and_the_votes(page: Page, faults, sre, service):
    steps.ask_for("ledger")
    incident, _ = opening.open_incident("Flows fail", "P1", actor="bob")
    handling.resolve(incident.pk, actor="kim")
    page.goto(service.url + BASE)
    page.get_by_role("link", name="The rollout").click()
    expect(page.get_by_text("GO is missing by PM, TL, SRE").first).to_be_visible()
    page.get_by_role("button", name="Vote").click()
    assert not find_faults(page, "vote-missing")
    page.get_by_label("Role").select_option("pm")
    page.get_by_label("Verdict").select_option("go")
    page.locator("#id_vote-reason").fill("the fix is out")
    page.get_by_role("button", name="Vote").click()
    expect(page.get_by_text("the fix is out").first).to_be_visible()
    page.locator("#id_switch-reason").fill("a freeze")
    page.get_by_role("button", name="Close the portal").click()
    expect(page.get_by_text("The portal is closed.")).to_be_visible()
    assert not find_faults(page, "closed")
    page.locator("#id_switch-reason").fill("over")
    page.get_by_role("button", name="Open it").click()
    expect(page.get_by_text("The switch is open.")).to_be_visible()
    assert json.dumps(list(RolloutVote.objects.values_list("role", "verdict"))) == '[["pm", "go"]]'
