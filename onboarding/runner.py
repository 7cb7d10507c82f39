"""One step, in a worker: claim it, run it while its lease is renewed, finish it."""

import logging
import os
import socket
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection

from onboarding import engine, rollout
from onboarding.models import OnboardingStatus, StepKind
from onboarding.step_protocol import FarSideTrouble, StepAnswer, StepContext, StepTakenOver
from onboarding.step_registry import CHECKS, PROVISIONING
from orchestrator.queues import ONBOARDING_QUEUE

log = logging.getLogger(__name__)
LEASE_THREAD: Final = "onboarding lease"


def run_step(step_id: int) -> engine.StepEnd | None:
    """Run a step that is due; ``None`` where somebody else has it, or has taken it over meanwhile."""
    # Host and process first, as everywhere, so that people find its log.
    worker = f"{socket.gethostname()}:{os.getpid()}:{threading.get_ident()}"
    claim = engine.claim_step(step_id, worker)
    if claim is None:
        return None
    try:
        with _keep_lease(claim):
            end = _run_claimed(claim)
    except StepTakenOver as error:
        log.info("%s", error)
        return None
    # At once, where there is room: the clock would find it some seconds later.
    if end.request == OnboardingStatus.QUEUED:
        rollout.begin_due_requests()
    return end


def load_steps(queues: Collection[str]) -> None:
    """Import every step where a worker serves the queue of onboarding: nobody waits for a client library."""
    if ONBOARDING_QUEUE not in queues:
        return
    for table in (CHECKS, PROVISIONING):
        for name in table:
            table.get(name)


def _run_claimed(claim: engine.StepClaim) -> engine.StepEnd:
    try:
        answer = _call(claim)
    except FarSideTrouble as error:
        return engine.record_trouble(claim, error)
    except (StepTakenOver, DatabaseError, InterfaceError):
        # Where our own database is away the lease runs out, and the step is run again.
        raise
    # The outermost edge of a step: what nobody expected ends this request, and no other.
    except Exception as error:
        log.warning("%s of %s has errored", claim.name, claim.request.reference, exc_info=True)
        return engine.record_defect(claim, error)
    return engine.finish_step(claim, answer)


def _call(claim: engine.StepClaim) -> StepAnswer:
    context = StepContext(
        request=claim.request,
        outputs=claim.outputs,
        previous=claim.previous,
        attempt=claim.attempt,
        started_at=claim.started_at,
        log=partial(engine.add_to_log, claim),
        note=partial(engine.keep_note, claim),
        still_ours=partial(engine.renew_lease, claim),
    )
    if claim.kind == StepKind.CHECK:
        return CHECKS.get(claim.name).run(context)
    step = PROVISIONING.get(claim.name)
    if claim.kind == StepKind.UNDO:
        return step.undo(context)
    return step.run(context)


@contextmanager
def _keep_lease(claim: engine.StepClaim) -> Iterator[None]:
    """Renew the lease in a thread, for steps that take minutes."""
    is_over = threading.Event()
    beat = threading.Thread(target=_beat, args=(claim, is_over), name=LEASE_THREAD, daemon=True)
    beat.start()
    try:
        yield
    finally:
        is_over.set()
        beat.join()


def _beat(claim: engine.StepClaim, is_over: threading.Event) -> None:
    try:
        while not is_over.wait(settings.ENGINE_LEASE_SECONDS / 3):
            engine.renew_lease(claim)
    except (StepTakenOver, DatabaseError, InterfaceError) as error:
        # The step itself finds out: by ``still_ours``, and when it finishes.
        log.warning("the lease of %s is not renewed any more: %s", claim.name, type(error).__name__)
    finally:
        connection.close()
