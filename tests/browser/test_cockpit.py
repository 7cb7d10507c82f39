"""The cockpit as operators have it: on a phone, by keyboard, in the middle of the night."""

import re
from typing import Literal

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from playwright.sync_api import Locator, Page, expect

from onboarding.models import OnboardingRequest
from orchestrator.flows import engine
from orchestrator.ops.incidents import opening
from orchestrator.ops.notifications.models import Notification
from orchestrator.ops.rollback.models import Announcement, Rollback
from orchestrator.web.roles import write_groups
from tests import scenes
from tests.browser.readability import THEMES, WIDTHS, choose_screen, keep_picture

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
PAGES = {
    "home": "/admin/",
    "flows": "/admin/flows/flow/",
    "attempts": "/admin/flows/attempt/",
    "waits": "/admin/flows/stagewait/",
    "holds": "/admin/flows/hold/",
    "audit": "/admin/core/auditentry/",
    "incidents": "/admin/incidents/incident/",
}
SIDEWAYS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def tell_night() -> None:
    """An hour in which much needs somebody."""
    for number in range(4):
        flow = scenes.make_flow(request=f"# Capital ratio {number}\nBasel I.", created_by="ann")
        scenes.run_through(flow, gates_fail=number % 2 == 0)
    paused = scenes.make_flow(request="# Liquidity coverage\nBasel III.")
    engine.set_priority(paused.pk, 7, actor="ann", reason="a customer waits for it")
    engine.pause(paused.pk, actor="ann", reason="its request is being rewritten")
    waits = scenes.make_flow(request="# Leverage ratio\nBasel III.")
    reason = "google has used 500,000 of 500,000 tokens in 24 hours; 41,200 come back at 05:00 UTC."
    scenes.park_stage(scenes.start_kind(waits, "context"), reason, provider="google", seconds=1020)
    opening.open_incident("More than 10 % of the flows of an hour failed", "P1", commander="kim", actor="bob")
    engine.hold("queue", "openai", actor="kim", reason="it bills calls twice; a ticket is open")
    OnboardingRequest.objects.create(repo_name="ledger", block_family="d", team_lead="lead@example.org")


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_the_cockpit_fits_the_screen(page: Page, faults, sre, service, theme, width):
    tell_night()
    choose_screen(page, width, theme)
    for name, path in PAGES.items():
        page.goto(service.url + path)
        keep_picture(page, f"cockpit-{name}-{theme}-{width}")
        assert page.evaluate(SIDEWAYS) <= 0, path
    page.goto(f"{service.url}/admin/flows/flow/")
    for box in page.locator("input.action-select").all()[:3]:
        box.check()
    page.locator("select[name=action]").select_option("cancel")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_text("nothing more is started")).to_be_visible()
    keep_picture(page, f"cockpit-confirm-{theme}-{width}")
    assert page.evaluate(SIDEWAYS) <= 0
    page.get_by_label("Reason").fill("wrong branch")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("not cancelled")).to_be_visible()
    keep_picture(page, f"cockpit-result-{theme}-{width}")
    assert page.evaluate(SIDEWAYS) <= 0


class Clicks:
    """Counts what a tired person presses; typing is not counted."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.count = 0

    def press(self, role: Literal["link", "button", "checkbox"], name: str | re.Pattern[str]) -> None:
        """Click what has this name."""
        self.page.get_by_role(role, name=name).first.click()
        self.count += 1


@pytest.mark.parametrize("width", WIDTHS)
def test_at_three_in_the_morning_from_the_page_to_the_announcement(
    page: Page, faults, service, context, transactional_db, settings, width
):
    settings.PILOT_REPOS = ("compliance-service",)
    settings.SLACK_BOT_TOKEN = "xoxb-" + "1" * 12
    write_groups()
    user = User.objects.create_user("kim", is_staff=True)
    user.groups.add(Group.objects.get(name="Incident commander"))
    client = Client()
    client.force_login(user)
    cookie = {"name": "sessionid", "value": client.cookies["sessionid"].value, "url": service.url}
    context.add_cookies([cookie])
    pilot, broken = scenes.make_repo("compliance-service", phase="pilot"), scenes.make_repo("ledger")
    for _ in range(8):
        scenes.run_through(scenes.make_flow(broken), gates_fail=True)
        scenes.run_through(scenes.make_flow(pilot))
    incident, _ = opening.open_incident(
        "More than 10 % of the flows of an hour failed", "P1", commander="kim", actor="bob", repos=[broken]
    )
    choose_screen(page, width, "dark")
    clicks = Clicks(page)
    # The link of the page at PagerDuty. The cause is on the page that it leads to.
    page.goto(f"{service.url}/admin/incidents/incident/{incident.pk}/change/")
    diagnosis = page.locator(".field-diagnosis, [class*=diagnosis]").or_(page.get_by_text("repo ledger"))
    expect(diagnosis.first).to_be_visible()
    keep_picture(page, f"night-incident-{width}")
    assert page.evaluate(SIDEWAYS) <= 0
    clicks.press("link", "Roll back to pilot scope")
    keep_picture(page, f"night-rollback-{width}")
    clicks.press("button", re.compile("^Save$"))
    broken.refresh_from_db()
    assert not broken.enabled
    (rollback,) = Rollback.objects.all()
    assert rollback.incident == incident.pk
    keep_picture(page, f"night-after-{width}")
    clicks.press("link", "Announcements to send")
    keep_picture(page, f"night-announcements-{width}")
    page.locator("input.action-select").first.check()
    clicks.count += 1
    page.locator("select[name=action]").select_option("send")
    clicks.count += 1
    clicks.press("button", "Run")
    expect(page.get_by_text(re.compile(": done.")).first).to_be_visible()
    # It is on its way to the channel, in the launch runbook's words.
    assert (
        "Orchestrator rollback in progress" in Notification.objects.filter(notifier="slack").latest("id").body
    )
    assert Announcement.objects.filter(status="sent").count() == 1
    assert clicks.count <= 6


def tab_to(page: Page, wanted: Locator) -> None:
    """Press the tabulator until ``wanted`` has the focus; a page has so many stops at most."""
    for _ in range(150):
        if wanted.evaluate("one => one === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"no tabulator reaches {wanted}")


def test_the_keyboard_alone_finds_a_flow_and_cancels_it(page: Page, faults, sre, service):
    tell_night()
    wanted = scenes.make_flow(scenes.make_repo("ledger"), request="# Leverage")
    page.goto(f"{service.url}/admin/flows/flow/")
    page.keyboard.press("/")
    expect(page.locator("#searchbar")).to_be_focused()
    page.keyboard.type("ledger")
    page.keyboard.press("Enter")
    boxes = page.locator("input.action-select")
    expect(boxes).to_have_count(1)
    tab_to(page, boxes.first)
    page.keyboard.press("Space")
    action = page.locator("select[name=action]")
    tab_to(page, action)
    page.keyboard.type("Cancel")
    expect(action).to_have_value("cancel")
    tab_to(page, page.get_by_role("button", name="Run"))
    page.keyboard.press("Enter")
    expect(page.get_by_text("nothing more is started")).to_be_visible()
    tab_to(page, page.get_by_label("Reason"))
    page.keyboard.type("wrong branch")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_text(f"1 cancelled: {wanted.pk}")).to_be_visible()
