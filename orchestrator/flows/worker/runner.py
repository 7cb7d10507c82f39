"""Runs a stage inside a claim and hands its result to the engine."""

import gc
import logging
import os
import socket
import threading
import traceback
from collections.abc import Iterable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from celery.worker import state
from django.db import InterfaceError, OperationalError, connection
from structlog.contextvars import bound_contextvars

from orchestrator.core import database, tracing
from orchestrator.flows import engine, flow_types
from orchestrator.flows.engine import broker, flow_trace, waits
from orchestrator.flows.evidence.errors import EvidenceError
from orchestrator.flows.stage_protocol import Failed, Park, Repair, StageResult
from orchestrator.flows.stages.registry import load_stage
from orchestrator.flows.worker import preparation
from orchestrator.flows.worker.heartbeat import RunningAttempt, heartbeat
from orchestrator.flows.worker.kept_branches import kept_branches
from orchestrator.flows.worker.stage_context import LiveStageContext
from orchestrator.repos.repo_settings import SettingRefused
from providers import ledger, quota_report, registry
from providers.base import (
    AccountExhausted,
    AuthenticationFailed,
    NeverAdmissible,
    NotAdmitted,
    ProviderError,
    RateLimited,
    RepoBudgetUsed,
)

HOST = socket.gethostname()
DEFAULT_RETRY_AFTER_SECONDS = 5.0
# With pauses that double up to an hour, this is most of a working day.
MAX_REFUSALS = 20
log = logging.getLogger(__name__)


def run_stages(stage_id: int, *, has_tail: bool = True) -> bool:
    """Run ``stage_id`` and the stages that follow it on the queues that this worker serves.

    ``has_tail``: the message that brought the stage carries what follows. True: it may continue with that.
    False: another worker, or this call, has done so.
    """
    worker = f"{HOST}:{os.getpid()}:{threading.current_thread().name}"
    try:
        claim = engine.claim(stage_id, worker)
        while claim is not None:
            with _log_with_claim(claim):
                finished = _run_attempt(claim)
            if has_tail and finished.follow_tail:
                return True
            # Before the stage that this worker took: those beside it need not wait for it.
            _send_next_stages(claim, finished)
            # The tail of the message belongs to an earlier stage from here on.
            claim, has_tail = finished.claimed or _claim_kept_branch(worker), False
    except engine.Fenced as fenced:
        # The live attempt sends the rest of the chain, so this one drops its tail.
        log.info("%s", fenced)
    finally:
        connection.close()
    return False


def _send_next_stages(claim: engine.Claim, finished: engine.Finished) -> None:
    """Send what ``finished`` made ready; branches that this thread may soon be free for it keeps a moment."""
    if not finished.send:
        return
    for route in finished.routes or engine.list_routes(claim.flow_id, finished.send):
        if finished.claimed and route.chain[0][1] in served_queues():
            kept_branches.keep(claim.flow_id, route)
        else:
            broker.send_route(route)


def _claim_kept_branch(worker: str) -> engine.Claim | None:
    """The next branch that waits in this process, claimed; ``None`` where none does or the process leaves."""
    while served_queues() and (branch := kept_branches.take()) is not None:
        if (claim := engine.claim(branch, worker)) is not None:
            return claim
    return None


@dataclass(frozen=True, slots=True)
class ServedQueues:
    """The queues that the process ``pid`` takes stages from."""

    pid: int = 0
    queues: frozenset[str] = frozenset()


_served = ServedQueues()


def served_queues() -> frozenset[str]:
    """The queues whose next stages this process may claim.

    A prefork child claims none, because it is not told when to stop.
    """
    return _served.queues if _served.pid == os.getpid() and state.should_stop is None else frozenset()


def load_stages(queues: Iterable[str]) -> None:
    """Load the stages of ``queues`` and the SDKs of their providers; this process now serves them."""
    global _served  # noqa: PLW0603 - one worker to a process, told once at its start
    _served = ServedQueues(os.getpid(), frozenset(queues))
    for queue in _served.queues:
        for kind in flow_types.kinds_on_queue(queue):
            # A stage that has something to look after at start-up has ``prepare``.
            getattr(load_stage(kind), "prepare", lambda: None)()
        if queue in registry.provider_names():
            with suppress(AuthenticationFailed):  # a flow that needs the key will say so
                registry.get_adapter(queue)
    tracing.load_tracer()
    # What is loaded stays: the collector need not walk it again, and children keep sharing its pages.
    gc.collect()
    gc.freeze()


def _log_with_claim(claim: engine.Claim) -> AbstractContextManager[object]:
    """Let every line that is logged inside name the flow, the stage and the trace."""
    trace_id = tracing.read_trace_id(claim.trace_parent)
    trace = {"trace_id": trace_id} if trace_id else {}
    return bound_contextvars(flow_id=claim.flow_id, stage=claim.kind, attempt=claim.attempt_number, **trace)


