"""The pages as a person has them: alive, without errors, readable by everybody, on a phone too."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests import scenes
from tests.web import story

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

UNLABELLED = """() => [...document.querySelectorAll(
        'input:not([type=hidden]), select, textarea, button, a, img, svg[role=img]')]
    .filter((one) => !(one.labels?.length || one.textContent.trim() ||
        one.getAttribute('aria-label') || one.hasAttribute('alt')))
    .map((one) => one.outerHTML)"""
NAMELESS = """() => [...document.querySelectorAll('section')].filter((one) =>
    !document.getElementById(one.getAttribute('aria-labelledby'))).map((one) => one.outerHTML.slice(0, 80))"""
# Contrast after WCAG 2.1, 1.4.3: relative luminance of the text against the nearest background that is
# painted.
FAINT = """() => {
    const light = (text) => { const [r, g, b] = text.match(/[\\d.]+/g).map(Number).map((v) => v / 255)
        .map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
    const ground = (one) => { for (let up = one; up; up = up.parentElement) {
        const colour = getComputedStyle(up).backgroundColor;
        if (!/, 0\\)$|transparent/.test(colour)) return colour; }
        return 'rgb(255, 255, 255)'; };
    const found = new Set();
    for (const one of document.querySelectorAll('main *, header *')) {
        const words = [...one.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
        if (one.closest('svg') || !words || !one.checkVisibility()) continue;
        const style = getComputedStyle(one);
        const [a, b] = [light(style.color), light(ground(one))].sort((x, y) => y - x);
        const large = parseFloat(style.fontSize) >= 24;
        const ratio = (a + 0.05) / (b + 0.05);
        if (ratio < (large ? 3 : 4.5)) found.add(`${one.tagName}.${one.className}: ${ratio.toFixed(2)}`);
    }
    return [...found];
}"""


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


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1200])
def test_the_pages_are_readable(page: Page, faults, sre, service, theme, width):
    flow = story.tell_flow()
    odd = [
        story.tell_long_flow(),
        story.tell_waiting_flow(),
        scenes.make_flow(request=f"# {'Withoutanyspace' * 12}"),
    ]
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme=theme)
    paths = [
        "/",
        "/status/",
        "/onboarding/",
        "/flows/",
        f"/flows/{flow.id}/",
        f"/flows/{flow.id}/?round=1",
        *(f"/flows/{one.id}/" for one in odd),
    ]
    for path in paths:
        page.goto(service.url + path)
        assert page.evaluate(
            "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        ), path
        assert page.evaluate(UNLABELLED) == [], path
        assert page.evaluate(NAMELESS) == [], path
        assert page.evaluate(FAINT) == [], path
        assert page.locator("h1").count() == 1


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


def test_cancel_asks_first(page: Page, faults, sre, service):
    flow = scenes.make_flow()
    page.goto(f"{service.url}/flows/{flow.id}/")
    page.once("dialog", lambda dialog: dialog.dismiss())
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#part-head .pill").first).to_have_text("pending")
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#part-head .pill").first).to_have_text("cancelled")


def test_onboarding_says_what_is_missing(page: Page, service, transactional_db):
    page.goto(f"{service.url}/onboarding/")
    page.get_by_label("Repository").fill("ledger")
    page.get_by_role("button").click()
    expect(page.get_by_role("alert").first).to_contain_text("2 answers need another look")
    lead = page.get_by_label("Team lead's e-mail address")
    assert lead.get_attribute("aria-invalid") == "true"
    page.get_by_label("Domain").fill("payments")
    lead.fill("lead@example.org")
    page.get_by_role("button").click()
    expect(page.get_by_role("heading", name="Your request is in")).to_be_visible()
