"""The dashboards inside the product: what they say, to whom, and the way from a number to its flows."""

import csv
import io
import re
from datetime import timedelta
from html import unescape

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from orchestrator.flows import engine
from orchestrator.ops.dashboards.csv_cells import escape_cell
from orchestrator.ops.dashboards.description import DASHBOARDS
from orchestrator.ops.dashboards.numbers import format_number
from orchestrator.ops.dashboards.panels import Unit
from orchestrator.ops.dashboards.period import choose_period
from orchestrator.ops.rollups import days
from orchestrator.repos.models import Membership, Repo
from orchestrator.web.components.charts import build_day_chart, find_round_time, find_top
from orchestrator.web.pages import dashboards
from tests import scenes
from tests.ops.history import move_back, tell_deployment

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator(client):
    client.force_login(User.objects.create_superuser("sre", "sre@example.org", "pw"))
    return client


@pytest.fixture
def owner(client):
    person = User.objects.create_user("owner", "owner@example.org", "pw")
    Membership.objects.create(user=person, repo=scenes.make_repo("auth-service"))
    client.force_login(person)
    return client


def read_csv(answer) -> list[dict[str, str]]:
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/csv")
    return list(csv.DictReader(io.StringIO(answer.content.decode())))


def find_links(page: str) -> list[str]:
    return [unescape(link) for link in re.findall(r'href="(/flows/\?[^"]+)"', page)]


@pytest.mark.parametrize("name", [*(one.name for one in DASHBOARDS), "repos/auth-service"])
def test_every_panel_of_a_dashboard_has_numbers_and_a_file(operator, name):
    tell_deployment(8)
    page = operator.get(f"/dashboards/{name}/?days=30&compare=1").content.decode()
    assert "no data" not in page.split('class="figures"')[1].split("</dl>")[0].replace("before: no data", "")
    assert "Nothing in this period" not in page
    files = re.findall(r'href="(/dashboards/[^"]+\.csv\?days=30)"', page)
    assert len(files) >= 3
    for address in files:
        assert len(read_csv(operator.get(address))) >= 1


@pytest.mark.parametrize(
    ("dashboard", "figure"), [("adoption", "Flows executed"), ("repos/auth-service", "Flows executed")]
)
def test_a_figure_leads_to_as_many_flows(operator, dashboard, figure):
    tell_deployment(8)
    retry_one()
    page = operator.get(f"/dashboards/{dashboard}/?days=30").content.decode()
    card = page.split(f"<dt>{figure}</dt>")[1].split("</div>")[0]
    (link,) = find_links(card)
    (shown,) = re.findall(r">(\d+)</a>", card)
    assert count_flows(operator, link) == int(shown) > 1


@pytest.mark.parametrize("key", ["ends-by-day", "blocks-by-day", "started-by-day"])
def test_a_bar_leads_to_as_many_flows(operator, key):
    tell_deployment(8)
    retry_one()
    scenes.make_flow()
    name = next(one.name for one in DASHBOARDS if one.find_panel(key))
    page = operator.get(f"/dashboards/{name}/").content.decode()
    rows = re.findall(r"<tr><th scope=.row.>.*?</tr>", page.split(f'id="plot-{key}"')[1].split("</table>")[0])
    assert len(rows) == 7
    for row in rows:
        (link,) = find_links(row)
        numbers = [int(number) for number in re.findall(r'class="number">(\d+)<', row)]
        assert count_flows(operator, link) == sum(numbers), row
    assert any(">1<" in row for row in rows)


@pytest.mark.parametrize("key", ["flows-by-repo", "flows-by-family", "failures-by-reason"])
def test_a_part_leads_to_as_many_flows(operator, key):
    tell_deployment(8)
    days.count_due_days()
    retry_one()
    name = next(one.name for one in DASHBOARDS if one.find_panel(key))
    page = operator.get(f"/dashboards/{name}/?days=30").content.decode()
    parts = page.split(f'id="parts-{key}"')[1].split("</div>")[0].split("<li>")[1:]
    assert parts
    for part in parts:
        (link,) = find_links(part)
        (shown,) = re.findall(r'class="amount">(\d+)<', part)
        assert count_flows(operator, link) == int(shown) > 0, part


