"""A flow whose repo has used its own budget: it waits with the reason, holds up nobody, continues alone."""

from collections.abc import Callable

import pytest

from orchestrator.core import database
from orchestrator.flows.engine import capacity, find_overdue_flows, waits
from orchestrator.flows.models import Flow
from orchestrator.repos import repo_settings
from providers.models import ProviderCall, RepoUse
from tests import scenes
from tests.flows.engine.conftest import live, new_flow, repo, sent  # noqa: F401 - fixtures
from tests.flows.quotas.test_money import flow, models, run, simulated  # noqa: F401 - fixtures
from tests.providers.simulated import Simulated

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def waiting(flow: Callable[..., Flow]) -> Flow:  # noqa: F811
    """A flow whose repo may use a thousand tokens a day, of which its first stage takes most."""
    made: Flow = flow()
    repo_settings.set_value(made.repo, "budget.tokens_day", 1000, actor="sre")
    RepoUse.objects.all().delete()
    run(made)
    run(made)
    while made.status != "waiting":
        assert made.status == "running", made.error_message
        run(made)
    return made


def pass_time(made: Flow) -> None:
    """The hour at which more of the budget comes back is here."""
    made.stages.filter(status="waiting").update(not_before=database.read_clock())


def test_the_reason_names_the_repo_and_no_provider_is_waited_for(waiting: Flow, simulated: Simulated):  # noqa: F811
    stage = live(waiting)
    assert stage.wait_reason.startswith(f"repo {waiting.repo.name} used ")
    assert "of its 1,000 tokens of today; more at " in stage.wait_reason
    assert stage.waits_for == waits.REPO_BUDGET
    assert capacity.list_awaited_providers() == []
    assert capacity.sum_stages_ahead(stage.queue, 0).stages == 0
    told = waiting.events.filter(kind="stage.waiting").latest("id").data
    assert told["limit"] == "repo"
    assert "provider" not in told


def test_another_repo_continues_at_the_same_provider(waiting: Flow, new_flow):  # noqa: F811
    other = scenes.make_repo("other")
    made = scenes.make_flow(other, flow_type="asking")
    for _ in range(3):
        run(made)
    assert made.status == "passed"


def test_more_budget_reaches_what_waits_already_and_the_wait_is_no_lost_time(waiting: Flow):
    assert waits.end_waits_for_budget() == 0
    Flow.objects.filter(pk=waiting.pk).update(deadline_at=database.read_clock())
    assert waiting.pk not in list(find_overdue_flows())
    repo_settings.set_value(waiting.repo, "budget.tokens_day", 100_000, actor="sre")
    assert waits.end_waits_for_budget() == 1
    waiting.refresh_from_db()
    assert waiting.deadline_at > waiting.created_at
    run(waiting)
    assert waits.end_waits_for_budget() == 0


def test_a_wait_that_is_over_is_asked_again_and_may_wait_on(waiting: Flow):
    before = ProviderCall.objects.count()
    pass_time(waiting)
    assert waits.end_waits_for_budget() == 1
    run(waiting)
    assert (waiting.status, live(waiting).waits_for) == ("waiting", waits.REPO_BUDGET)
    assert ProviderCall.objects.count() == before
    RepoUse.objects.update(day_tokens=0, hour_tokens=[0] * 25)
    pass_time(waiting)
    waits.end_waits_for_budget()
    run(waiting)
    assert ProviderCall.objects.count() == before + 1


def test_a_request_that_the_whole_budget_cannot_hold_fails_with_the_repos_name(flow):  # noqa: F811
    made: Flow = flow()
    repo_settings.set_value(made.repo, "budget.tokens_day", 50, actor="sre")
    run(made)
    assert made.error_code == "provider:request-too-large"
    assert f"repo {made.repo.name} has 50 a day" in made.error_message
