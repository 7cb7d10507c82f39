"""States, constraints and triggers say the same."""

import itertools
import re

import pytest
from django.db import IntegrityError, connection

from onboarding.models import OnboardingRequest, OnboardingStatus, StepStatus
from onboarding.models.states import REQUEST_TRANSITIONS, STEP_TRANSITIONS

pytestmark = pytest.mark.django_db
TABLES = {"onboarding_onboardingrequest": REQUEST_TRANSITIONS, "onboarding_onboardingstep": STEP_TRANSITIONS}


@pytest.mark.parametrize("table", TABLES)
def test_the_trigger_knows_exactly_the_transitions_of_the_table(table):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgname = %s", [f"{table}_transition"]
        )
        (definition,) = cursor.fetchone()
    found = set(re.findall(r"(\w+)>(\w+)", definition))
    assert found == {(old, new) for old, news in TABLES[table].items() for new in news}


@pytest.mark.parametrize(
    ("statuses", "transitions"), [(OnboardingStatus, REQUEST_TRANSITIONS), (StepStatus, STEP_TRANSITIONS)]
)
def test_every_status_has_its_transitions_and_every_transition_a_status(statuses, transitions):
    assert set(transitions) == set(statuses.values)
    assert set(itertools.chain.from_iterable(transitions.values())) <= set(statuses.values)


def test_a_forbidden_move_is_refused_by_the_database():
    made = OnboardingRequest.objects.create(repo_name="a", block_family="d", team_lead="lead@example.org")
    with pytest.raises(IntegrityError, match="cannot move from checking to ready"):
        OnboardingRequest.objects.filter(pk=made.pk).update(status="ready")


def test_code_of_the_release_before_may_still_write_its_rows():
    """It knows neither references nor checks, and calls what is asked for `requested`."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO onboarding_onboardingrequest (repo_name, domain, team_lead, clone_url, status)"
            " VALUES ('old', 'd', 'lead@example.org', '', 'requested')"
        )
    made = OnboardingRequest.objects.get()
    assert made.status == "checking"
    assert re.fullmatch(r"ONB-[2-9A-HJ-NP-Z]{5}", made.reference)
