"""The form of a repo owner."""

from typing import Any, Final
from urllib.parse import urlsplit

from django import forms
from django.conf import settings

from onboarding.models import OnboardingRequest

_PLAIN: Final = {"autocapitalize": "off", "autocomplete": "off", "spellcheck": "false"}
FAMILIES: Final = ("compliance", "observability", "reporting", "security", "integration", "infrastructure")
"""Suggestions; a team may name another family."""
_HOSTED_CI: Final = {"github": "github_actions", "gitlab": "gitlab_ci"}


def _list_choices(name: str) -> Any:
    field: Any = OnboardingRequest._meta.get_field(name)
    return field.choices


class OnboardingForm(forms.Form):
    """What a repo owner answers. The rules of each field are the model's and the engine's; this reads them.

    ``cleaned_data`` has ``code_host``, ``code_host_path`` and ``clone_url`` in the place of ``repo``.
    """

    repo = forms.CharField(
        label="Repository",
        max_length=500,
        help_text="As owner/name, or its address: https://github.com/owner/name.",
        widget=forms.TextInput(attrs=_PLAIN),
    )
    block_family = forms.CharField(
        label="Block family",
        max_length=100,
        help_text="What most of its blocks will be about: compliance, observability, reporting.",
        widget=forms.TextInput(attrs={**_PLAIN, "list": "families"}),
    )
    team_lead = forms.EmailField(
        label="Team lead's e-mail address",
        help_text="Who answers for the repo: another person than you, who says yes before it is set up.",
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )
    ci_system = forms.ChoiceField(
        label="CI system", choices=lambda: _list_choices("ci_system"), widget=forms.RadioSelect
    )
    ci_credentials = forms.ChoiceField(
        label="How CI jobs prove who they are",
        choices=lambda: _list_choices("ci_credentials"),
        initial="secret",
        widget=forms.RadioSelect,
        help_text="Keyless stores nothing in CI: jobs show the token that their CI signs for them.",
    )
    clones_privately = forms.BooleanField(
        label="The repo is private: let the orchestrator read it",
        required=False,
        help_text="It gets read access to this repo alone, which is used for cloning only.",
    )

    def clean_block_family(self) -> str:
        """In lower case, as the names of families are."""
        return str(self.cleaned_data["block_family"]).strip().lower()

    def clean(self) -> dict[str, Any]:
        """The repo as host, path and clone URL."""
        given = super().clean() or {}
        if "repo" not in given:
            return given
        try:
            given |= _read_repo(str(given["repo"]), str(given.get("ci_system", "")))
        except forms.ValidationError as error:
            self.add_error("repo", error)
        wanted = _HOSTED_CI.get(str(given.get("code_host", "")))
        if wanted and given.get("ci_system") and given["ci_system"] != wanted:
            self.add_error("ci_system", "This does not run on the code host of the repo.")
        return given


def _read_repo(typed: str, ci_system: str) -> dict[str, str]:
    """Code host, path and clone URL of what somebody has typed or pasted."""
    typed = typed.strip().rstrip("/")
    if "://" not in typed:
        if "/" not in typed:
            raise forms.ValidationError("Name the owner as well: owner/name.")
        # Only the CI system says where a bare name is.
        host = "gitlab" if ci_system == "gitlab_ci" else "github"
        return _describe_repo(host, typed)
    parts = urlsplit(typed)
    for host in _HOSTED_CI:
        # Compared with the operators' hosts, so that no other address is ever called.
        if parts.netloc.lower() == urlsplit(_find_web(host)).netloc:
            return _describe_repo(host, parts.path)
    known = ", ".join(urlsplit(_find_web(host)).netloc for host in _HOSTED_CI)
    raise forms.ValidationError(f"This is not on one of the code hosts that repos are taken from: {known}.")


def _describe_repo(host: str, path: str) -> dict[str, str]:
    path = path.strip("/").removesuffix(".git")
    web = _find_web(host)
    # A stand-in on this machine speaks http, which is not cloned from by its address.
    clone_url = f"{web}/{path}.git" if web.startswith("https://") else ""
    return {"code_host": host, "code_host_path": path, "clone_url": clone_url}


def _find_web(host: str) -> str:
    """Where people see the repos of a code host: the host of its API, api.github.com's being github.com."""
    parts = urlsplit(settings.GITLAB_API_URL if host == "gitlab" else settings.GITHUB_API_URL)
    return f"{parts.scheme}://{parts.netloc.removeprefix('api.')}"