def _open_stage_span(claim: engine.Claim) -> tracing.TraceSpan:
    flow_span = flow_trace.find_flow_span(claim.trace_parent)
    if not flow_span:
        return tracing.NO_SPAN
    attributes: dict[str, tracing.AttributeValue] = {
        "messaging.system": "celery",
        "messaging.operation.type": "process",
        "messaging.destination.name": claim.queue,
        "flow.id": claim.flow_id,
        "stage.kind": claim.kind,
        "stage.round": claim.round,
        "stage.attempt": claim.attempt_number,
        "repo": claim.repo,
    }
    return tracing.open_span(f"stage {claim.kind}", attributes, kind=tracing.CONSUMER, parent=flow_span)


def _run_attempt(claim: engine.Claim) -> engine.Finished:
    attempt = RunningAttempt(claim)
    work = LiveStageContext(attempt)
    heartbeat.enter(attempt)
    try:
        preparation.send_preparations(claim)
        with _open_stage_span(claim) as span:
            result = _run_stage(work)
            name = type(result).__name__.lower()
            span.set({"stage.result": name})
            if isinstance(result, Failed | Repair):
                span.fail(result.code)
                log.warning("stage ended", extra={"result": name, "code": result.code, "repo": claim.repo})
            else:
                # The database has an event of it. A line costs as much as the engine takes for the stage.
                log.debug("stage ended", extra={"result": name, "repo": claim.repo})
            return _finish(claim, result, work.spent)
    except engine.Fenced:
        # A call may have been settled before this process knew of the fence, after the flow ended at an
        # older sum.
        engine.refresh_cost(claim.flow_id)
        raise
    except (OperationalError, InterfaceError) as error:
        if not database.is_away(error):
            raise
        raise _give_back(claim, error) from error
    finally:
        heartbeat.leave(attempt)


def _finish(claim: engine.Claim, result: StageResult, spent: engine.Spent) -> engine.Finished:
    """End the attempt; the next stage, or another branch of the flow that waits here, is claimed with it."""
    queues = served_queues()
    if not queues:
        return engine.finish(claim, result, spent)
    with kept_branches.offer(claim.flow_id) as branch:
        finished = engine.finish(claim, result, spent, queues, branch.stage_id if branch else None)
        if branch and finished.claimed:
            branch.taken = finished.claimed.stage_id == branch.stage_id
    return finished


def _give_back(claim: engine.Claim, error: Exception) -> engine.Fenced:
    """Give the stage back because the database went away under it; what to raise then.

    It counts neither as a failure of the flow nor as a crash of the stage. Where the database stays away, the
    lease runs out.
    """
    connection.close()
    database.retry_while_away(partial(engine.give_back_stage, claim.flow_id, claim.stage_id, claim.token))
    return engine.Fenced(
        f"{claim.flow_id}: {claim.kind} was given back, the database went away ({type(error).__name__})."
    )


def _run_stage(work: LiveStageContext) -> StageResult:
    """Run the stage; every error but ``Fenced`` becomes a result."""
    try:
        return load_stage(work.kind).run(work)
    except engine.Fenced:
        raise
    # No failure: the limiter refused before any call, and says until when.
    except RepoBudgetUsed as denied:
        # No line at the provider: others would wait behind it.
        return Park(denied.reason, denied.until, waits.REPO_BUDGET, denied.tokens, denied.nano_usd)
    except NotAdmitted as denied:
        return Park(denied.reason, denied.until, denied.provider, denied.tokens, denied.nano_usd)
    except NeverAdmissible as refused:
        return Failed(refused.code, str(refused), refused.cure)
    except (RateLimited, AccountExhausted) as refused:
        return _wait_for_rate_limit(work, refused)
    except (ProviderError, EvidenceError, SettingRefused, engine.RepoLimitReached) as error:
        return Failed(error.code, str(error), error.cure, retryable=error.retryable)
    # The outermost edge of a stage: a defect in it must not end the worker.
    except Exception as error:
        # The infrastructure's fault, which the flow does not answer for.
        if database.is_away(error):
            raise
        # Where, and of which type, but never the text: that of an unforeseen error may quote anything, a key
        # or a prompt.
        where = "".join(traceback.format_tb(error.__traceback__))
        what = type(error).__name__
        log.error(  # noqa: TRY400
            "stage %s of %s crashed with %s at\n%s", work.kind, work.flow_id, what, where
        )
        message = f"The stage {work.kind} ended in an unexpected {type(error).__name__}."
        return Failed(
            "engine:stage-crashed",
            message,
            "Look into the worker's log; report it if it happens again.",
            retryable=True,
        )


def _wait_for_rate_limit(work: LiveStageContext, limited: RateLimited | AccountExhausted) -> Park | Failed:
    """Wait for the provider, which the limiter now closes to all; with a fallback ask again at once.

    A stage that was refused ``MAX_REFUSALS`` times in a row fails in the provider's words. A person who
    retries it gives it as many again.
    """
    refusals = ledger.count_refusals(work.stage_id)
    if refusals and refusals % MAX_REFUSALS == 0:
        message = f"Refused {refusals} times in a row. The last refusal of {limited}"
        return Failed(limited.code, message, limited.cure)
    at = database.read_clock()
    if work.settings.fallback_model:
        return Park(str(limited), at)
    # The limiter keeps everybody away, perhaps for longer than the provider named.
    until = quota_report.admission_hint(limited.provider).at
    pause = timedelta(seconds=limited.retry_after_seconds or DEFAULT_RETRY_AFTER_SECONDS)
    return Park(str(limited), until or at + pause, limited.provider)
