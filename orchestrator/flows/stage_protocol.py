"""What every stage speaks: what it is given, and the results that it may return.

A stage is one module in this folder and one line in ``orchestrator.flows.flow_types``. It writes no status
and no row of the engine: it returns a result, and the engine, if the attempt is still the live one, applies
it in one transaction.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol
from uuid import UUID

from django.utils.crypto import salted_hmac

from gates.base import GateReport
from orchestrator.flows.flow_settings import FlowSettings
from providers.base import Completion, Request


@dataclass(frozen=True, slots=True)
class NewArtifact:
    """Bytes that a stage leaves for later stages and for people. ``kind`` is unique within a stage."""

    kind: str
    name: str
    content: bytes = field(repr=False)
    media_type: str = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class NewBlock:
    """What the flow yields. The engine gives it the next version of its family and name in the repo."""

    family: str
    name: str
    manifest: bytes = field(repr=False)
    quality_score: Decimal
    verified: bool
    summary: str = ""


@dataclass(frozen=True, slots=True)
class Budget:
    """What a flow has left, and what the newest run of a round's stages took, side by side where they may run
    so. Money in USD.

    ``seconds_left`` until the deadline, ``None`` without one; ``spent_usd`` holds what is reserved and not
    yet settled.
    """

    seconds_left: float | None
    spent_usd: Decimal
    round_seconds: float
    round_usd: Decimal


@dataclass(frozen=True, slots=True)
class Done:
    """The stage is through. ``output`` is JSON that later stages read, as ``stage_outputs`` says.

    ``block_family`` becomes the flow's where the caller gave it none.
    """

    output: Mapping[str, Any] = field(default_factory=dict)
    artifacts: tuple[NewArtifact, ...] = ()
    gates: tuple[GateReport, ...] = ()
    block: NewBlock | None = None
    block_family: str = ""


@dataclass(frozen=True, slots=True)
class Repair:
    """The block does not pass: begin a repair round, or fail with ``code`` when no round is left.

    ``again`` is the kind of the stage that writes once more; what is behind it and has begun runs again after
    it. ``feedback`` reaches that stage.
    """

    feedback: str
    again: str
    code: str
    message: str
    cure: str
    output: Mapping[str, Any] = field(default_factory=dict)
    artifacts: tuple[NewArtifact, ...] = ()
    gates: tuple[GateReport, ...] = ()


@dataclass(frozen=True, slots=True)
class Park:
    """The stage cannot go now: wait without a worker until ``until`` or, with a ``provider``, until it has
    room for it. ``engine.waits.REPO_BUDGET`` in its place: until the repo's own budget has room.

    ``tokens`` and ``nano_usd`` are the room that its call needs; ``until`` is then when that is expected, for
    people.
    """

    reason: str
    until: datetime
    provider: str = ""
    tokens: int = 0
    nano_usd: int = 0


@dataclass(frozen=True, slots=True)
class Failed:
    """The stage failed. ``retryable`` failures are tried again with backoff while attempts are left."""

    code: str
    message: str
    cure: str
    retryable: bool = False
    artifacts: tuple[NewArtifact, ...] = ()
    gates: tuple[GateReport, ...] = ()


StageResult = Done | Repair | Park | Failed


def stage_nonce(stage_id: int, seed: UUID | None) -> str:
    """A word that generated text cannot guess, the same in every attempt of the stage ``stage_id``.

    32 hexadecimal characters, from the flow's random ``seed`` and the id. In place of the seed, flows from
    before it was kept have the secret key, which a worker of the gates is not given: it cannot replay them.
    """
    # All of this is part of every recorded request: made otherwise, no earlier flow could be replayed.
    if seed is None:
        digest = salted_hmac("orchestrator.flows.nonce", str(stage_id), algorithm="sha256").hexdigest()
    else:
        digest = hmac.digest(seed.bytes, str(stage_id).encode(), "sha256").hex()
    return digest[:32]


class PreparationContext(Protocol):
    """What may be asked before a stage starts: of the flow what it was created with. A ``StageContext`` has
    all of it.
    """

    repo: str
    feature_request: str

    @property
    def settings(self) -> FlowSettings:
        """The repo's settings in force when the flow was created."""
        ...

    @property
    def snapshot(self) -> bytes:
        """The repo that the flow carries; empty where it carries none."""
        ...

    @property
    def clone_url(self) -> str:
        """Where the repo may be cloned from; empty where nothing is registered."""
        ...

    def attach_snapshot(self, snapshot: bytes, origin: str) -> None:
        """Let the flow carry ``snapshot`` from now on."""
        ...

    def report_progress(self, message: str, **data: Any) -> None:
        """Tell followers, where the stage runs."""
        ...


