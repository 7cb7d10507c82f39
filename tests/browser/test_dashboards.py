"""The dashboards as a person has them: readable in both themes and on a phone, with something on every chart.

With SCREENSHOTS=<folder> each page is also kept as a picture.
"""

import os
import re
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from orchestrator.ops.dashboards.description import DASHBOARDS
from orchestrator.ops.rollups import days
from tests.browser.test_pages import FAINT, NAMELESS, UNLABELLED
from tests.ops.history import tell_deployment

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

# What an id of a flow looks like: no figure, chart or table shows one.
RAW_ID = re.compile(r"task_[0-9a-z]{20}")
PATHS = (
    *(f"/dashboards/{one.name}/?days=30&compare=1" for one in DASHBOARDS),
    "/dashboards/repos/auth-service/?days=30",
    "/dashboards/roi/?days=365",
)


def keep_picture(page: Page, name: str) -> None:
    """A picture of the whole page, where somebody wants it."""
    if folder := os.environ.get("SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def find_barriers(page: Page) -> list[str]:
    """What axe-core finds, by the rules of WCAG 2.2 AA and its best practices."""
    found = Axe().run(page).response["violations"]
    return [f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in found]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
def test_the_dashboards_are_readable_and_not_empty(page: Page, faults, sre, service, theme, width):
    tell_deployment(16)
    days.count_due_days()
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=theme)
    for path in PATHS:
        page.goto(service.url + path)
        name = path.split("?")[0].strip("/").replace("/", "-")
        long = "-year" if "365" in path else ""
        keep_picture(page, f"{name}{long}-{theme}-{width}")
        overflow = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        assert page.evaluate(overflow), path
        for check in (UNLABELLED, NAMELESS, FAINT):
            assert page.evaluate(check) == [], path
        assert page.locator("h1").count() == 1
        assert page.get_by_text("Nothing in this period.").count() == 0, path
        assert page.locator("svg.days").count() >= 1
        for drawing in page.locator("svg.days").all():
            assert drawing.locator("rect:not(.room), polyline").count() > 0, path
        assert page.get_by_text(RAW_ID).count() == 0, path
        assert find_barriers(page) == [], path


@pytest.mark.parametrize("width", [390, 1440])
def test_the_home_of_the_admin_shows_the_week(page: Page, faults, sre, service, width):
    tell_deployment(9)
    page.set_viewport_size({"width": width, "height": 900})
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        page.goto(f"{service.url}/admin/")
        expect(page.get_by_role("navigation", name="Dashboards").get_by_role("link")).to_have_count(5)
        expect(page.get_by_role("img", name="Flows by day of the last 7 days")).to_be_visible()
        # The charts of the theme are drawn by its script.
        drawn = "[...document.querySelectorAll('canvas.chart')].map((one) => one.width > 100)"
        assert page.evaluate(drawn) == [True, True]
        keep_picture(page, f"admin-{theme}-{width}")


def test_a_figure_a_bar_and_a_part_lead_to_their_flows(page: Page, faults, sre, service):
    tell_deployment(9)
    page.set_viewport_size({"width": 1440, "height": 900})
    page.goto(f"{service.url}/flows/")
    page.get_by_role("link", name="Dashboards").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Reliability")
    page.locator("#figures dd.value a").first.click()
    expect(page.locator(".flows .pill.failed").first).to_be_visible()
    expect(page.locator(".narrowed")).to_contain_text("from")
    keep_picture(page, "flows-narrowed")
    assert find_barriers(page) == []
    page.go_back()
    bar = page.locator("#plot-ends-by-day svg.days a").last
    bar.click()
    expect(page.locator(".flows .card").first).to_be_visible()
    page.go_back()
    page.get_by_role("link", name="gate:mutation-failed").click()
    expect(page.locator(".flows .pill.failed").first).to_be_visible()


def test_the_period_is_chosen_by_the_keyboard_and_numbers_unfold(page: Page, faults, sre, service):
    tell_deployment(9)
    page.goto(f"{service.url}/dashboards/cost/")
    period = page.get_by_role("combobox", name="Period")
    period.select_option("30")
    page.get_by_label("Compare with").check()
    page.get_by_role("button", name="Show").press("Enter")
    expect(page.get_by_text("before:").first).to_be_visible()
    expect(period).to_have_value("30")
    page.locator("summary", has_text="Numbers").first.press("Enter")
    table = page.get_by_role("region", name="Spend by day and provider: numbers")
    expect(table).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV of Spend by model").click()
    assert download.value.suggested_filename.startswith("cost-spend-by-model-")


def test_the_numbers_renew_themselves(page: Page, faults, sre, service):
    page.clock.install()
    page.goto(f"{service.url}/dashboards/adoption/")
    flows = page.locator("#figures > div", has_text="Flows executed").locator(".value")
    expect(flows).to_have_text("0")
    tell_deployment(3)
    page.clock.run_for(31_000)
    expect(flows).not_to_have_text("0")
    expect(page.locator("#plot-started-by-day svg.days")).to_be_visible()