def retry_one() -> None:
    """A failure of today that was retried, so that its flow is not a failed one any more."""
    engine.retry(scenes.run_through(scenes.make_flow(scenes.make_repo("auth-service")), gates_fail=True).id)


def count_flows(client, link: str) -> int:
    """How many flows the page behind a link lists, which says so itself."""
    page = client.get(link).content.decode()
    listed = page.count('<li class="card">')
    if listed:
        assert f": {listed} flow{'s' if listed > 1 else ''}. <" in page
    return listed


@pytest.mark.parametrize(
    ("filters", "number"),
    [
        ("family=compliance", 2),
        ("family=-", 1),
        ("gate=mutation", 1),
        ("model=gpt-4-turbo", 3),
        ("model=none-of-them", 0),
        ("error=gate:mutation-failed&status=failed", 1),
        ("from={yesterday}&to={yesterday}&status=passed", 1),
        ("from={today}", 2),
        ("ended=any", 3),
        ("ended=failed", 1),
        ("ended=failed&error=gate:mutation-failed", 1),
        ("ended=failed&error=gate:coverage-failed", 0),
        ("ended=passed&to={yesterday}", 1),
        ("to={yesterday}&repo=compliance-service", 1),
    ],
)
def test_the_list_of_flows_is_narrowed(operator, filters, number):
    move_back(scenes.run_through(scenes.make_flow(block_family="compliance")), 1)
    scenes.run_through(scenes.make_flow(block_family="compliance"))
    scenes.run_through(scenes.make_flow(scenes.make_repo("auth-service")), gates_fail=True)
    today = timezone.now().date()
    asked = filters.format(today=today, yesterday=today - timedelta(days=1))
    assert operator.get(f"/flows/?{asked}").content.decode().count('<li class="card">') == number


def test_owners_see_the_numbers_of_their_repos_only(owner):
    tell_deployment(8)
    spend = read_csv(owner.get("/dashboards/spend.csv?days=30"))
    assert {row["repo"] for row in spend} == {"auth-service"}
    assert {"day", "block_family", "provider", "model", "tokens", "usd"} <= set(spend[0])
    page = owner.get("/dashboards/cost/?days=30").content.decode()
    assert "auth-service" in page
    assert "compliance-service" not in page
    assert owner.get("/dashboards/repos/compliance-service/").status_code == 404
    assert owner.get("/dashboards/repos/compliance-service/spend.csv").status_code == 404
    assert owner.get("/dashboards/spend.csv?repo=compliance-service").status_code == 404


@pytest.mark.parametrize("key", ["spend-by-day", "spend-by-model", "spend-by-repo", "spend-by-family"])
def test_owners_get_every_split_of_their_spend_as_a_file(owner, key):
    tell_deployment(8)
    rows = read_csv(owner.get(f"/dashboards/cost/{key}.csv?days=30"))
    own = sum(float(row["usd"]) for row in read_csv(owner.get("/dashboards/spend.csv?days=30")))
    found = [
        float(value) for row in rows for name, value in row.items() if name not in ("name", "from", "to")
    ]
    assert sum(found) == pytest.approx(own)
    assert own > 0
    assert {"compliance-service", "financial-reporting"}.isdisjoint(row.get("name") for row in rows)


