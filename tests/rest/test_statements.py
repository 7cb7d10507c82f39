"""How many statements a request sends, read off the wire: what it costs under load."""

from collections.abc import Callable

import pytest

from orchestrator.flows.timing import estimates
from orchestrator.repos import tokens
from orchestrator.repos.models import Token
from tests import scenes
from tests.core.test_database import kinds, trace_messages


def count_statements(work: Callable[[], object]) -> int:
    """How many statements ``work`` sends, prepared ones and Django's."""
    sent = kinds(trace_messages(work))
    return sent.count("Execute") + sent.count("Query")


@pytest.mark.parametrize(
    ("address", "statements"),
    [
        ("whoami/", 1),  # the token with its repo
        ("flows/?repo=compliance-service&limit=20", 2),  # and the page
        ("flows/{flow}/", 5),  # and the flow, its stages, their attempts, and its calls
    ],
)
def test_a_request_sends_few_statements(api, repo, address: str, statements: int) -> None:
    flow = scenes.run_through(scenes.make_flow(repo))
    url = "/api/v1/" + address.format(flow=flow.pk)
    # The first request of a minute writes down that the token is used, and reads what stages took.
    assert api.get(url).status_code == 200
    assert count_statements(lambda: api.get(url)) == statements


def test_a_flow_is_created_by_four_statements(api, repo) -> None:
    body = {"feature_request": "# Ratio\nCompute it."}

    def create() -> None:
        assert api.post("/api/v1/flows/", body, format="json").status_code == 202

    create()
    estimates.recent_times.read()
    # Token, settings, the lock of the repo's use, and the flow itself.
    assert count_statements(create) == 4


def test_a_token_is_read_as_django_reads_it(repo) -> None:
    for owner in (repo, None):
        made, secret = tokens.create_token("ci", owner, scopes=["flows:read"])
        found, usual = tokens.find_token(secret), Token.objects.get(pk=made.pk)
        assert found is not None
        assert found.repo == usual.repo
        for field in Token._meta.concrete_fields:
            if not field.name.startswith("last_used"):
                assert getattr(found, field.attname) == getattr(usual, field.attname), field.name
        if found.repo is not None and usual.repo is not None:
            assert found.repo.__dict__.keys() == usual.repo.__dict__.keys()
            assert found.repo.is_enabled == usual.repo.is_enabled
