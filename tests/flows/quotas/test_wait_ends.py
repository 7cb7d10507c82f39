"""What people can do about a flow that waits: set a fallback, end the wait, read until when it lasts."""

import re

import pytest

from orchestrator.flows import engine
from orchestrator.flows.api.serializers.flows import FlowSerializer
from orchestrator.flows.models import Flow
from orchestrator.flows.scheduler.provider_release import ProviderRelease
from orchestrator.repos import repo_settings
from tests.flows.engine.conftest import kinds, live, new_flow, repo, sent  # noqa: F401 - fixtures
from tests.flows.quotas.plugin import MODELS
from tests.flows.quotas.test_money import flow, models, run, simulated, use_up  # noqa: F401 - fixtures
from tests.providers.simulated import Simulated

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def waiting(flow) -> Flow:  # noqa: F811
    """A flow whose second stage waits until tomorrow, for a provider without quota."""
    use_up("anthropic")
    made: Flow = flow()
    run(made)
    run(made)
    assert (made.status, live(made).waits_for) == ("waiting", "anthropic")
    return made


def look(releaser: ProviderRelease) -> int:
    """What the dispatcher does each second."""
    releaser.release()
    return releaser.end_waits_for_fallback()


def test_a_fallback_that_is_set_reaches_a_flow_that_waits_already(waiting: Flow, simulated: Simulated):  # noqa: F811
    releaser = ProviderRelease()
    assert look(releaser) == 0
    repo_settings.set_value(waiting.repo, "fallback.model", MODELS["openai"], actor="me")
    assert look(releaser) == 1
    run(waiting)
    stage = waiting.stages.get(kind="ask_anthropic")
    assert stage.status == "passed"
    assert [(one.model, one.fallback_from) for one in stage.attempts.exclude(model="")] == [
        (MODELS["openai"], MODELS["anthropic"])
    ]
    assert simulated.requests("anthropic") == 0


def test_a_fallback_that_has_no_room_either_is_not_asked_for_ever(waiting: Flow):
    use_up("openai")
    releaser = ProviderRelease()
    repo_settings.set_value(None, "fallback.model", MODELS["openai"], actor="me")
    assert look(releaser) == 1
    run(waiting)
    assert live(waiting).status == "waiting"
    assert look(releaser) == 0


def test_a_fallback_of_the_environment_is_taken_at_the_next_start(waiting: Flow, settings):
    settings.FALLBACK_MODEL = MODELS["openai"]
    releaser = ProviderRelease()
    assert [look(releaser), look(releaser)] == [1, 0]
    run(waiting)
    assert waiting.stages.get(kind="ask_anthropic").status == "passed"


def test_a_retry_ends_a_wait_without_overtaking_anybody(waiting: Flow, simulated: Simulated):  # noqa: F811
    before = waiting.deadline_at
    engine.retry(waiting.pk, actor="me")
    stage = live(waiting)
    assert (stage.status, stage.waits_for, stage.sent_at) == ("ready", "", None)
    waiting.refresh_from_db()
    assert waiting.deadline_at > before
    assert kinds(waiting)[-2:] == ["flow.retried", "stage.ready"]
    # The provider still has no room, so it waits again, and nothing was sent or lost.
    run(waiting)
    assert live(waiting).status == "waiting"
    assert simulated.requests("anthropic") == 0


def test_a_flow_that_waits_for_a_person_is_not_retried(waiting: Flow):
    engine.pause(waiting.pk)
    with pytest.raises(engine.NotRetryable):
        engine.retry(waiting.pk)


def test_people_read_the_day_until_which_a_flow_waits(waiting: Flow):
    told = FlowSerializer(waiting).data
    words = r"returns (today|tomorrow|\d+ [A-Z][a-z]{2}) \d\d:00 UTC, in (\d+ h( \d+ min)?|\d+ min)$"
    for reason in (told["wait_reason"], told["stages"][1]["wait_reason"]):
        assert re.search(words, reason), reason
    # What is kept names the moment, because the words would be wrong tomorrow.
    assert re.search(r"returns \d{4}-\d\d-\d\dT\d\d:00Z$", live(waiting).wait_reason)


def test_a_cancelled_flow_goes_on_where_it_was_and_pays_nothing_twice(waiting: Flow, simulated: Simulated):  # noqa: F811
    paid = simulated.requests("google")
    engine.cancel(waiting.pk, actor="me")
    assert [stage.status for stage in waiting.stages.all()] == ["passed", "cancelled", "cancelled"]
    engine.retry(waiting.pk, actor="me")
    assert [stage.status for stage in waiting.stages.all()] == ["passed", "ready", "pending"]
    repo_settings.set_value(waiting.repo, "fallback.model", MODELS["openai"], actor="me")
    run(waiting)
    run(waiting)
    assert waiting.status == "passed"
    assert simulated.requests("google") == paid
