"""The rules of the rollout: so many a day, whose turn it is, and what stops all of them."""

import threading
from collections import Counter
from datetime import date, timedelta

import pytest
from django.db import connection
from django.db.utils import IntegrityError

from onboarding import engine, rollout, runner
from onboarding.errors import NothingToVoteOn
from onboarding.models import OnboardingRequest, RolloutVote
from orchestrator.ops.incidents import handling, opening
from orchestrator.ops.incidents.models import Incident
from orchestrator.ops.rollback.errors import VoteRefused
from orchestrator.repos import halts
from tests.onboarding.steps import ask_for, run_due_steps

pytestmark = pytest.mark.usefixtures("two_steps")
MONDAY = date(2026, 12, 7)


def queue(*names: str) -> list[OnboardingRequest]:
    """Requests whose checks have passed."""
    made = [ask_for(name) for name in names]
    for request in made:
        engine.approve(request.pk, actor="lead@example.org")
        run_checks()
    return [OnboardingRequest.objects.get(pk=request.pk) for request in made]


def run_checks() -> None:
    """Run what is due, and let nobody begin."""
    for step in engine.find_due_steps():
        claim = engine.claim_step(step, "a test")
        if claim is not None:
            runner._run_claimed(claim)


def say_go(*roles: str) -> None:
    for role in roles:
        rollout.cast_vote(role=role, verdict="go", actor=f"the {role}")


def open_p1(title: str) -> Incident:
    incident, _ = opening.open_incident(title, "P1", commander="kim", actor="bob")
    return incident


@pytest.fixture
def p1(db) -> Incident:
    return open_p1("More than 10 % of the flows failed")


def test_ten_at_once_are_five_today_and_five_that_see_their_day(db, settings):
    settings.ONBOARDING_MAX_PER_DAY = 5
    queue(*(f"repo-{number}" for number in range(10)))
    assert len(rollout.begin_due_requests(MONDAY)) == 5
    rows = OnboardingRequest.objects.order_by("id").values_list("status", "planned_for", "provisioned_on")
    assert list(rows) == [
        *[("provisioning", MONDAY, MONDAY)] * 5,
        *[("queued", MONDAY + timedelta(days=1), None)] * 5,
    ]
    # The same day again lets nobody in, the next day the others.
    assert rollout.begin_due_requests(MONDAY) == []
    assert len(rollout.begin_due_requests(MONDAY + timedelta(days=1))) == 5


@pytest.mark.django_db(transaction=True)
def test_the_limit_is_exact_for_those_that_begin_at_once(settings):
    settings.ONBOARDING_MAX_PER_DAY = 5
    queue(*(f"repo-{number}" for number in range(9)))
    begin = threading.Barrier(6)
    counts: list[int] = []

    def work() -> None:
        begin.wait()
        counts.append(len(rollout.begin_due_requests(MONDAY)))
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(counts) == 5
    assert OnboardingRequest.objects.filter(provisioned_on=MONDAY).count() == 5


def test_a_day_that_is_wanted_is_kept_and_does_not_hold_up_others(db, settings):
    settings.ONBOARDING_MAX_PER_DAY = 1
    friday = MONDAY + timedelta(days=4)
    first, second = ask_for("late", wanted_on=friday), ask_for("soon")
    for request in (first, second):
        engine.approve(request.pk, actor="lead@example.org")
    run_checks()
    assert rollout.begin_due_requests(MONDAY) == [second.pk]
    first.refresh_from_db()
    assert (first.status, first.planned_for) == ("queued", friday)
    assert rollout.begin_due_requests(friday) == [first.pk]


def test_with_no_places_at_all_nobody_is_promised_a_day(db, settings):
    settings.ONBOARDING_MAX_PER_DAY = 0
    (request,) = queue("one")
    assert rollout.begin_due_requests(MONDAY) == []
    request.refresh_from_db()
    assert request.planned_for is None


def test_a_p1_pauses_at_once_and_only_three_people_resume(p1):
    (request,) = queue("one")
    assert rollout.begin_due_requests() == []
    standing = rollout.read_standing()
    assert (standing.is_open, standing.in_line) == (True, 1)
    assert standing.hold == f"P1 incident {p1.pk} is open: More than 10 % of the flows failed"
    with pytest.raises(NothingToVoteOn, match="is open"):
        rollout.cast_vote(role="sre", verdict="go", actor="kim")
    handling.resolve(p1.pk, actor="kim")
    # Resolved is not enough.
    assert rollout.begin_due_requests() == []
    say_go("pm", "tl")
    assert "GO is missing by SRE" in rollout.find_hold()
    with pytest.raises(VoteRefused):
        rollout.cast_vote(role="sre", verdict="go", actor="the pm")
    assert rollout.begin_due_requests() == []
    say_go("sre")
    assert rollout.find_hold() == ""
    assert rollout.begin_due_requests() == [request.pk]
    with pytest.raises(NothingToVoteOn):
        say_go("sre")


