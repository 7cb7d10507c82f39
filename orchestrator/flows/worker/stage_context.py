"""What a stage gets while it runs: reads of the flow, model calls, progress.

All of it ends when the attempt is fenced.
"""

import logging
import threading
from collections.abc import Mapping
from contextvars import copy_context
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cached_property
from typing import Any

from django.db import DatabaseError, InterfaceError, connection
from django.utils import timezone

from orchestrator.flows import engine
from orchestrator.flows.engine import Spent, capacity
from orchestrator.flows.evidence import setup, store
from orchestrator.flows.flow_settings import FlowSettings
from orchestrator.flows.flow_types import FlowType, pinned_version
from orchestrator.flows.models import Artifact, Flow, Stage
from orchestrator.flows.models.states import StageStatus
from orchestrator.flows.stage_protocol import Budget, NewArtifact, stage_nonce
from orchestrator.flows.worker import budget
from orchestrator.flows.worker.answer_progress import AnswerProgress
from orchestrator.flows.worker.heartbeat import RunningAttempt
from orchestrator.repos import repo_settings
from orchestrator.repos.models import Repo
from providers import calls, ledger, quota_report
from providers.abort import Abort, allow_abort
from providers.base import Completion, NotAdmitted, Request
from providers.calls import Caller, ModelAnswer
from providers.limiter import RepoBudget, to_nano_usd
from providers.models import CallStatus, ProviderCall

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _ModelCall:
    """A model call in a thread of its own, so that a fenced attempt need not wait for it."""

    answered: ModelAnswer | None = None
    error: BaseException | None = None
    ended: bool = field(default=False)
    abort: Abort = field(default_factory=Abort)


