"""The filters of repos and of their tokens."""

import django_filters as filters
from django.db.models import Q, QuerySet
from django.utils import timezone

from orchestrator.repos.models import Repo, Token
from orchestrator.rest.filters import FlagFilter, StrictFilterSet


class RepoFilter(StrictFilterSet):
    """``?phase=pilot&domain=compliance&paused=false``."""

    domain = filters.CharFilter(help_text="The domain that it belongs to, exactly.")
    paused = FlagFilter("Whether an operator has paused it.")

    class Meta:
        model = Repo
        fields = ["phase", "domain"]


class TokenFilter(StrictFilterSet):
    """``?repo=auth-service&operator=false&live=true``."""

    repo = filters.CharFilter(field_name="repo__name", help_text="The repo that they are bound to.")
    operator = FlagFilter("Whether they reach every repo.", field_name="repo", lookup_expr="isnull")
    live = FlagFilter("Whether they can be used now.", method="filter_live")

    class Meta:
        model = Token
        fields = ["repo", "operator", "live"]

    def filter_live(self, rows: QuerySet[Token], name: str, live: bool) -> QuerySet[Token]:  # noqa: ARG002
        """Tokens that can be used now, or those that cannot."""
        usable = Q(revoked_at=None) & (Q(expires_at=None) | Q(expires_at__gt=timezone.now()))
        return rows.filter(usable) if live else rows.exclude(usable)
