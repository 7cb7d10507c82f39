"""Run the checks of a phase, and put people's answers beside what the system says."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import redis
from django.db import Error as DatabaseFailure
from django.utils import timezone

from orchestrator.core import database
from orchestrator.core.errors import OrchestratorError
from orchestrator.core.redaction import redact_text
from orchestrator.ops.preflight.check_protocol import (
    PREFLIGHT_CHECKS,
    ChecklistLine,
    LineAnswer,
    LineOutcome,
    PreflightCheck,
)
from orchestrator.ops.preflight.errors import LineAnswersItself, UnknownLine
from orchestrator.ops.preflight.models import PersonAnswer

ANSWER_LASTS: Final = timedelta(days=30)
"""How long a person's answer counts: a phase with its preparation, but not the one after it."""
_STATEMENT_SECONDS: Final = 5.0
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PreflightLine:
    """One line, and how it stands. ``answer`` is what a person said, where a person was asked."""

    check: str
    section: str
    line: ChecklistLine
    outcome: LineOutcome
    found: str
    cure: str
    answer: PersonAnswer | None = None


@dataclass(frozen=True, slots=True)
class PreflightReport:
    """Every line of a phase."""

    phase: int
    at: datetime
    lines: tuple[PreflightLine, ...]

    def count(self, outcome: LineOutcome) -> int:
        """How many lines stand like that."""
        return sum(line.outcome is outcome for line in self.lines)

    @property
    def passed(self) -> int:
        """How many lines pass."""
        return self.count(LineOutcome.PASS)

    @property
    def failed(self) -> int:
        """How many lines fail."""
        return self.count(LineOutcome.FAIL)

    @property
    def asked(self) -> int:
        """How many lines wait for a person."""
        return self.count(LineOutcome.ASK)

    @property
    def ready(self) -> bool:
        """Whether every line passes: an open question is not a go."""
        return self.passed == len(self.lines)


def run_preflight(phase: int) -> PreflightReport:
    """Look at everything that the checklists ask before ``phase``; changes nothing."""
    now = timezone.now()
    # One query for all lines.
    answers = _read_answers(phase, now)
    lines = [
        line
        for name, check in PREFLIGHT_CHECKS.items()
        if phase in check.phases
        for line in _run_check(name, check, answers)
    ]
    return PreflightReport(phase, now, tuple(lines))


def record_answer(
    phase: int, key: str, *, holds: bool, person: str, note: str, recorded_by: str
) -> PersonAnswer:
    """Write down what a person says of a line that the system cannot see.

    Raises ``UnknownLine``, and ``LineAnswersItself`` where the system can see it: what it sees counts.
    """
    check = _find_check(phase, key)
    # Looked at again at this moment: the page may have been open for an hour.
    found = {answer.key: answer for answer in _look(check)}
    if found[key].outcome is not LineOutcome.ASK:
        raise LineAnswersItself(f"{key}: {found[key].found}.", cure=found[key].cure or None)
    return PersonAnswer.objects.create(
        line=key,
        phase=phase,
        holds=holds,
        person=person,
        # People paste what a command printed, at times with what it should not have printed.
        note=redact_text(note)[0][:500],
        recorded_by=recorded_by,
    )


def _find_check(phase: int, key: str) -> PreflightCheck:
    for _, check in PREFLIGHT_CHECKS.items():
        if phase in check.phases and any(line.key == key for line in check.lines):
            return check
    raise UnknownLine(f"Phase {phase} has no line {key[:60]!r}.")


def _run_check(
    name: str, check: PreflightCheck, answers: Mapping[str, PersonAnswer]
) -> Iterator[PreflightLine]:
    found = {answer.key: answer for answer in _look(check)}
    for line in check.lines:
        told = found[line.key]
        # An older answer never covers what the system has seen since.
        said = answers.get(line.key) if told.outcome is LineOutcome.ASK else None
        if said is None:
            yield PreflightLine(name, check.section, line, told.outcome, told.found, told.cure)
            continue
        outcome = LineOutcome.PASS if said.holds else LineOutcome.FAIL
        cure = "" if said.holds else told.cure
        yield PreflightLine(name, check.section, line, outcome, told.found, cure, said)


def _look(check: PreflightCheck) -> list[LineAnswer]:
    """The answers to every line; what cannot be looked at fails, and the other checks continue."""
    try:
        # A transaction of its own: a failed statement must not spoil the next check.
        with database.limit_statements(_STATEMENT_SECONDS):
            found = list(check.look())
    except OrchestratorError as error:
        return _fail_all(check, error.message, error.cure)
    except (DatabaseFailure, redis.RedisError, OSError) as error:
        # Only the type: the text may hold an address with a password.
        log.warning("a pre-flight check could not look", exc_info=error)
        words = f"cannot be looked at: {type(error).__name__}"
        return _fail_all(check, words, "Look at /status/ and /ready, repair what is away, then run it again.")
    answered = {answer.key for answer in found}
    # A check that forgets a line must not let it pass silently.
    for line in check.lines:
        if line.key not in answered:
            found.append(LineAnswer(line.key, LineOutcome.FAIL, "nothing was found", "Report this line."))
    return found


def _fail_all(check: PreflightCheck, found: str, cure: str) -> list[LineAnswer]:
    return [LineAnswer(line.key, LineOutcome.FAIL, found, cure) for line in check.lines]


def _read_answers(phase: int, now: datetime) -> dict[str, PersonAnswer]:
    """The newest answer to each line that is not too old."""
    # Ordered, so that of several the last, which is the newest, stays in the dictionary.
    rows = PersonAnswer.objects.filter(phase=phase, created_at__gt=now - ANSWER_LASTS).order_by("id")
    return {row.line: row for row in rows}
