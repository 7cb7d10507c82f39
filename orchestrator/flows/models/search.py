"""One search field for flows: by id, repo, person, error, and by words of the request.

What was typed is one of these, and is looked for as that alone. So the newest hits come from one index in the
order of the page, regardless of how many flows there are; an OR of all would read every flow for a rare word.
"""

from typing import Final

from django.db.models import Q, QuerySet

from orchestrator.flows.models.artifact import Block
from orchestrator.flows.models.flow import Flow
from orchestrator.repos.models import Repo

HELP: Final = "A flow's id, a repo, a person, an error code, or words of the request"
NEWEST: Final = 10_000
"""Words of requests are looked for in so many of the newest flows: no index helps to find them."""
_ID_PREFIX: Final = "task_"
_MOST_CODES: Final = 20
# The condition of the index, which PostgreSQL has to see in a query.
_FAILED: Final = ~Q(error_code="")


def find_flows(rows: QuerySet[Flow], words: str) -> QuerySet[Flow]:
    """Those of ``rows`` that fit ``words``; all for none. At most four short queries are made to decide.

    An id and an error code may be typed in part, from the beginning; the names of a repo and of a person are
    whole.
    """
    # Text in PostgreSQL has no NUL: a search for one would be an error and not an empty list.
    asked = words.replace("\0", "").strip()
    if not asked:
        return rows
    if asked.startswith(_ID_PREFIX):
        return rows.filter(pk__startswith=asked)
    repo = Repo.objects.filter(name=asked).first()
    if repo is not None:
        return rows.filter(repo=repo)
    # Asked of all flows: which kind it is must not depend on the filters beside the field.
    if Flow.objects.filter(created_by=asked).exists():
        return rows.filter(created_by=asked)
    if codes := _list_error_codes(asked):
        return rows.filter(_FAILED, error_code__in=codes)
    return _find_in_newest(rows, asked)


def _list_error_codes(beginning: str) -> list[str]:
    """The codes that begin so, as they are found.

    Named one by one, because PostgreSQL reads the flows of a code in the order of their ids, and those of a
    beginning in none.
    """
    # order_by(): the order of the list would be part of what is distinct.
    failed = Flow.objects.filter(_FAILED, error_code__startswith=beginning).order_by()
    return list(failed.values_list("error_code", flat=True).distinct()[:_MOST_CODES])


def _find_in_newest(rows: QuerySet[Flow], words: str) -> QuerySet[Flow]:
    ids = Flow.objects.order_by("-pk").values_list("pk", flat=True)
    oldest = ids[NEWEST : NEWEST + 1].first()
    # Blocks by themselves: joined, all there are would be read.
    blocks = Block.objects.filter(name__icontains=words)
    if oldest is not None:
        rows, blocks = rows.filter(pk__gt=oldest), blocks.filter(flow__gt=oldest)
    return rows.filter(Q(feature_request__icontains=words) | Q(pk__in=blocks.order_by().values("flow")))
