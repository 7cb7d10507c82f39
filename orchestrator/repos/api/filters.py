"""The filters of repos."""

import django_filters as filters

from orchestrator.repos.models import Repo


class RepoFilter(filters.FilterSet):  # type: ignore[misc]  # django-filter has no types
    """``?phase=pilot&domain=compliance&paused=false``."""

    class Meta:
        model = Repo
        fields = ["phase", "domain", "paused"]
