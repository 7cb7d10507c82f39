"""The dispatcher's steps: a row that cannot be read holds up nobody else."""

import logging
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import DataError, OperationalError

from orchestrator.flows.scheduler import provider_release
from orchestrator.flows.scheduler.isolation import IsolatedSteps
from orchestrator.flows.scheduler.provider_release import ProviderRelease


def fail(error: Exception) -> Callable[[], None]:
    def work() -> None:
        raise error

    return work


def test_a_step_that_fails_is_logged_once_and_the_next_one_runs(caplog: pytest.LogCaptureFixture) -> None:
    steps = IsolatedSteps()
    with caplog.at_level(logging.ERROR):
        assert steps.run("bad", fail(DataError("timestamp too large"))) is None
        assert steps.run("bad", fail(OverflowError("date value out of range"))) is None
        assert steps.run("good", lambda: 1) == 1
    assert [record.getMessage() for record in caplog.records] == [
        "bad failed with DataError; the other steps continue"
    ]


def test_an_absent_database_ends_the_round() -> None:
    with pytest.raises(OperationalError):
        IsolatedSteps().run("any", fail(OperationalError("the connection is lost")))


def test_bad_data_of_one_provider_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def release(self: Any, least: Any) -> int:
        if least.provider == "google":
            raise DataError("timestamp too large (after year 10K)")
        return 1

    awaited = [SimpleNamespace(provider=name) for name in ("google", "openai", "anthropic")]
    monkeypatch.setattr(provider_release.capacity, "list_awaited_providers", lambda: awaited)
    monkeypatch.setattr(ProviderRelease, "_release", release)
    assert ProviderRelease().release() == 2
