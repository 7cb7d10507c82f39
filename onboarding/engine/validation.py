"""What a request may say.

Everything comes from people and ends in other systems, so what a field may hold is short to describe.
"""

import re
from collections.abc import Sequence
from typing import Final

from django.conf import settings
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError

from onboarding.models import CodeHostKind, OnboardingRequest
from orchestrator.repos import clone_urls
from orchestrator.repos.models import REPO_NAME

# GitHub's rules for an account and a repository; GitLab's for groups, which may be nested.
_NAME: Final = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}"
_PATHS: Final = {
    CodeHostKind.GITHUB.value: re.compile(rf"[A-Za-z0-9](?:[A-Za-z0-9-]{{0,38}})/{_NAME}"),
    CodeHostKind.GITLAB.value: re.compile(rf"{_NAME}(?:/{_NAME}){{1,20}}"),
}
REPO_PATTERN: Final = rf"^([a-z0-9][a-z0-9._-]{{0,99}}|{_NAME}(/{_NAME})*/[A-Za-z0-9][A-Za-z0-9._-]{{0,99}})$"
"""The form of a repo in a request, for descriptions: our short name, or a path, of which hosts ask more."""
_WORDED: Final = {
    CodeHostKind.GITHUB.value: "Name the repo as GitHub does: owner/name.",
    CodeHostKind.GITLAB.value: "Name the project as GitLab does: group/name, or group/subgroup/name.",
}
# Names that only resolve inside a network.
_INTERNAL: Final = (".local", ".localhost", ".internal", ".intranet", ".lan", ".home.arpa", ".svc")


def refuse_wrong_values(request: OnboardingRequest, askers: Sequence[User]) -> None:
    """Raise ``ValidationError`` with every field that is wrong. ``askers`` are the accounts that ask."""
    wrong: dict[str, list[str]] = {}
    try:
        # The reference is made by the database, and uniqueness decided there.
        request.full_clean(exclude=["reference"], validate_unique=False, validate_constraints=False)
    except ValidationError as error:
        wrong |= error.message_dict
    # Beside Django's own, so that a form shows everything that is wrong at once.
    own = _list_own_rules(request)
    trouble = next(filter(None, (_find_single_person(one, request.team_lead) for one in askers)), "")
    if trouble:
        own["team_lead"] = trouble
    for field, message in own.items():
        wrong.setdefault(field, []).append(message)
    if wrong:
        raise ValidationError(wrong)


def _list_own_rules(request: OnboardingRequest) -> dict[str, str]:
    wrong: dict[str, str] = {}
    path, host = request.code_host_path, request.code_host
    if path and (host not in _PATHS or not _is_path(path, host)):
        wrong["code_host_path"] = _WORDED.get(host, "Choose a code host first.")
    # What the API of flows takes, so that the family of a repo can be named there.
    if not REPO_NAME.regex.fullmatch(request.block_family):  # type: ignore[union-attr]  # compiled by Django
        wrong["block_family"] = "Use lower-case letters, digits, dots, dashes or underscores: compliance."
    if _is_internal(request.clone_url):
        wrong["clone_url"] = (
            "This address is inside a network. "
            "If the host is yours, an operator names it in CLONE_PRIVATE_HOSTS."
        )
    return wrong


def _find_single_person(asker: User, team_lead: str) -> str:
    """Why the lead's yes would be no second person's, in words; empty where it is one."""
    # Who signs in with a company account has the address as the name, too.
    own = {_reduce_address(text) for text in (asker.email, asker.username) if "@" in text}
    if not own:
        return (
            "Your account has no e-mail address, so nobody can tell whether the lead is another person. "
            "An operator adds it to the account."
        )
    if _reduce_address(team_lead) in own:
        return (
            "This is your own address, and the yes must come from a second person. Name somebody else who "
            "answers for the repo, or let a colleague ask and name you."
        )
    return ""


def _reduce_address(address: str) -> str:
    """The mailbox of an address: what follows a plus is sorted there, and case is ignored."""
    name, _, host = address.strip().casefold().rpartition("@")
    return f"{name.partition('+')[0]}@{host}"


def _is_path(path: str, host: str) -> bool:
    parts = path.split("/")
    # Git's own ending belongs to the address and not to the name.
    return _PATHS[host].fullmatch(path) is not None and ".." not in path and not parts[-1].endswith(".git")


def _is_internal(url: str) -> bool:
    """Whether the host of a clone URL has a name from inside a network; addresses are checked elsewhere."""
    try:
        host = clone_urls.parse_clone_url(url).host
    except clone_urls.CloneUrlRefused:
        # Empty, or refused with a reason of its own.
        return False
    if host in settings.CLONE_PRIVATE_HOSTS or host.startswith("["):
        return False
    return "." not in host or host.endswith(_INTERNAL)
