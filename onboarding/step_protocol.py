"""What a step of onboarding sees, and what it answers. A step knows this module, and not the engine.

A step is safe to run again at any moment: its worker may die between any two lines. So it looks for what
carries our mark before it makes anything, and what it answers once as passed is kept and never asked again.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

from orchestrator.core.errors import FixedBy, OrchestratorError

MARK: Final = "managed-by: multi-llm-orchestrator"
"""What everything that we make on a far side carries, together with the reference of its request."""


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """A request as its steps see it: the row at the time of the claim, and nothing that can be written.

    ``approved_by`` and ``approved_at`` are empty until somebody has said yes for the team.
    """

    id: int
    reference: str
    repo_name: str
    code_host: str
    code_host_path: str
    clone_url: str
    block_family: str
    team_lead: str
    ci_system: str
    ci_credentials: str
    clones_privately: bool
    requested_by: str
    requested_from: str
    phase: str
    created_at: datetime
    approved_by: str
    approved_at: datetime | None


@dataclass(frozen=True, slots=True)
class StepContext:
    """What a step works with.

    ``outputs`` has the outputs of the earlier steps that passed, by name; in an undo those of every
    provisioning step, its own included. ``previous`` is what this step has noted in an earlier attempt by
    ``note``. ``log`` keeps a line for people, redacted. ``still_ours`` raises ``StepTakenOver`` where
    another attempt has taken over: ask before each write on a far side. ``started_at`` is the first attempt.
    """

    request: RequestFacts
    outputs: Mapping[str, Mapping[str, Any]]
    previous: Mapping[str, Any]
    attempt: int
    started_at: datetime
    log: Callable[[str], None]
    note: Callable[[Mapping[str, Any]], None]
    still_ours: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Passed:
    """The step is done. ``outputs`` are JSON values, and never a secret: pages show them."""

    outputs: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Refused:
    """A person has to change something, and then says retry."""

    reason: str
    cure: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """Something has to happen first. It holds no worker; a callback wakes it, or ``not_before``."""

    reason: str
    not_before: datetime | None


@dataclass(frozen=True, slots=True)
class Expired:
    """Nobody has answered in time: the request is over, and may be made again. Of a check only."""

    reason: str
    cure: str


StepAnswer = Passed | Refused | Waiting | Expired


class FarSideTrouble(OrchestratorError):
    """The far side did not answer as it should: 5xx, 429, too slow. The engine tries again, with pauses.

    ``retry_after_seconds`` is what the far side itself has asked for, where it has.
    """

    code = "onboarding:far-side-trouble"
    cure = "Wait: it is tried again by itself. If it stays so, look at the status page of the far side."
    fixed_by = FixedBy.PROVIDER
    retryable = True
    http_status = 503

    def __init__(self, message: str = "", *, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class StepTakenOver(OrchestratorError):
    """Another attempt of the step has taken over; nothing that this one writes counts."""

    code = "onboarding:step-taken-over"
    cure = "Nothing is left to do: the other attempt continues."
    http_status = 409


class OnboardingCheck(Protocol):
    """One check: one module in ``checks/``, one line in ``CHECKS``. ``title`` is what people read."""

    name: str
    title: str

    def run(self, context: StepContext) -> StepAnswer:
        """Look, and answer. Raises ``FarSideTrouble``."""
        ...


class ProvisioningStep(Protocol):
    """One piece of provisioning: one module in ``provisioning/``, one line in ``PROVISIONING``."""

    name: str
    title: str

    def run(self, context: StepContext) -> StepAnswer:
        """Make what is missing, and answer. Raises ``FarSideTrouble``."""
        ...

    def undo(self, context: StepContext) -> StepAnswer:
        """Delete what carries our mark, and nothing else. Raises ``FarSideTrouble``."""
        ...
