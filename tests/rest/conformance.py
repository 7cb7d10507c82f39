"""Schemathesis over the whole description of the API: what it says is what the service does.

Every case runs in a savepoint of its own, so that none leaves a changed repo or provider to the next. All
checks are on. What a case cannot make up is put into it: ids of rows that exist, and cursors.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import hypothesis
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, transaction
from hypothesis import strategies
from schemathesis import GenerationMode
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import FailureGroup
from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation.hypothesis.builder import generate_example_cases

from orchestrator.flows.api import event_reader, views, waiting
from orchestrator.flows.api.follower_seats import Seats
from orchestrator.flows.models.states import FlowStatus
from orchestrator.rest.problems import MEDIA_TYPE

# Without a position, which would have to fit the order of the rows: "o=0", "o=3", "r=1".
CURSORS = ["bz0w", "bz0z", "cj0x"]
SHAPE_CODES = {"request:invalid", "request:unknown-field", "request:malformed", "request:not-utf8"}
"""Codes that a request in the described shape must not be given."""
NOT_SAID = {
    b"a repo must be named": "It depends on the token: that of a repo means its own.",
    b"One repo never hears of": "It depends on the token, too, and on the row that is changed.",
    b", not both.": "It depends on another field, whose default may be written out.",
    b"Name the repo as GitHub does": "It depends on another field: each code host has rules of its own.",
    b"Name the project as GitLab does": "It depends on another field: each code host has rules of its own.",
    b"is not encrypted": "Which hosts may be reached in clear is a setting of the service.",
    b"with a public host": "Which networks are public is a table of the service.",
    b"This time is over.": "It depends on the clock.",
}
"""What the description of a body cannot say, and why. Each of them has a test of its own."""
# Refused although the shape is right: 422 where a value is at odds with the state or the settings. NUL is
# left to tests of its own: no text at any depth may hold it, which JSON Schema cannot say of a body that has
# more fields than are described.
CONFIG = """
[generation]
allow-x00 = false
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "401", "403", "404", "409", "412", "413", "422", "429", "5xx"]
[checks.negative_data_rejection]
expected-statuses = ["400", "401", "403", "404", "405", "406", "409", "412", "415", "422", "429", "5xx"]
[checks.not_a_server_error]
expected-statuses = ["2xx", "3xx", "4xx", "503"]
"""


@dataclass
class Found:
    """What a run has seen."""

    cases: int = 0
    failures: dict[str, BaseException] = field(default_factory=dict)

    def list_failures(self) -> str:
        """Each operation that failed, and how."""
        return "\n\n".join(f"{label}\n{error!r}\n{error}" for label, error in self.failures.items())


def load_schema() -> Any:
    """The description, whose cases can be run."""
    schemathesis.openapi.format("cursor", strategies.sampled_from(CURSORS))
    return schemathesis.openapi.from_wsgi(
        "/api/v1/schema/",
        headers={"Accept": "application/json"},
        app=get_wsgi_application(),
        config=SchemathesisConfig.from_str(CONFIG),
    )


def fill_in(case: Any, values: dict[str, list[str]]) -> None:
    """Put names of rows that are there into most of the paths that were made up.

    ``values`` are by the name of the parameter, or by resource and name where only one resource has them:
    ``webhooks:number``.
    """
    resource = case.operation.path.removeprefix("/api/v1/").partition("/")[0]
    if _is_negative(case):
        return
    for name, made in (case.path_parameters or {}).items():
        known = values.get(f"{resource}:{name}") or values.get(name)
        # One in four stays as it was made: an id that is not there.
        if known and (number := _number(made)) % 4:
            case.path_parameters[name] = known[number % len(known)]


def _is_negative(case: Any) -> bool:
    return bool(case.meta) and case.meta.generation.mode.is_negative


def _number(made: Any) -> int:
    return sum(str(made).encode())


def run(
    schema: Any,
    callers: Mapping[str, dict[str, str]],
    values: dict[str, list[str]],
    *,
    examples: int,
    seed: int,
) -> Found:
    """Let every caller send the same cases of every operation: its examples, and ``examples`` made-up ones.

    ``callers`` are the headers that each of them sends; ``values`` are those of ``fill_in``.
    """
    found = Found()
    for result in schema.get_all_operations():
        operation = result.ok()
        # Made once for all: that takes longer than to answer them.
        cases = list_cases(operation, examples, seed)
        for case in cases:
            fill_in(case, values)
        for name, headers in callers.items():
            try:
                for case in cases:
                    check(case, headers)
                    found.cases += 1
            except (Exception, FailureGroup) as error:  # noqa: BLE001 - it is told at the end
                # All operations run, so that one mistake does not hide the others.
                found.failures[f"{operation.label} as {name}"] = error
    return found


def check(case: Any, headers: dict[str, str]) -> None:
    """Send ``case`` with ``headers`` and compare the answer with the description."""
    # A header that was left out or broken on purpose is not put right.
    broken = case.meta is not None and case.meta.is_negative_at(ParameterLocation.HEADER)
    sent = {} if broken else headers
    with isolate():
        answer = case.call(headers=sent)
        case.validate_response(answer, headers=sent)
        require_known_code(case, answer)


def list_cases(operation: Any, examples: int, seed: int) -> list[Any]:
    """The operation's examples, and ``examples`` made-up cases, right and wrong ones."""
    cases = list(generate_example_cases(test=list_cases, operation=operation, fill_missing=False))
    made = strategies.one_of(*(operation.as_strategy(generation_mode=mode) for mode in GenerationMode))

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(case=made)
    def keep(case: Any) -> None:
        cases.append(case)

    keep()
    return cases


def require_known_code(case: Any, answer: Any) -> None:
    """Every error has a code that the description lists, and none of those that say its shape is wrong."""
    if answer.status_code < 400:
        return
    described = case.operation.definition.raw["responses"][str(answer.status_code)]["content"][MEDIA_TYPE]
    code = json.loads(answer.content)["code"]
    assert code in described["examples"], f"{answer.status_code} {code} is not described"
    if not _is_negative(case) and not any(words in answer.content for words in NOT_SAID):
        assert code not in SHAPE_CODES, answer.content


@contextmanager
def keep_connection() -> Iterator[None]:
    """Let the application use the connection of the test, as Django's own test client does."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    try:
        yield
    finally:
        for signal in (request_started, request_finished):
            signal.connect(close_old_connections)


@contextmanager
def isolate() -> Iterator[None]:
    """Take back what happens inside."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def end_streams(monkeypatch: Any) -> None:
    """Streams end after the events that are there: an endless one has no answer to check."""
    monkeypatch.setattr(event_reader, "FLOW_ENDED", frozenset(FlowStatus))
    monkeypatch.setattr(waiting, "KEEP_ALIVE_SECONDS", 0.01)
    # Schemathesis reads the beginning of a stream and does not close it, so its seats are not given back.
    monkeypatch.setattr(views, "seats", Seats())
