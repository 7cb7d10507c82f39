"""States, constraints and triggers say the same."""

import itertools
import re

import pytest
from django.db import connection

from orchestrator.flows.models.states import (
    FLOW_ENDED,
    FLOW_TRANSITIONS,
    STAGE_ENDED,
    STAGE_TRANSITIONS,
    FlowStatus,
    StageStatus,
)

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("table", "transitions"), [("flows_flow", FLOW_TRANSITIONS), ("flows_stage", STAGE_TRANSITIONS)]
)
def test_the_trigger_knows_exactly_the_transitions_of_the_table(table, transitions):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgname = %s", [f"{table}_transition"]
        )
        (definition,) = cursor.fetchone()
    found = set(re.findall(r"(\w+)>(\w+)", definition))
    assert found == {(old, new) for old, news in transitions.items() for new in news}


@pytest.mark.parametrize(
    ("statuses", "transitions"), [(FlowStatus, FLOW_TRANSITIONS), (StageStatus, STAGE_TRANSITIONS)]
)
def test_every_status_has_its_transitions_and_every_transition_a_status(statuses, transitions):
    assert set(transitions) == set(statuses.values)
    assert set(itertools.chain.from_iterable(transitions.values())) <= set(statuses.values)


def test_what_has_ended_changes_only_by_retry():
    assert all(FLOW_TRANSITIONS[status] <= {FlowStatus.RUNNING} for status in FLOW_ENDED)
    assert all(
        STAGE_TRANSITIONS[status] <= {StageStatus.READY, StageStatus.PENDING} for status in STAGE_ENDED
    )
