"""Roles by groups of the company's directory, set at each sign-in: who left a group has lost its role."""

from collections.abc import Mapping
from typing import Any, Final

from django.conf import settings
from django.contrib.auth.models import Group, User

MOST_GROUPS: Final = 2000
"""More in one claim are not a directory's, and none of them counts."""


def read_groups(claims: Mapping[str, Any]) -> frozenset[str]:
    """The groups that the provider names; none where the claim is missing or has another form."""
    named = claims.get(settings.OIDC_GROUPS_CLAIM)
    # Some providers send a single group as a text.
    if isinstance(named, str):
        named = [named]
    # Without a claim that can be read nobody keeps a right: a mistake there must not go unnoticed.
    if not isinstance(named, list) or len(named) > MOST_GROUPS:
        return frozenset()
    return frozenset(group for group in named if isinstance(group, str))


def follow_groups(user: User, groups: frozenset[str]) -> None:
    """Give ``user`` the roles of ``groups`` and take those of the other groups. In the caller's transaction.

    Only roles that OIDC_ROLES names are touched; what was given in the admin beside them stays.
    """
    if not settings.OIDC_ROLES:
        return
    wanted = {role for group, role in settings.OIDC_ROLES.items() if group in groups}
    user.groups.remove(*Group.objects.filter(name__in=set(settings.OIDC_ROLES.values()) - wanted))
    user.groups.add(*Group.objects.filter(name__in=wanted))
    # Every role opens the admin, which shows what its permissions allow. Without any group nothing does.
    may_enter = user.groups.exists()
    if user.is_staff != may_enter:
        user.is_staff = may_enter
        user.save(update_fields=["is_staff"])
