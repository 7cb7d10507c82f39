"""The repo's service in PagerDuty and its dashboard in Grafana, by Terraform.

It comes before everything else that is made outside: where Terraform is missing, nothing is half-done.
"""

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from django.conf import settings
from django.utils import timezone

from onboarding.models import TerraformState
from onboarding.provisioning.terraform.adoption import NotOurs, build_uid, find_objects, name_service
from onboarding.provisioning.terraform.command import find_terraform
from onboarding.provisioning.terraform.states import (
    HeldState,
    StateLocked,
    StateTakenOver,
    forget_state,
    hold_state,
    release_hold,
    renew_hold,
    write_state,
)
from onboarding.provisioning.terraform.workspace import (
    TerraformPlan,
    TerraformWorkspace,
    list_addresses,
    open_workspace,
)
from onboarding.step_protocol import (
    FarSideTrouble,
    Passed,
    ProvisioningStep,
    Refused,
    StepAnswer,
    StepContext,
    StepTakenOver,
    Waiting,
)
from orchestrator.core.sealing import seal
from orchestrator.flows.evidence.errors import StoreUnavailable
from orchestrator.flows.evidence.store import current_store, put_content

log = logging.getLogger(__name__)
_PLAN_PURPOSE: Final = "terraform plan"


class Infrastructure:
    """Plans, keeps the plan, applies it; adopts what an attempt before it has made."""

    name = "infrastructure"
    title = "PagerDuty and Grafana know the repo"

    def run(self, context: StepContext) -> StepAnswer:
        """Both objects; each once, however often this is run."""
        missing = list_missing_settings()
        if missing:
            return Refused(
                "Terraform has no access to PagerDuty and Grafana.",
                f"An operator sets {', '.join(missing)}; then retry.",
            )
        # Before anything is touched.
        find_terraform()
        request = context.request
        variables = {
            "repo_name": request.repo_name,
            "team_lead": request.team_lead,
            "reference": request.reference,
            "escalation_policy": settings.PAGERDUTY_ESCALATION_POLICY,
            "pagerduty_api_url": settings.PAGERDUTY_API_URL,
            "grafana_folder": settings.GRAFANA_FOLDER or None,
        }
        return _answer_holding(context, lambda held: _apply(context, held, variables))

    def undo(self, context: StepContext) -> StepAnswer:
        """Destroy what the state knows, and what carries our mark beside it."""
        # It may be gone although objects are there: they are found by their mark.
        there = TerraformState.objects.filter(repo_name=context.request.repo_name).first()
        if there is None and list_missing_settings():
            # Nothing was ever applied here, and nobody could look.
            return Passed({})
        return _answer_holding(context, lambda held: _destroy(context, held))


def list_missing_settings() -> list[str]:
    """The settings without which Terraform reaches nobody."""
    names = ("PAGERDUTY_API_TOKEN", "GRAFANA_TOKEN")
    return [name for name in names if not getattr(settings, name)]


def _answer_holding(context: StepContext, work: Callable[[HeldState], StepAnswer]) -> StepAnswer:
    try:
        # By the name of the repo: two requests for one repo share its objects, one after the other.
        held = hold_state(context.request.repo_name, context.request.reference)
    except StateLocked as error:
        return Waiting(error.message, error.until)
    try:
        return work(held)
    except NotOurs as error:
        return Refused(error.message, error.cure)
    # Fenced like the step itself: the other worker continues.
    except StateTakenOver as error:
        raise StepTakenOver(error.message) from error
    except StoreUnavailable as error:
        raise FarSideTrouble(error.message) from error
    finally:
        release_hold(held)


def _apply(context: StepContext, held: HeldState, variables: dict[str, Any]) -> StepAnswer:
    request = context.request
    # Kept for the nightly plan and for the undo, which have no request to ask.
    TerraformState.objects.filter(repo_name=request.repo_name, held_token=held.token).update(
        variables=variables, reference=request.reference
    )
    with _open(context, held) as workspace:
        workspace.prepare(variables, held.content)
        adopted = _find_unknown(context, held)
        workspace.adopt(adopted)
        plan = workspace.plan()
        digests = _keep_plan(plan)
        _report_plan(context, plan)
        # The last look before something is made.
        context.still_ours()
        if plan.has_changes:
            held = _run_and_store(held, workspace)
    actions = [one["actions"][0] for one in plan.summary["resource_changes"]]
    return Passed(
        {
            "service": name_service(request.repo_name),
            "dashboard_url": f"{settings.GRAFANA_URL}/d/{build_uid(request.repo_name)}",
            "created": actions.count("create"),
            "adopted": len(adopted),
            **digests,
        }
    )


def _destroy(context: StepContext, held: HeldState) -> StepAnswer:
    adopted = _find_unknown(context, held)
    # Quick, and without Terraform: an undo of a step that never made anything.
    if not adopted and not list_addresses(held.content):
        forget_state(held)
        return Passed({"destroyed": 0})
    # A lost row has none; then the request says enough to find and destroy.
    stored = TerraformState.objects.get(repo_name=context.request.repo_name).variables
    variables = stored or {
        "repo_name": context.request.repo_name,
        "team_lead": context.request.team_lead,
        "reference": context.request.reference,
        "pagerduty_api_url": settings.PAGERDUTY_API_URL,
    }
    with _open(context, held) as workspace:
        workspace.prepare(variables, held.content)
        workspace.take_over(adopted)
        plan = workspace.plan(destroy=True)
        digests = _keep_plan(plan)
        _report_plan(context, plan)
        context.still_ours()
        if plan.has_changes:
            held = _run_and_store(held, workspace)
    forget_state(held)
    return Passed({"destroyed": len(plan.summary["resource_changes"]), **digests})


@contextmanager
def _open(context: StepContext, held: HeldState) -> Iterator[TerraformWorkspace]:
    def renew() -> None:
        renew_hold(held)
        context.still_ours()

    with open_workspace(renew) as workspace:
        yield workspace


def _find_unknown(context: StepContext, held: HeldState) -> dict[str, str]:
    """What carries our mark and is not in the state: of an attempt that was killed, or of a lost state."""
    known = list_addresses(held.content)
    unknown = find_objects(context.request.repo_name, context.request.reference, known).ids
    if unknown:
        context.log(f"Taken over from an earlier attempt: {', '.join(sorted(unknown))}.")
    return unknown


def _run_and_store(held: HeldState, workspace: TerraformWorkspace) -> HeldState:
    try:
        said = workspace.apply()
        log.info("terraform: %s", said)
    finally:
        # Also what a failed apply has made is in the state, and belongs to us.
        content = workspace.read_state()
        if content and content != held.content:
            held = write_state(held, content)
    return held


def _keep_plan(plan: TerraformPlan) -> dict[str, str]:
    """Store the plan as evidence: its summary in clear, Terraform's own file sealed; their digests."""
    now, keep = timezone.now(), current_store()
    summary = json.dumps(plan.summary, sort_keys=True, indent=1).encode()
    return {
        "plan_sha256": put_content(keep, summary, now),
        # It holds the state of before, whose integration keys page people.
        "plan_file_sha256": put_content(keep, seal(plan.content, _PLAN_PURPOSE), now),
    }


def _report_plan(context: StepContext, plan: TerraformPlan) -> None:
    for one in plan.summary["resource_changes"]:
        adopted = " (adopted)" if one["adopted"] else ""
        context.log(f"{' and '.join(one['actions'])} {one['address']}{adopted}")


STEP: ProvisioningStep = Infrastructure()