def test_a_no_voids_what_was_said_before_it(p1):
    queue("one")
    handling.resolve(p1.pk, actor="kim")
    say_go("pm", "tl")
    rollout.cast_vote(role="sre", verdict="no", actor="the sre", reason="the fix is not out")
    say_go("sre")
    assert "GO is missing by PM, TL" in rollout.find_hold()
    say_go("pm", "tl")
    assert rollout.find_hold() == ""


def test_go_counts_for_the_hours_of_the_setting(p1, settings):
    queue("one")
    handling.resolve(p1.pk, actor="kim")
    settings.ROLLBACK_VOTE_HOURS = -1
    say_go("pm")
    settings.ROLLBACK_VOTE_HOURS = 24
    say_go("tl", "sre")
    assert "GO is missing by PM" in rollout.find_hold()


def test_the_next_p1_pauses_again(p1):
    queue("one")
    handling.resolve(p1.pk, actor="kim")
    say_go("pm", "tl", "sre")
    again = open_p1("Quota is gone")
    assert "is open" in rollout.find_hold()
    handling.resolve(again.pk, actor="kim")
    assert "GO is missing by PM, TL, SRE" in rollout.find_hold()


def test_a_p2_pauses_nothing_and_old_p1s_of_before_pause_nothing(db):
    old = open_p1("Long ago")
    handling.resolve(old.pk, actor="kim")
    opening.open_incident("Slow", "P2", commander="kim", actor="bob")
    queue("one")
    assert rollout.find_hold() == ""


def test_a_vote_stays_as_it_was_cast(p1):
    queue("one")
    handling.resolve(p1.pk, actor="kim")
    say_go("pm")
    with pytest.raises(IntegrityError, match="stays as it was cast"):
        RolloutVote.objects.update(verdict="no")


def test_the_switch_stops_all_of_it_and_what_has_begun_ends(db):
    first, second = queue("one", "two")
    assert rollout.begin_due_requests(MONDAY)[:1] == [first.pk]
    third = ask_for("three")
    rollout.close_portal(actor="kim", reason="a freeze until Monday")
    assert rollout.find_closure() == "Onboarding is paused: a freeze until Monday"
    engine.approve(third.pk, actor="lead@example.org")
    run_checks()
    assert rollout.begin_due_requests(MONDAY) == []
    rollout.open_portal(actor="kim", reason="the freeze is over")
    assert rollout.begin_due_requests(MONDAY) == [third.pk]
    assert {OnboardingRequest.objects.get(pk=second.pk).status} == {"provisioning"}


def test_a_rollback_holds_the_line_too(db, settings):
    queue("one")
    halts.pause_onboarding("rollback-7", reason="flows fail", actor="kim")
    assert rollout.begin_due_requests(MONDAY) == []
    halts.resume_onboarding("rollback-7")
    settings.ONBOARDING_ENABLED = False
    assert (rollout.begin_due_requests(MONDAY), rollout.read_standing().is_open) == ([], False)


def test_fifty_repos_in_ten_days_with_a_p1_in_the_middle(db, settings, monkeypatch):
    """Time comes from the test, a day at a time: the P1 of day 4 costs two days, and nobody is left out."""
    settings.ONBOARDING_MAX_PER_DAY = 5
    for number in range(50):
        request = ask_for(f"repo-{number:02}")
        engine.approve(request.pk, actor="lead@example.org")
    run_checks()
    days = [MONDAY + timedelta(days=number) for number in range(12)]
    begun: dict[date, int] = {}
    incident = None
    for day in days:
        if day == days[3]:
            incident = open_p1("Flows fail")
        if day == days[5] and incident is not None:
            handling.resolve(incident.pk, actor="kim")
            say_go("pm", "tl", "sre")
        monkeypatch.setattr(rollout, "_today", lambda today=day: today)
        run_due_steps()
        begun[day] = OnboardingRequest.objects.filter(provisioned_on=day).count()
        waiting = OnboardingRequest.objects.filter(status="queued")
        planned = Counter(waiting.values_list("planned_for", flat=True))
        # Each that waits sees a day, it is not over, and no day is promised to more than it has room for.
        assert all(one is not None and one >= day for one in planned)
        assert all(count + (begun[day] if one == day else 0) <= 5 for one, count in planned.items())
    assert list(begun.values()) == [5, 5, 5, 0, 0, 5, 5, 5, 5, 5, 5, 5]
    assert OnboardingRequest.objects.filter(status="ready").count() == 50
    in_order = OnboardingRequest.objects.order_by("provisioned_on", "id").values_list("repo_name", flat=True)
    assert list(in_order) == [f"repo-{number:02}" for number in range(50)]
