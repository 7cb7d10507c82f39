"""The self-service portal, which phase 7 opens to everybody."""

from collections.abc import Iterator

from django.conf import settings

from orchestrator.ops.preflight.check_protocol import ChecklistLine, LineAnswer, ask, judge


class PortalCheck:
    """Whether the form is open."""

    section = "Self-Service Portal"
    phases = (7,)
    lines = (
        ChecklistLine("portal-url", "URL: https://blocks.company.com/onboarding"),
        ChecklistLine("portal-form", "Repo owner fills form (repo name, domain, team lead)"),
        ChecklistLine("portal-checks", "Automated checks:"),
    )

    def look(self) -> Iterator[LineAnswer]:
        """The address from outside and the checks of a request are tried by a person."""
        yield judge(
            "portal-url",
            # The form itself is a layer above; whether it is open is a setting.
            settings.ONBOARDING_ENABLED,
            "/onboarding/ takes requests" if settings.ONBOARDING_ENABLED else "onboarding is closed",
            "Set ONBOARDING_ENABLED=true and restart.",
        )
        yield ask("portal-form", "people see the form", "Open /onboarding/ under its public name.")
        yield ask(
            "portal-checks",
            "a real request shows it",
            "Send a request for a repo: its host, its CI and the approval of its lead are checked.",
        )


CHECK = PortalCheck()
