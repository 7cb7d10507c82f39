"""States, constraints and triggers say the same."""

import itertools
import re

import pytest
from django.db import connection

from orchestrator.flows.models.states import (
    FLOW_ENDED,
    FLOW_MOVES,
    STAGE_ENDED,
    STAGE_MOVES,
    FlowStatus,
    StageStatus,
)

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(("table", "moves"), [("flows_flow", FLOW_MOVES), ("flows_stage", STAGE_MOVES)])
def test_the_trigger_knows_exactly_the_moves_of_the_table(table, moves):
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgname = %s", [f"{table}_moves"])
        (definition,) = cursor.fetchone()
    found = set(re.findall(r"(\w+)>(\w+)", definition))
    assert found == {(old, new) for old, news in moves.items() for new in news}


@pytest.mark.parametrize(("statuses", "moves"), [(FlowStatus, FLOW_MOVES), (StageStatus, STAGE_MOVES)])
def test_every_status_has_its_moves_and_every_move_a_status(statuses, moves):
    assert set(moves) == set(statuses.values)
    assert set(itertools.chain.from_iterable(moves.values())) <= set(statuses.values)


def test_what_has_ended_moves_only_by_retry():
    assert all(FLOW_MOVES[status] <= {FlowStatus.RUNNING} for status in FLOW_ENDED)
    assert all(STAGE_MOVES[status] <= {StageStatus.READY, StageStatus.PENDING} for status in STAGE_ENDED)
