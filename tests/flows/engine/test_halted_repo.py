"""A new flow and a halt of its repo at the same moment: one waits for the other, so none slips through."""

import threading

import pytest
from django.db import DatabaseError, connection, transaction

from orchestrator.core import database
from orchestrator.core.errors import OrchestratorError
from orchestrator.flows import engine
from orchestrator.flows.engine.errors import RepoDisabled
from orchestrator.flows.models import Flow
from orchestrator.repos import halts
from orchestrator.repos.models import Repo
from tests import scenes

pytestmark = pytest.mark.django_db(transaction=True)


class Beside:
    """Work on a connection of its own, which a test can see waiting for a lock."""

    def __init__(self, work):
        self._work = work
        self.error: Exception | None = None
        self.process_id = 0
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            self.process_id = database.fetch_row("SELECT pg_backend_pid() AS pid").pid
            self._work()
        except (OrchestratorError, DatabaseError) as error:
            self.error = error
        finally:
            connection.close()

    def start_and_wait_for_lock(self) -> None:
        """Return once the work waits for the lock that the test holds; fail where it never does."""
        self._thread.start()
        for _ in range(500):
            if self.process_id and self._is_blocked():
                return
            assert self._thread.is_alive(), f"it did not wait: {self.error!r}"
            self._thread.join(0.02)
        raise AssertionError("it did not begin within ten seconds")

    def _is_blocked(self) -> bool:
        asked = "SELECT cardinality(pg_blocking_pids(%(pid)s)) > 0 AS blocked"
        return bool(database.fetch_row(asked, {"pid": self.process_id}).blocked)

    def end(self) -> None:
        self._thread.join(30)
        assert not self._thread.is_alive()


def test_a_flow_that_is_created_during_a_halt_is_refused():
    repo = scenes.make_repo()
    beside = Beside(lambda: engine.create(repo, "Late."))
    with transaction.atomic():
        halts.halt_repos([repo], "rollback-1", reason="Too many failures.", actor="sre")
        beside.start_and_wait_for_lock()
    beside.end()
    assert isinstance(beside.error, RepoDisabled)
    assert not Flow.objects.exists()


def test_a_halt_waits_for_a_flow_that_is_being_created_and_sees_it():
    repo = scenes.make_repo()
    seen: list[int] = []

    def halt() -> None:
        halts.halt_repos([repo], "rollback-1", reason="Too many failures.", actor="sre")
        seen.append(Flow.objects.filter(repo=repo).count())

    beside = Beside(halt)
    with transaction.atomic():
        engine.create(repo, "Early.")
        beside.start_and_wait_for_lock()
    beside.end()
    assert beside.error is None
    assert seen == [1]
    assert not Repo.objects.get(pk=repo.pk).enabled


def test_a_repo_that_is_switched_off_gets_no_flow_by_any_door():
    repo = scenes.make_repo()
    Repo.objects.filter(pk=repo.pk).update(enabled=False)
    # The row in hand still says that it is on, as a request that was checked a moment ago has it.
    assert repo.is_enabled
    with pytest.raises(RepoDisabled, match="is not enabled for the orchestrator"):
        engine.create(repo, "Late.")
