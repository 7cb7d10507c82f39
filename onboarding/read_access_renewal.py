"""Renews the tokens with which private repos of GitHub are cloned: each lasts an hour."""

import logging
from typing import Final

from django.db.models import QuerySet
from django.utils import timezone

from onboarding.code_hosts.base import connect_host
from onboarding.provisioning.read_access import give_access
from orchestrator.celery import app
from orchestrator.core.errors import OrchestratorError
from orchestrator.core.periodic import PeriodicWork
from orchestrator.queues import ONBOARDING_QUEUE
from orchestrator.repos.models import RepoReadAccess
from orchestrator.repos.read_access import RENEW_BEFORE

TASK: Final = "onboarding.renew_read_access"
log = logging.getLogger(__name__)


def request_due_renewals() -> None:
    """Have a worker renew what ends soon. Only that worker has the key of the App."""
    if _list_due().exists():
        app.send_task(TASK, queue=ONBOARDING_QUEUE, retry=False)


def renew_due_access() -> int:
    """Renew what ends soon; how many were renewed. One that cannot be renewed holds up no other."""
    renewed = 0
    for access in _list_due().select_related("repo"):
        # The address is the host's own, as https://HOST/owner/name.git.
        path = access.clone_url.split("://", 1)[-1].partition("/")[2].removesuffix(".git")
        try:
            host = connect_host(access.kind)
            hosted = host.find_repo(path)
            if hosted is None:
                log.warning("the read access of %s is not renewed: the repo is not there", access.repo)
                continue
            # Reference: only deploy tokens carry one, and those last.
            give_access(access.repo, host, hosted, access.clone_url, "")
        # Also where our credential is not taken. The next look tries again; a clone says when it is too late.
        except OrchestratorError as error:
            log.warning("the read access of %s is not renewed: %s", access.repo, error)
        else:
            renewed += 1
    return renewed


def _list_due() -> QuerySet[RepoReadAccess]:
    return RepoReadAccess.objects.filter(expires_at__lt=timezone.now() + RENEW_BEFORE)


WORK: Final = PeriodicWork("the renewal of read access", 120.0, request_due_renewals)
