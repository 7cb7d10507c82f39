"""The one base of errors: what an instance says, and what REST makes of it."""

import pytest

from orchestrator.core.errors import FixedBy, OrchestratorError
from orchestrator.rest.problems import Problem, to_problem


class DoorLocked(OrchestratorError):
    """The door is locked. The caretaker has the key."""

    code = "door:locked"
    cure = "Ask the caretaker."
    fixed_by = FixedBy.OPERATOR


class DoorTaken(OrchestratorError):
    """Somebody else goes through the door."""

    code = "door:taken"
    cure = "Wait."
    fixed_by = FixedBy.REQUESTER
    http_status = 409


def test_without_a_message_an_error_says_the_first_sentence_of_its_class():
    error = DoorLocked()
    assert (str(error), error.message) == ("The door is locked.", "The door is locked.")
    assert (error.code, error.cure, error.fixed_by) == ("door:locked", "Ask the caretaker.", "operator")
    assert not error.retryable


def test_an_instance_overrides_what_its_class_says_and_no_other_instance_sees_it():
    error = DoorLocked(
        "Door 7 is locked.", code="door:7", cure="Call 7.", fixed_by=FixedBy.US, retryable=True
    )
    assert (error.message, error.code, error.cure) == ("Door 7 is locked.", "door:7", "Call 7.")
    assert (error.fixed_by, error.retryable) == (FixedBy.US, True)
    assert (DoorLocked().code, DoorLocked().retryable) == ("door:locked", False)


@pytest.mark.parametrize(
    ("fixed_by", "status"),
    [
        (FixedBy.REQUESTER, 422),
        (FixedBy.REPO_OWNER, 422),
        (FixedBy.OPERATOR, 503),
        (FixedBy.PROVIDER, 503),
        (FixedBy.US, 500),
    ],
)
def test_the_status_follows_from_who_can_fix_it(fixed_by, status, caplog):
    problem = to_problem(DoorLocked(fixed_by=fixed_by))
    assert (problem.status, problem.code, problem.cure) == (status, "door:locked", "Ask the caretaker.")
    assert bool(caplog.records) == (status >= 500), "what is not the caller's fault is logged"


def test_an_error_may_name_its_status():
    problem = to_problem(DoorTaken())
    assert problem.document() == {
        "type": "urn:blocks:problem:door:taken",
        "title": "In conflict with the present state",
        "status": 409,
        "detail": "Somebody else goes through the door.",
        "code": "door:taken",
        "cure": "Wait.",
    }


def test_an_unexpected_error_reveals_nothing(caplog):
    problem = to_problem(RuntimeError("the password is 1234"))
    assert isinstance(problem, Problem)
    assert (problem.status, problem.code) == (500, "internal:error")
    assert "1234" not in str(problem.document())
    assert "unhandled error" in caplog.text