class LiveStageContext:
    """The engine's side of ``stage_protocol.StageContext``."""

    def __init__(self, attempt: RunningAttempt) -> None:
        claim = attempt.claim
        self._attempt, self._claim = attempt, claim
        self.flow_id, self.repo, self.stage_id, self.kind, self.round = (
            claim.flow_id,
            claim.repo,
            claim.stage_id,
            claim.kind,
            claim.round,
        )
        self.attempt_number = claim.attempt_number
        self.feature_request, self.block_family, self.feedback = (
            claim.feature_request,
            claim.block_family,
            claim.feedback,
        )
        self.nonce = stage_nonce(claim.stage_id, claim.nonce_seed)
        self._turn = claim.turn
        self.spent = Spent()

    @cached_property
    def _flow_type(self) -> FlowType:
        return pinned_version(self._claim.flow_type, self._claim.flow_type_version)

    @cached_property
    def settings(self) -> FlowSettings:
        """The settings that the flow was created with; raises ``SettingRefused`` where its row is damaged.

        The fallback is the one that is set now, if one is: people set it for the flows that already wait.
        """
        # Parsed when a stage asks: the runner turns the error into a failed stage only while the stage runs.
        pinned = FlowSettings.parse(self._claim.settings)
        now = repo_settings.read_value(self.repo, "fallback.model")
        return replace(pinned, fallback_model=str(now)) if now else pinned

    @property
    def snapshot(self) -> bytes:
        """The repo that the flow carries, packed; empty where it carries none."""
        content = Flow.objects.values_list("snapshot__content", flat=True).get(pk=self.flow_id)
        return b"" if content is None else bytes(content)

    @property
    def origin(self) -> str:
        """Where the snapshot was cloned from."""
        return Flow.objects.values_list("origin", flat=True).get(pk=self.flow_id)

    @property
    def clone_url(self) -> str:
        """Where the repo may be cloned from, as registered now."""
        return Repo.objects.values_list("clone_url", flat=True).get(name=self.repo)

    def attach_snapshot(self, snapshot: bytes, origin: str) -> None:
        """Let the flow carry ``snapshot``; raises ``Fenced`` when the attempt is no longer the live one."""
        self._attempt.check()
        engine.attach_snapshot(self._claim, snapshot, origin)

    def keep_artifacts(self, artifacts: tuple[NewArtifact, ...]) -> None:
        """Keep ``artifacts`` for the next attempt; raises ``Fenced`` like ``attach_snapshot``."""
        self._attempt.check()
        engine.keep_artifacts(self._claim, artifacts)

    def read_output(self, kind: str) -> Mapping[str, Any]:
        """The output of the newest passed stage of ``kind``; empty if there is none, or if this stage does
        not come after it.
        """
        if kind != self.kind and kind not in self._flow_type.kinds_before(self.kind):
            return {}
        passed = Stage.objects.filter(flow_id=self.flow_id, kind=kind, status=StageStatus.PASSED).order_by(
            "-position"
        )
        return passed.values_list("output", flat=True).first() or {}

    def read_artifact(self, kind: str) -> bytes | None:
        """The newest artifact of ``kind`` in this flow."""
        newest = Artifact.objects.filter(flow_id=self.flow_id, kind=kind).order_by("-created_at", "-id")
        content = newest.values_list("blob__content", flat=True).first()
        return None if content is None else bytes(content)

    def store_evidence(self, content: bytes) -> str:
        """Keep ``content`` in the evidence store before it is used.

        Raises ``EvidenceError``, and ``Fenced`` when the attempt is not the live one any more.
        """
        self._attempt.check()
        return store.put_content(setup.require_sound_store(), content, timezone.now())

    def report_progress(self, message: str, **data: Any) -> None:
        """Write an event; raises ``Fenced`` when the attempt is no longer the live one."""
        self._attempt.check()
        engine.record_progress(self._claim, message, data)

    def read_budget(self, again: str) -> Budget:
        """What the flow may still use, and what a round that begins with ``again`` took last."""
        return budget.read_budget(self.flow_id, self._flow_type, again)

    def call_model(self, provider: str, request: Request) -> Completion:
        """Make one model call.

        A fenced attempt leaves it at once and aborts it; the ledger keeps it as unknown spend.
        """
        self._attempt.check()
        self._take_turn(provider)
        caller = self._caller()
        connection.close()  # back to the pool: a call may take minutes
        self.spent = Spent(prompt=request.prompt_name)
        call, progress = _ModelCall(), AnswerProgress(self.kind)
        request = replace(request, note_text=progress.note_text)
        self._attempt.changed.clear()
        self._attempt.check()  # again, for a fence between the check and the clear
        # With the span and the fields of the log that are current here: a thread begins without them.
        run = copy_context().run
        threading.Thread(
            target=run,
            args=(self._run, call, provider, request, caller),
            name=f"call-{provider}",
            daemon=True,
        ).start()
        while not call.ended:
            # Woken by the end of the call, by a fence, or to tell how far the answer is.
            self._attempt.changed.wait(progress.seconds_to_next_look())
            if self._attempt.fenced:
                call.abort.now()
            self._attempt.check()
            self._tell_progress(progress)
        if call.error is not None:
            raise call.error
        if call.answered is None:
            raise RuntimeError("a model call ended without an answer and without an error")
        self.spent = Spent(call.answered.model, call.answered.fallback_from, request.prompt_name)
        return call.answered.completion

    def _tell_progress(self, progress: AnswerProgress) -> None:
        words = progress.take_news()
        if not words:
            return
        try:
            engine.record_progress(self._claim, words, {})
        except engine.Fenced:
            # Woken again at once, to abort the call.
            self._attempt.fence()
        except (DatabaseError, InterfaceError) as error:
            # Progress is a courtesy: a paid answer is not given up for it.
            log.warning("no progress told: %s", type(error).__name__)
        finally:
            connection.close()

    def _take_turn(self, provider: str) -> None:
        """Wait behind the stages that already wait for this provider, so that none is overtaken.

        Where the provider admits nothing at all, the limiter says so itself, and a fallback may be taken.
        """
        # Released for this provider, or admitted by an earlier call of this attempt.
        if self._turn == provider:
            return
        ahead = capacity.sum_stages_ahead(provider, self.stage_id)
        if ahead.stages and quota_report.admission_hint(provider).admits:
            self._turn = provider
            words = f"{provider}: waits its turn behind {ahead.stages} other{'s' if ahead.stages > 1 else ''}"
            # Its own need is known only when it asks. Counted as none, it would be released, with all others
            # like it, to ask for room that is not enough for any of them.
            raise NotAdmitted(provider, "turn", words, quota_report.read_clock(), tokens=ahead.tokens)
        self._turn = provider

    def _run(self, call: _ModelCall, provider: str, request: Request, caller: Caller) -> None:
        try:
            # A flow may have been cancelled since the last beat; what has left cannot be called back.
            if not engine.renew_leases([(self.stage_id, self._claim.token)]):
                self._attempt.fence()
            self._attempt.check()
            with allow_abort(call.abort):
                call.answered = calls.call_model(provider, request, caller)
        except BaseException as error:  # noqa: BLE001 - carried to the waiting thread, which raises it
            call.error = error
        try:
            if self._attempt.fenced:
                engine.refresh_cost(self.flow_id)
        finally:
            connection.close()
            call.ended = True
            self._attempt.changed.set()

    def _caller(self) -> Caller:
        return Caller(
            repo=self.repo,
            flow_id=self.flow_id,
            stage_id=self.stage_id,
            attempt_id=self._claim.attempt_id,
            stage_kind=self.kind,
            # Read before every call: an earlier call of this flow has spent some of it.
            ceiling_usd=self._may_spend(),
            fallback_model=self.settings.fallback_model,
            forbidden_vendors=self._forbidden(),
            budget=self._repo_budget(),
        )

    def _repo_budget(self) -> RepoBudget:
        """What the repo may use in a day as of now: an operator changes it for flows that wait, too."""
        limits = repo_settings.read_limits(self.repo)
        return RepoBudget(limits.tokens_day, to_nano_usd(limits.usd_day))

    def _may_spend(self) -> Decimal:
        """What is left below the flow's ceiling."""
        return self.settings.max_cost_usd - ledger.sum_committed_usd(self.flow_id)

    def _forbidden(self) -> frozenset[str]:
        """The providers that served the stages which this one has to be independent of."""
        spec = self._flow_type.spec(self.kind)
        if not spec.apart_from:
            return frozenset()
        served = ProviderCall.objects.filter(
            flow_id=self.flow_id, stage_kind__in=spec.apart_from, status=CallStatus.SETTLED
        )
        return frozenset(served.values_list("provider", flat=True).distinct())
