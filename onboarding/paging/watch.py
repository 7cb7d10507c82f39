"""Pages begin and end as the conditions of repos do.

1. The dispatcher's leader looks. A condition without an open page begins one: a row, and a message in the
   same transaction. The unique index lets one of two looks at the same moment begin it.
2. While the condition is seen, nothing more is sent.
3. It was not seen for its ``rest``: the page ends, and PagerDuty is told under the same key.
4. A message that comes late, because PagerDuty was away, is not sent after the end of its page: nobody is
   paged for what is over.
"""

from datetime import datetime
from typing import Final
from uuid import NAMESPACE_URL, uuid5

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from onboarding.models import RepoPage, TerraformState
from onboarding.models.repo_page import THREAD
from onboarding.paging.conditions import CONDITIONS, RepoCondition
from onboarding.provisioning.terraform.adoption import build_uid
from orchestrator.core.periodic import PeriodicWork
from orchestrator.ops.notifications import delivery
from orchestrator.ops.notifications.models import PageAction
from orchestrator.repos.models import Repo

NOTIFIER: Final = "repo-pager"
ACTOR: Final = "orchestrator"


def look() -> None:
    """Begin and end the pages of every repo that has a service of its own."""
    names = TerraformState.objects.filter(sealed__isnull=False).values("repo_name")
    repos = {repo.pk: repo for repo in Repo.objects.filter(name__in=names)}
    # One time for the whole look: what is seen in it and what is ended by it are compared.
    now = timezone.now()
    for condition in CONDITIONS:
        found = condition.find(repos)
        for repo_id, words in found.items():
            _see(repos[repo_id], condition, words, now)
        # Also of repos that have no service any more: their pages end with it.
        open_pages = RepoPage.objects.filter(condition=condition.name, ended_at=None)
        for page in open_pages.exclude(repo__in=found).filter(seen_at__lte=now - condition.rest):
            _end(page, condition, now)


def is_open(thread: str) -> bool:
    """Whether the page that this thread is of has not ended."""
    number = thread.removeprefix(THREAD)
    return RepoPage.objects.filter(pk=int(number), ended_at=None).exists()


def _see(repo: Repo, condition: RepoCondition, words: str, now: datetime) -> None:
    with transaction.atomic():
        page, is_new = RepoPage.objects.get_or_create(
            repo=repo,
            condition=condition.name,
            ended_at=None,
            defaults={"words": words, "begun_at": now, "seen_at": now},
        )
        # The words stay those of the beginning: people know the page by them.
        if is_new:
            _send(page, condition, PageAction.TRIGGER)
        else:
            RepoPage.objects.filter(pk=page.pk).update(seen_at=now)


def _end(page: RepoPage, condition: RepoCondition, now: datetime) -> None:
    with transaction.atomic():
        # Ended by another look, or seen again meanwhile.
        ended = RepoPage.objects.filter(pk=page.pk, ended_at=None, seen_at=page.seen_at).update(ended_at=now)
        if ended:
            _send(page, condition, PageAction.RESOLVE)


def _send(page: RepoPage, condition: RepoCondition, action: PageAction) -> None:
    delivery.notify_once(
        # It follows from the page, so a look that is repeated after a crash sends nothing twice.
        uuid5(NAMESPACE_URL, f"blocks:{page.thread}:{action}"),
        NOTIFIER,
        f"{page.repo.name}/{condition.page_severity}",
        f"{page.words}\n\n{settings.GRAFANA_URL}/d/{build_uid(page.repo.name)}",
        subject=page.words,
        severity=condition.severity,
        created_by=ACTOR,
        thread=page.thread,
        action=action,
    )


WORK: Final = PeriodicWork("the pages of repos", 30.0, look)
