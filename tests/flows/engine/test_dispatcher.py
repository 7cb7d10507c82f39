"""The dispatcher at rest and at work, without its process."""

import psycopg
import pytest

from orchestrator.flows.scheduler.dispatcher import OUTBOX_SECONDS, TICK_SECONDS, Dispatcher
from tests.flows.engine.conftest import live

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def statements(monkeypatch) -> list[str]:
    """Every statement that is sent from now on."""
    found: list[str] = []
    real = psycopg.Cursor.execute

    def count(self, query, *args, **kwargs):
        found.append(str(query))
        return real(self, query, *args, **kwargs)

    monkeypatch.setattr(psycopg.Cursor, "execute", count)
    return found


def test_at_rest_a_look_is_one_statement_and_work_is_seen_at_the_next(new_flow, sent, statements):
    leader = Dispatcher()
    try:
        assert leader._lead()
        leader.tick()
        statements.clear()
        for _ in range(10):
            leader.tick()
        outbox = [sql for sql in statements if "has_live_stages" not in sql]
        assert len(statements) - len(outbox) == 10
        assert len(outbox) <= 1
        # At this rate, with the outbox, a service at rest stays well under 20 a second.
        assert 1 / TICK_SECONDS + 2 / OUTBOX_SECONDS < 20
        flow = new_flow()
        flow.stages.filter(status="ready").update(sent_at=None)
        sent.clear()
        leader.tick()
        assert [chain[0][0] for chain in sent] == [live(flow).pk]
    finally:
        leader._abdicate()
