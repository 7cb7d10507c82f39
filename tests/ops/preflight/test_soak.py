"""Phase 7 begins when the soak has ended well: its exit criteria and its evidence, from the kept report."""

from datetime import timedelta

import pytest
from django.utils import timezone

from orchestrator.ops.dashboards.period import Period
from orchestrator.ops.incidents import opening
from orchestrator.ops.preflight.checks import evidence_package, soak_exit
from orchestrator.ops.reports.archive import write_report
from orchestrator.ops.reports.models import FigureAnswer
from orchestrator.ops.reports.report_kind import REPORT_KINDS
from tests.ops.history import tell_deployment
from tests.ops.training import records

EXIT = [line.key for line in soak_exit.CHECK.lines]
EVIDENCE = [line.key for line in evidence_package.CHECK.lines]


def look(check=soak_exit.CHECK) -> dict[str, str]:
    """The outcome of each line."""
    return {answer.key: answer.outcome.value for answer in check.look()}


@pytest.fixture
def soak(db, settings) -> Period:
    """Two days of flows, of which the second is yesterday."""
    tell_deployment(3)
    yesterday = timezone.now().date() - timedelta(days=1)
    settings.SOAK_DAYS = (yesterday - timedelta(days=1), yesterday)
    return Period(*settings.SOAK_DAYS)


def test_without_the_days_of_the_soak_every_line_says_to_set_them(db, settings):
    settings.SOAK_DAYS = None
    for check in (soak_exit.CHECK, evidence_package.CHECK):
        answers = list(check.look())
        assert {answer.outcome.value for answer in answers} == {"fail"}
        assert all("SOAK_DAYS" in answer.cure for answer in answers)
    assert len(EXIT) + len(EVIDENCE) == 12


def test_the_exit_criteria_are_those_of_the_report(soak):
    found = look()
    assert list(found) == EXIT
    # Four of ten repos, fewer than fifty flows, and nobody was asked yet.
    assert (found["soak-repos-active"], found["soak-flows"]) == ("fail", "fail")
    assert (found["soak-latency"], found["soak-cost"], found["soak-success"]) == ("pass", "pass", "pass")
    assert (found["soak-p1"], found["soak-feedback"]) == ("ask", "ask")
    records.add_feedback("orchestrator", "3.9", day=soak.last.isoformat())
    assert look()["soak-feedback"] == "fail"
    records.add_feedback("orchestrator", "4.2", "4", day=soak.first.isoformat())
    assert look()["soak-feedback"] == "pass"


def test_a_p1_on_record_counts_before_what_a_person_says(soak):
    FigureAnswer.objects.create(
        key="p1-incidents", day=soak.last, value=0, source="on-call log", person="sre"
    )
    assert look()["soak-p1"] == "pass"
    at = timezone.now() - timedelta(days=1)
    opening.open_incident("Flows fail", "P1", actor="token:sre", detected_at=at)
    assert look()["soak-p1"] == "fail"


def test_the_evidence_is_there_when_the_report_is_kept(soak, settings):
    assert set(look(evidence_package.CHECK).values()) == {"fail"}
    report = write_report(REPORT_KINDS.get("soak"), soak)
    assert report is not None
    answers = list(evidence_package.CHECK.look())
    assert [answer.key for answer in answers] == EVIDENCE
    assert {answer.outcome.value for answer in answers} == {"pass"}
    assert all(f"report {report.pk}" in answer.found for answer in answers)
    # Of another soak it is not the evidence.
    settings.SOAK_DAYS = (soak.last, soak.last)
    assert set(look(evidence_package.CHECK).values()) == {"fail"}
