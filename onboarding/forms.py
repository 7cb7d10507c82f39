"""The form of a repo owner."""

from typing import TYPE_CHECKING, Any

from django import forms

from onboarding.models import OnboardingRequest
from orchestrator.repos import clone_urls


# A person types the name as the code host shows it; the validator of the model takes lower case only.
class LowerCaseField(forms.CharField):
    """Text in lower case, before it is checked."""

    def to_python(self, value: Any) -> Any:
        """``value`` in lower case, without blanks around it."""
        return str(super().to_python(value) or "").lower()


if TYPE_CHECKING:
    _Base = forms.ModelForm[OnboardingRequest]
else:  # generic in its types only
    _Base = forms.ModelForm


class OnboardingForm(_Base):
    """Repo, domain, team lead. Whether the repo is known already, the engine says."""

    class Meta:
        model = OnboardingRequest
        field_classes = {"repo_name": LowerCaseField}
        # Unique names are the engine's.
        fields = ["repo_name", "block_family", "team_lead", "clone_url"]
        labels = {
            "repo_name": "Repository",
            "block_family": "Domain",
            "team_lead": "Team lead's e-mail address",
            "clone_url": "Clone URL (may stay empty)",
        }
        help_texts = {
            "repo_name": "As it is called in your code host, in lower case: compliance-service.",
            "block_family": "What it is about: regulatory, reporting, payments.",
            "team_lead": "Who answers for the repo, and is told when it is enabled.",
            "clone_url": "https://host/owner/repo.git",
        }
        widgets = {
            "repo_name": forms.TextInput(
                attrs={"autocapitalize": "off", "autocomplete": "off", "spellcheck": "false"}
            ),
            "team_lead": forms.EmailInput(attrs={"autocomplete": "email"}),
            "clone_url": forms.TextInput(
                attrs={"autocapitalize": "off", "autocomplete": "off", "spellcheck": "false"}
            ),
        }

    def clean_clone_url(self) -> str:
        """Empty, or an address that the repo can be registered with."""
        # Only its form is checked here: the host is resolved before each clone, as its answer may change.
        url = str(self.cleaned_data["clone_url"]).strip()
        if url:
            clone_urls.validate_clone_url(url)
        return url