class StageContext(Protocol):
    """What a stage may ask of the engine while it runs. Reads return the state at the claim."""

    flow_id: str
    repo: str
    stage_id: int
    kind: str
    round: int
    attempt_number: int
    feature_request: str
    block_family: str
    feedback: str
    nonce: str
    """Generated text cannot guess it. The same in every attempt of the stage, so that a stored answer can be
    reused.
    """

    @property
    def settings(self) -> FlowSettings:
        """The repo's settings in force when the flow was created: models, thresholds, context limits."""
        ...

    @property
    def snapshot(self) -> bytes:
        """The repo that the flow carries, as ``snapshots.pack`` makes it; empty where it carries none."""
        ...

    @property
    def origin(self) -> str:
        """Where that repo was cloned from, ``git+<url>@<commit>``; empty where the caller sent it."""
        ...

    @property
    def clone_url(self) -> str:
        """Where the repo may be cloned from; empty where nothing is registered."""
        ...

    def attach_snapshot(self, snapshot: bytes, origin: str) -> None:
        """Let the flow carry ``snapshot`` from now on, even if the attempt fails."""
        ...

    def read_output(self, kind: str) -> Mapping[str, Any]:
        """The output of the newest passed stage of ``kind`` (any round); empty if there is none.

        A kind that may run beside this stage has no output for it: whether there is one would be a matter of
        chance.
        """
        ...

    def read_artifact(self, kind: str) -> bytes | None:
        """The newest artifact of ``kind`` in this flow."""
        ...

    def keep_artifacts(self, artifacts: tuple[NewArtifact, ...]) -> None:
        """Keep ``artifacts`` at once, for the next attempt of this stage: this one ends without a result."""
        ...

    def read_budget(self, again: str) -> Budget:
        """What the flow may still use, and what a round that begins with the kind ``again`` took last."""
        ...

    def store_evidence(self, content: bytes) -> str:
        """Keep ``content`` in the evidence store and return the SHA-256 that it is stored under.

        It is stored at once and stays even if the attempt fails: what a model is shown is stored before it is
        shown. Raises ``EvidenceError``, which the engine's runner turns into ``Failed``, so a stage need not
        catch it.
        """
        ...

    def call_model(self, provider: str, request: Request) -> Completion:
        """One model call through limits, ledger and breaker. Raises ``NotAdmitted`` or a ``ProviderError``;
        the engine's runner turns both into ``Park`` or ``Failed``, so a stage need not catch them.
        """
        ...

    def report_progress(self, message: str, **data: Any) -> None:
        """Write an event for followers; raises ``Fenced`` when the attempt is not the live one any more."""
        ...


class PreparedStage(Protocol):
    """A stage of which something can be done before it starts, without a call: see
    ``flow_types.StageSpec``.
    """

    def prepare_flow(self, context: PreparationContext) -> tuple[NewArtifact, ...]:
        """Do it; the artifacts are kept for the stage. What it raises only means that nothing is prepared."""
        ...


class StageImplementation(Protocol):
    """One step of a flow."""

    kind: str

    def run(self, context: StageContext) -> StageResult:
        """Do the work. Must be safe to run again from the start."""
        ...
