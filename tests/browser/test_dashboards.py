"""The dashboards as people have them: readable in both themes and on a phone, something on every chart."""

import pytest
from playwright.sync_api import Page, expect

from orchestrator.ops.dashboards.description import DASHBOARDS
from orchestrator.ops.rollups import days
from tests.browser.readability import (
    RAW_ID,
    THEMES,
    WIDTHS,
    choose_screen,
    find_barriers,
    find_flaws,
    keep_picture,
)
from tests.ops.history import tell_deployment

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

PATHS = {
    **{one.name: f"/dashboards/{one.name}/?days=7&compare=1" for one in DASHBOARDS},
    "repo": "/dashboards/repos/auth-service/?days=30&compare=1",
    "cost-year": "/dashboards/cost/?days=365",
    "reliability-month": "/dashboards/reliability/?days=30",
}


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_the_dashboards_are_readable_and_not_empty(page: Page, faults, sre, service, theme, width):
    tell_deployment(16)
    days.count_due_days()
    choose_screen(page, width, theme)
    for name, path in PATHS.items():
        page.goto(service.url + path)
        assert find_flaws(page, f"dashboard-{name}-{theme}-{width}") == []
        assert page.get_by_text("Nothing in this period.").count() == 0, path
        assert page.locator("#figures dd.value", has_text="no data").count() == 0, path
        assert page.locator("svg.days").count() >= 1
        for drawing in page.locator("svg.days").all():
            assert drawing.locator("rect:not(.room), polyline").count() > 0, path
        assert page.get_by_text(RAW_ID).count() == 0, path


@pytest.mark.parametrize("width", WIDTHS)
def test_the_home_of_the_admin_shows_the_week(page: Page, faults, sre, service, width):
    tell_deployment(9)
    for theme in THEMES:
        choose_screen(page, width, theme)
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
