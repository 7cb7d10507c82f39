"""The pages as a person has them: alive, without errors, readable by everybody, on a phone too."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests import scenes
from tests.browser.readability import RAW_ID, THEMES, WIDTHS, choose_screen, find_flaws
from tests.web import story

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


def test_a_running_flow_updates_by_itself(page: Page, faults, sre, service):
    flow = scenes.make_flow()
    first = scenes.start_kind(flow, "context")
    page.goto(f"{service.url}/flows/{flow.id}/")
    row = page.locator(".gantt li", has_text="context")
    expect(row.locator(".pill")).to_have_text("running")
    expect(page.get_by_role("status")).to_have_text("This page follows the flow.")
    page.get_by_text("Show the text").click()
    scenes.finish_stage(first, model="gemini-pro")
    expect(row.locator(".pill")).to_have_text("passed")
    second = scenes.start_kind(flow, "plan")
    expect(page.locator(".gantt li", has_text="plan").locator(".bar.running")).to_be_visible()
    error = ("gate:contract-failed", "The contract gate failed.", "Fix schema or implementation, then retry.")
    scenes.fail_stage(second, error)
    expect(page.get_by_role("alert")).to_contain_text("Fix schema or implementation, then retry.")
    expect(page.get_by_role("status")).to_have_text("This flow has ended.")
    assert page.locator("#request-text").get_attribute("open") is not None  # what was opened stays open


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_the_pages_are_readable(page: Page, faults, sre, service, theme, width):
    flow = story.tell_flow()
    odd = [
        story.tell_long_flow(),
        story.tell_waiting_flow(),
        scenes.make_flow(request=f"# {'Withoutanyspace' * 12}"),
    ]
    choose_screen(page, width, theme)
    paths = {
        "landing": "/",
        "status": "/status/",
        "onboarding": "/onboarding/",
        "flows": "/flows/",
        "flow": f"/flows/{flow.id}/",
        "flow-first-round": f"/flows/{flow.id}/?round=1",
        "flow-cancel": f"/flows/{odd[1].id}/cancel/",
        "flow-priority": f"/flows/{odd[1].id}/priority/",
        "refused": "/flows/?from=yesterday",
        "missing": "/flows/none/",
        **{f"flow-odd-{number}": f"/flows/{one.id}/" for number, one in enumerate(odd)},
    }
    flaws = []
    for name, path in paths.items():
        page.goto(service.url + path)
        flaws += find_flaws(page, f"{name}-{theme}-{width}")
    page.goto(f"{service.url}/status/")
    assert page.get_by_text(RAW_ID).count() == 0
    page.context.clear_cookies()
    page.goto(f"{service.url}/login/")
    flaws += find_flaws(page, f"login-{theme}-{width}")
    assert not flaws, "\n".join(flaws)
    # The browser itself reports answers that are errors, which two of the pages are.
    reported = [fault for fault in faults if fault.startswith("Failed to load resource")]
    assert len(reported) == 2
    for fault in reported:
        faults.remove(fault)


def test_the_status_renews_itself(page: Page, faults, sre, service):
    page.clock.install()
    page.goto(f"{service.url}/status/")
    failed = page.locator(".facts div", has_text="Flows failed").locator("dd")
    expect(failed).to_have_text("0")
    scenes.run_through(scenes.make_flow(), gates_fail=True)
    page.clock.run_for(31_000)
    expect(failed).to_have_text("1")
    # Not only once.
    scenes.run_through(scenes.make_flow(), gates_fail=True)
    page.clock.run_for(31_000)
    expect(failed).to_have_text("2")


def test_what_models_wrote_does_nothing(page: Page, faults, sre, service):
    flow = story.tell_flow()
    page.on("dialog", lambda dialog: faults.append(dialog.message))
    page.goto(f"{service.url}/flows/{flow.id}/?round=1")
    expect(page.get_by_text("Mutant survived", exact=True)).to_be_visible()
    assert page.locator("main script, main img").count() == 0


def test_the_keyboard_reaches_the_content_and_opens_a_file(page: Page, faults, sre, service):
    page.goto(f"{service.url}/flows/{story.tell_flow().id}/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    tests = page.locator("#source-tests")
    tests.locator("summary").first.focus()
    page.keyboard.press("Enter")
    expect(tests.get_by_role("region", name="test_clip.py")).to_be_visible()


def test_what_scrolls_sideways_scrolls_by_the_keyboard(page: Page, faults, sre, service):
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(f"{service.url}/flows/{story.tell_failed_flow().id}/")
    calls = page.get_by_role("region", name="Model calls").locator(".wide")
    assert calls.evaluate("one => one.scrollWidth > one.clientWidth")
    calls.focus()
    page.keyboard.press("ArrowRight")
    expect(calls).not_to_have_js_property("scrollLeft", 0)


def test_a_flow_that_waits_says_why_and_until_when_at_the_top(page: Page, faults, sre, service):
    page.goto(f"{service.url}/flows/{story.tell_waiting_flow().id}/")
    head = page.locator("#part-head")
    expect(head.get_by_role("heading", name="Why it waits")).to_be_visible()
    expect(head).to_contain_text("2,000,000 of 2,000,000 tokens in 24 hours")
    expect(head).to_contain_text(re.compile(r"Tried again .+ UTC, in \d+ min"))
    expect(head).to_contain_text("Asked for")


def test_paper_shows_what_is_folded_and_nothing_to_press(page: Page, faults, sre, service):
    flow = story.tell_failed_flow()
    page.emulate_media(color_scheme="dark")
    page.goto(f"{service.url}/flows/{flow.id}/")
    request, button = page.get_by_text("Values over the limit become the limit."), page.get_by_role("button")
    expect(request).to_be_hidden()
    page.emulate_media(media="print")
    assert request.evaluate(
        "one => one.checkVisibility({contentVisibilityAuto: true}) && one.offsetHeight > 0"
    )
    expect(button).to_be_hidden()
    assert (
        page.locator("h1").evaluate("one => getComputedStyle(one).color") == "rgb(27, 35, 48)"
    )  # dark on white


def test_cancel_asks_first_and_why(page: Page, faults, sre, service):
    flow = scenes.make_flow()
    page.goto(f"{service.url}/flows/{flow.id}/")
    page.get_by_role("link", name="Cancel").click()
    expect(page.get_by_text("nothing more is started")).to_be_visible()
    page.get_by_role("link", name="Back, without doing it").click()
    expect(page.locator("#part-head .pill").first).to_have_text("pending")
    page.get_by_role("link", name="Cancel").click()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("alert")).to_have_text("This field is required.")
    # By keyboard: the field has the focus, and the button is the next stop.
    expect(page.get_by_label("Reason")).to_be_focused()
    page.keyboard.type("wrong branch")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#part-head .pill").first).to_have_text("cancelled")
    expect(page.get_by_role("region", name="Events")).to_contain_text("wrong branch")


def test_onboarding_says_what_is_missing(page: Page, sre, service, transactional_db):
    page.goto(f"{service.url}/onboarding/")
    page.get_by_label("Repository").fill("example-org/ledger")
    page.get_by_label("GitHub Actions").check()
    page.get_by_role("button", name="Ask for it").click()
    expect(page.get_by_role("alert").first).to_contain_text("2 answers need another look")
    lead = page.get_by_label("Team lead's e-mail address")
    assert lead.get_attribute("aria-invalid") == "true"
    page.get_by_label("Block family").fill("payments")
    lead.fill("lead@example.org")
    page.get_by_role("button", name="Ask for it").click()
    expect(page.get_by_role("heading", name="ledger")).to_be_visible()
