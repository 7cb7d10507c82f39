"""Who may see and do what on the pages: the permissions of the admin, or membership of the flow's repo."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404

from orchestrator.flows.models import Flow
from orchestrator.repos.models import Repo, Role

Page = Callable[..., HttpResponseBase]
# The same words as in the admin and its actions.
_VIEW, _CHANGE = "flows.view_flow", "flows.change_flow"


def sees_all_flows(user: Any) -> bool:
    """Whether ``user`` may see the flows of every repo."""
    return bool(user.has_perm(_VIEW))


def list_visible_repos(user: Any) -> QuerySet[Repo]:
    """The repos whose flows ``user`` may see."""
    if user.has_perm(_VIEW):
        return Repo.objects.all()
    return Repo.objects.filter(memberships__user=user)


def list_visible_flows(user: Any) -> QuerySet[Flow]:
    """The flows that ``user`` may see."""
    rows = Flow.objects.select_related("repo")
    return rows if user.has_perm(_VIEW) else rows.filter(repo__in=list_visible_repos(user))


def may_act(user: Any, flow: Flow) -> bool:
    """Whether ``user`` may cancel, retry, pause and resume ``flow``."""
    if user.has_perm(_CHANGE):
        return True
    return bool(user.memberships.filter(repo=flow.repo_id, role=Role.MEMBER).exists())


def may_act_everywhere(user: Any) -> bool:
    """Whether ``user`` may act on the flows of every repo, and so decide whose flow goes first."""
    return bool(user.has_perm(_CHANGE))


def for_people_with_flows(page: Page) -> Page:
    """Decorate a page about flows: log in first; 403 for a person who may see none of any repo."""

    @wraps(page)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not request.user.has_perm(_VIEW) and not list_visible_repos(request.user).exists():
            raise PermissionDenied
        return page(request, *args, **kwargs)

    return login_required(guarded)


def find_visible_flow(request: HttpRequest, flow_id: str) -> Flow:
    """The flow ``flow_id``; 404 for one that the person may not see, as for one that does not exist."""
    return get_object_or_404(list_visible_flows(request.user), pk=flow_id)
