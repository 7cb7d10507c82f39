"""The diagnosis of seeded failures: what they share, how sure that is, and when there is too little."""

import random
from datetime import timedelta

import pytest
from django.utils import timezone

from orchestrator.ops.incidents import diagnosis, opening, schedule
from tests import scenes


def seed(repo, *, passed=0, failed=0, family="", request="# Ratio") -> None:
    for fails in [False] * passed + [True] * failed:
        flow = scenes.make_flow(repo, request=request, block_family=family)
        scenes.run_through(flow, gates_fail=fails)


def diagnose():
    now = timezone.now()
    return diagnosis.diagnose(now - timedelta(hours=1), now)


def test_one_repo_that_fails_is_named_with_share_and_confidence(db):
    seed(scenes.make_repo("auth-service"), failed=6)
    seed(scenes.make_repo("api-gateway"), passed=8)
    found = diagnose()
    assert (found.failed, found.ended, found.enough) == (6, 14, True)
    (pattern,) = [one for one in found.patterns if one.dimension == "repo"]
    assert (pattern.value, pattern.failed, pattern.ended, pattern.share) == ("auth-service", 6, 6, 1.0)
    assert pattern.confidence >= diagnosis.SURE
    assert "repo auth-service, 100% of the failures" in found.verdict
    assert len(found.flows) == 6


def test_the_stage_and_the_error_are_named(db):
    seed(scenes.make_repo("auth-service"), failed=9)
    seed(scenes.make_repo("api-gateway"), passed=3)
    dimensions = {one.dimension: one.value for one in diagnose().patterns}
    assert dimensions["stage"] == "verify"
    assert dimensions["error"]


def test_a_deploy_is_named(db):
    repo = scenes.make_repo()
    schedule.note_version("1.0")
    seed(repo, passed=8)
    schedule.note_version("1.1")
    seed(repo, failed=6)
    (pattern,) = [one for one in diagnose().patterns if one.dimension == "deploy"]
    assert (pattern.value, pattern.ended) == ("1.1", 6)
    assert pattern.confidence >= diagnosis.SURE


def test_failures_that_are_spread_have_no_pattern_of_repos(db):
    for number in range(5):
        seed(scenes.make_repo(f"repo-{number}"), passed=1, failed=1)
    assert not [one for one in diagnose().patterns if one.dimension in {"repo", "family", "model"}]


@pytest.mark.parametrize(("passed", "failed"), [(0, 0), (20, 4), (2, 5)])
def test_too_little_data_is_said_so(db, passed, failed):
    seed(scenes.make_repo(), passed=min(passed, 6), failed=failed)
    found = diagnose()
    assert not found.enough
    assert found.patterns == ()
    assert found.verdict.startswith("Not enough data")


def test_an_incident_is_diagnosed_from_an_hour_before_its_detection(db):
    seed(scenes.make_repo(), failed=5, passed=5)
    incident, _ = opening.open_incident("Flows fail", "P1", actor="alice")
    found = diagnosis.diagnose_incident(incident)
    assert (found.failed, found.since) == (5, incident.detected_at - timedelta(hours=1))


def test_fishers_test_counts_what_can_be_counted():
    # Two of two drawn are marked, of two marked among four: one of the six pairs.
    assert diagnosis.find_fisher_tail(2, 2, 2, 4) == pytest.approx(1 / 6)
    assert diagnosis.find_fisher_tail(0, 3, 5, 9) == 1.0
    # Larger than any float: the tail is a quotient of whole numbers.
    assert diagnosis.find_fisher_tail(2500, 2500, 2500, 5000) == 0.0
    rng = random.Random(7)
    whole, marked, drawn = 12, 5, 4
    hits = sum(sum(one < marked for one in rng.sample(range(whole), drawn)) >= 3 for _ in range(20_000))
    assert diagnosis.find_fisher_tail(3, drawn, marked, whole) == pytest.approx(hits / 20_000, abs=0.02)


def test_the_binomial_tail_counts_heads():
    assert diagnosis.find_binomial_tail(3, 3) == 1 / 8
    assert diagnosis.find_binomial_tail(1, 2) == 3 / 4
