"""Requests for repos, which an SRE approves or rejects."""

from collections.abc import Callable
from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.decorators import display

from onboarding import engine
from onboarding.models import OnboardingRequest
from orchestrator.core.admin import ReadOnlyAdmin
from orchestrator.core.errors import OrchestratorError


@admin.register(OnboardingRequest)
class OnboardingRequestAdmin(ReadOnlyAdmin):
    """Requests, newest first.

    They come through the form and are decided on, not edited; approving one registers its repo.
    """

    list_display = [
        "reference",
        "repo_name",
        "block_family",
        "team_lead",
        "state",
        "planned_for",
        "created_at",
    ]
    list_filter = ["status", "block_family"]
    search_fields = ["reference", "repo_name", "team_lead"]
    actions = ["approve", "reject"]

    # Not ``status`` itself: unfold colours a label only where a method of the admin yields it.
    @display(
        description="status",
        ordering="status",
        label={
            "ready": "success",
            "failed": "danger",
            "undo_failed": "danger",
            "checking": "info",
            "queued": "info",
            "provisioning": "info",
        },
    )  # type: ignore[untyped-decorator]
    def state(self, row: OnboardingRequest) -> str:
        """The status as a label."""
        return row.status

    # Django asks for ``has_<word>_permission`` for each word in the ``permissions`` of an action.
    def has_decide_permission(self, request: HttpRequest) -> bool:
        """Whether the user may decide."""
        return bool(request.user.has_perm("onboarding.change_onboardingrequest"))

    @admin.action(description="Approve on behalf of the team lead", permissions=["decide"])
    def approve(self, request: HttpRequest, rows: QuerySet[OnboardingRequest]) -> None:
        """Say yes."""
        decide = partial(engine.approve, on_behalf="approved in the admin")
        self._act_on_each(request, rows, decide, "approved")

    @admin.action(description="Reject", permissions=["decide"])
    def reject(self, request: HttpRequest, rows: QuerySet[OnboardingRequest]) -> None:
        """Say no."""
        self._act_on_each(request, rows, engine.reject, "rejected")

    def _act_on_each(
        self, request: HttpRequest, rows: QuerySet[OnboardingRequest], decide: Callable[..., Any], done: str
    ) -> None:
        # One transaction for each: a request that cannot be approved does not undo the others.
        for row in rows:
            try:
                decide(row.pk, actor=request.user.get_username())
            except OrchestratorError as error:
                self.message_user(request, f"{row.repo_name}: {error}", messages.WARNING)
            else:
                self.message_user(request, f"{row.repo_name} {done}.", messages.SUCCESS)
