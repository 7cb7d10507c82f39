"""The service does what its OpenAPI says, to everybody: as nobody, as a member, as an operator."""

import random
from typing import Any

import pytest

from orchestrator.ops.notifications.delivery import notify
from orchestrator.repos import tokens
from orchestrator.repos.models import CiTrust
from orchestrator.rest.throttles import WrongTokenThrottle
from tests import scenes
from tests.rest import conformance
from tests.web import story

# Made-up requests of each operation, sent by each caller.
SAMPLE, OFTEN = 3, 60
# Without a loop, Django reads a stream to its end before it sends it.
pytestmark = pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume asynchronous")


@pytest.fixture
def values(repo, monkeypatch, settings) -> dict[str, list[str]]:
    conformance.end_streams(monkeypatch)
    # More wrong tokens, and more requests, than anybody would send in a minute.
    monkeypatch.setattr(WrongTokenThrottle, "rate", "1000000/min")
    settings.API_REQUESTS_PER_MINUTE = 1_000_000
    settings.SLACK_BOT_TOKEN = "xoxb-1"
    settings.EMAIL_HOST = "127.0.0.1"
    foreign = scenes.make_flow(scenes.make_repo("other"))
    passed = scenes.run_through(scenes.make_flow(repo))
    failed = scenes.run_through(scenes.make_flow(repo), gates_fail=True)
    waiting = scenes.make_flow(repo)
    scenes.park_stage(scenes.start_kind(waiting, "context"), "google: no tokens", provider="google")
    flows = [flow.pk for flow in (passed, failed, story.tell_failed_flow(), waiting, foreign)]
    webhook, delivery = scenes.make_webhook(repo)
    trust = CiTrust.objects.create(
        repo=repo,
        issuer="https://gitlab.com",
        repository="example-org/compliance-service",
        refs=["refs/heads/main"],
        scopes=["flows:read"],
    )
    token, _ = tokens.create_token("nightly build", repo, scopes=["flows:read"])
    message = notify("slack", "#engineering", "Hello.", actor="token:operator")
    return {
        "flow_id": flows,
        "webhooks:number": [str(webhook.pk), str(scenes.make_webhook(None)[0].pk)],
        "webhooks:delivery_number": [str(delivery.pk)],
        "repos:number": [str(trust.pk)],
        "tokens:number": [str(token.pk)],
        "notifications:number": [str(message.pk)],
        "name": [repo.name, "other", "DailyBudgetBurn"],
        "provider": ["google", "openai"],
    }


@pytest.fixture
def callers(repo) -> dict[str, dict[str, str]]:
    """What nobody, a member, who has the repo's token, and an operator send."""
    sent: dict[str, dict[str, str]] = {"nobody": {}}
    for name, owner in (("member", repo), ("operator", None)):
        sent[name] = {"Authorization": f"Bearer {tokens.create_token('test', owner)[1]}"}
    return sent


@pytest.mark.slow
def test_a_sample_of_requests_is_answered_as_described(callers, values) -> None:
    assert send(callers, values, examples=SAMPLE, seed=1).cases >= 300


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_ten_thousand_requests_are_answered_as_described(callers, values) -> None:
    # The seed is that of the run, which pytest prints.
    found = send(callers, values, examples=OFTEN, seed=random.randrange(2**32))
    assert found.cases >= 10_000


def send(callers: Any, values: Any, *, examples: int, seed: int) -> conformance.Found:
    """Run the cases of all callers; none may fail."""
    with conformance.keep_connection():
        schema = conformance.load_schema()
        found = conformance.run(schema, callers, values, examples=examples, seed=seed)
    assert not found.failures, found.list_failures()
    return found