def test_owners_are_not_judged_by_targets_of_the_whole_organisation(owner, client):
    tell_deployment(3)
    wanted = {"adoption": "at least 50", "cost": "at most $50.00"}
    for name, words in wanted.items():
        assert words not in owner.get(f"/dashboards/{name}/").content.decode()
    # What holds for each flow holds for theirs.
    assert "at least 99 %" in owner.get("/dashboards/reliability/").content.decode()
    client.force_login(User.objects.create_superuser("sre", "sre@example.org", "pw"))
    for name, words in wanted.items():
        assert words in client.get(f"/dashboards/{name}/").content.decode()


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("/dashboards/cost/?days=31", "days can be 7, 30, 90, 365, not &#x27;31&#x27;."),
        ("/dashboards/cost/?day=30", "asks for &#x27;day&#x27;. This page knows days, compare."),
        ("/dashboards/cost/?compare=yes", "compare can be 1"),
        ("/dashboards/cost/spend.csv?days=-7", "days can be"),
        ("/dashboards/spend.csv?repos=auth-service", "This page knows days, repo."),
        ("/dashboards/repos/auth-service/?days=7%00", "days can be"),
        ("/flows/?from=2026-02-30", "from is a day such as 2026-01-31"),
        ("/flows/?to=9999-12-31", "to is a day"),
        ("/flows/?ended=well", "ended can be any, passed, failed, cancelled"),
        ("/flows/?statuses=failed", "asks for &#x27;statuses&#x27;"),
    ],
)
def test_a_misspelt_question_is_refused_in_words(operator, address, words):
    scenes.make_repo("auth-service")
    answer = operator.get(address)
    assert answer.status_code == 400
    assert words in answer.content.decode()


def test_spend_adds_up_to_the_ledger(operator):
    tell_deployment(6)
    spend = read_csv(operator.get("/dashboards/spend.csv?days=30"))
    (figure,) = read_csv(operator.get("/dashboards/cost/spend.csv?days=30"))
    assert sum(float(row["usd"]) for row in spend) == pytest.approx(float(figure["value"]))
    by_model = read_csv(operator.get("/dashboards/cost/spend-by-model.csv?days=30"))
    assert sum(float(row["value"]) for row in by_model) == pytest.approx(float(figure["value"]))


def test_last_week_is_compared_with_the_week_before(operator):
    for back in (0, 1, 8, 9, 10):
        move_back(scenes.run_through(scenes.make_flow()), back)
    page = operator.get("/dashboards/adoption/?days=7&compare=1").content.decode()
    executed = page.split("Flows executed")[1].split("</div>")[0]
    assert "before: 3 (-33 %)" in executed
    assert "before:" not in operator.get("/dashboards/adoption/?days=7").content.decode()


def test_repos_of_the_days_before_are_those_that_were_onboarded_then(operator):
    scenes.make_repo("auth-service")
    Repo.objects.filter(name="auth-service").update(onboarded_at=timezone.now() - timedelta(days=9))
    scenes.make_repo("compliance-service")
    page = operator.get("/dashboards/adoption/?compare=1").content.decode()
    card = page.split("Repos onboarded")[1].split("</div>")[0]
    assert ">2<" in card
    assert "before: 1 (+100 %)" in card


def test_a_period_that_takes_too_long_is_refused_in_words(operator, monkeypatch):
    monkeypatch.setattr(dashboards, "STATEMENT_SECONDS", 0.05)
    slow = lambda *_args, **_options: connection.cursor().execute("SELECT pg_sleep(20)")  # noqa: E731
    monkeypatch.setattr(dashboards, "build_page", slow)
    monkeypatch.setattr(dashboards, "list_rows", slow)
    page = operator.get("/dashboards/roi/")
    assert page.status_code == 200
    assert "Choose a shorter one" in page.content.decode()
    assert operator.get("/dashboards/roi/spend.csv").status_code == 503


def test_names_in_a_file_are_no_formulas(operator):
    assert escape_cell("=1+1") == "'=1+1"
    assert escape_cell(-1.5) == -1.5
    assert escape_cell(None) == ""


@pytest.mark.parametrize(
    "address", ["/dashboards/none/", "/dashboards/roi/none.csv", "/dashboards/repos/%00/"]
)
def test_what_is_not_there_is_404(operator, address):
    assert operator.get(address).status_code == 404


def test_a_page_costs_the_same_number_of_queries_with_more_flows(operator):
    def count_queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert operator.get("/dashboards/cost/?days=90").status_code == 200
        return len(queries)

    scenes.run_through(scenes.make_flow())
    operator.get("/dashboards/cost/")
    few = count_queries()
    tell_deployment(3)
    assert count_queries() == few


