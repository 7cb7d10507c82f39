"""The only writer of the status of a request or a step. Each door moves rows along the tables of ``states``.

The order of locks is request, then step. A step that runs carries a random token, and every write of its
attempt asks for that token. Messages are hints: what is due is found in the database.
"""

from onboarding.engine.begin import begin_provisioning, plan_request
from onboarding.engine.claim import StepClaim, add_to_log, claim_step, keep_note, renew_lease
from onboarding.engine.control import approve, cancel, offboard, reject, retry, wake
from onboarding.engine.create import NewRequest, check_request, create_request, find_created, refuse_known
from onboarding.engine.dispatch import TASK, send_all_due
from onboarding.engine.due import complete_requests, find_due_steps, take_back_lost_steps
from onboarding.engine.errors import (
    AlreadyDecided,
    AlreadyEnabled,
    AlreadyRequested,
    KeyUsedAgain,
    NotInThatState,
)
from onboarding.engine.finish import StepEnd, finish_step, record_defect, record_trouble

__all__ = [
    "TASK",
    "AlreadyDecided",
    "AlreadyEnabled",
    "AlreadyRequested",
    "KeyUsedAgain",
    "NewRequest",
    "NotInThatState",
    "StepClaim",
    "StepEnd",
    "add_to_log",
    "approve",
    "begin_provisioning",
    "cancel",
    "check_request",
    "claim_step",
    "complete_requests",
    "create_request",
    "find_created",
    "find_due_steps",
    "finish_step",
    "keep_note",
    "offboard",
    "plan_request",
    "record_defect",
    "record_trouble",
    "refuse_known",
    "reject",
    "renew_lease",
    "retry",
    "send_all_due",
    "take_back_lost_steps",
    "wake",
]