def test_assumptions_are_named_with_their_source(operator, settings):
    settings.ROI_HOURS_PER_BLOCK, settings.ROI_SOURCE = 5, "finance, October"
    scenes.run_through(scenes.make_flow())
    page = operator.get("/dashboards/roi/").content.decode()
    assert "finance, October" in page
    assert read_csv(operator.get("/dashboards/roi/hours.csv"))[0]["value"] == "5.0"


def test_the_admin_begins_with_the_week(operator):
    tell_deployment(3)
    page = operator.get("/admin/").content.decode()
    for one in DASHBOARDS:
        assert f'href="/dashboards/{one.name}/"' in page
    assert page.count('class="chart"') == 2
    assert "Success rate, last week" in page


def test_people_of_several_days_are_not_added_up(operator):
    for back in (0, 1):
        move_back(scenes.run_through(scenes.make_flow(created_by="ada")), back)
    page = operator.get("/dashboards/adoption/").content.decode()
    people, started = (
        page.split(f'id="plot-{key}"')[1].split("</ul>")[0] for key in ("people-by-day", "started-by-day")
    )
    assert "flows <strong>2</strong>" in started
    assert "users</li>" in people


def test_a_year_says_that_its_bars_are_weeks(operator):
    scenes.run_through(scenes.make_flow())
    page = operator.get("/dashboards/reliability/?days=365").content.decode()
    assert "Flows by week" in page
    assert "by day" not in page.split("spend.csv")[0].replace("Spend by day, repo", "")
    assert "week of" in page


def test_a_long_period_is_shown_by_weeks():
    today = timezone.now().date()
    year = choose_period(today, 365)
    assert sum(step.length for step in year.steps) == 365
    assert len(year.steps) == 53
    assert year.before.last == year.first - timedelta(days=1)
    assert [step.length for step in choose_period(today, 7).steps] == [1] * 7


def test_a_chart_is_within_its_box():
    series: dict[str, list[float | None]] = {"a": [1.0, 2.0, None], "b": [3.0, 0.0, 4.5]}
    chart = build_day_chart(
        Unit.NUMBER,
        ("x", "y", "z"),
        series,
        before=[9.0, None, 1.0],
        links=("", "", ""),
        target=8,
        lines=False,
    )
    assert all(shape.y >= 0 and round(shape.y + shape.height, 2) <= 100 for shape in chart.shapes)
    assert chart.ticks[0] == "10"
    assert chart.target == 20.0
    # A missing day interrupts the line.
    assert len([line for line in chart.lines if line.dashed]) == 2


@pytest.mark.parametrize(("most", "top"), [(0, 1), (1, 1), (3, 4), (0.021, 0.04), (99, 100), (101, 200)])
def test_an_axis_ends_with_a_round_number(most, top):
    assert find_top(most) == pytest.approx(top)


@pytest.mark.parametrize(
    ("most", "top"), [(0.3, 1), (61, 120), (144, 240), (240, 240), (50_000, 86_400), (90_000, 172_800)]
)
def test_an_axis_of_time_ends_with_a_time_whose_half_is_round(most, top):
    assert find_round_time(most) == top


@pytest.mark.parametrize(
    ("unit", "value", "words"),
    [
        (Unit.USD, 0.0042, "$0.0042"),
        (Unit.USD, 1234.5, "$1,234.50"),
        (Unit.USD, 0.0855, "$0.086"),
        (Unit.USD, 0.2, "$0.20"),
        (Unit.USD, 0.0, "$0"),
        (Unit.SECONDS, 120.0, "2 min"),
        (Unit.SECONDS, 7200.0, "2 h"),
        (Unit.PERCENT, 99.97, "99.9 %"),
        (Unit.PERCENT, 100.0, "100 %"),
        (Unit.SECONDS, 118.2, "1 min 58 s"),
        (Unit.NUMBER, 1234.0, "1,234"),
        (Unit.HOURS, 2.5, "2.5 h"),
        (Unit.TIMES, None, "no data"),
    ],
)
def test_numbers_are_readable(unit, value, words):
    assert format_number(unit, value) == words
