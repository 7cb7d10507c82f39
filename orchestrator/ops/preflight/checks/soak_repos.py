"""The ten repos of the soak: each is registered, enabled, and not paused."""

from collections.abc import Iterator
from typing import Final

from orchestrator.ops.preflight.check_protocol import ChecklistLine, LineAnswer, judge
from orchestrator.repos.models import Repo

_WORDS: Final = {
    "compliance-service": "1. `compliance-service` (Basel-I domain, high priority)",
    "financial-reporting": "2. `financial-reporting` (revenue-critical, tight deadlines)",
    "observability-platform": "3. `observability-platform` (telemetry + dashboards)",
    "data-pipelines": "4. `data-pipelines` (ETL + data quality)",
    "api-gateway": "5. `api-gateway` (high-traffic, performance-sensitive)",
    "auth-service": "6. `auth-service` (security-critical, well-tested)",
    "notification-system": "7. `notification-system` (async workflows)",
    "analytics-platform": "8. `analytics-platform` (data science + ML)",
    "infra-automation": "9. `infra-automation` (IaC + Terraform)",
    "devops-tooling": "10. `devops-tooling` (CI/CD pipelines)",
}


class SoakReposCheck:
    """Reads the repos."""

    section = "Confirmed 10-Repo List"
    phases = (6,)
    lines = tuple(ChecklistLine(f"repo-{name}", words) for name, words in _WORDS.items())

    def look(self) -> Iterator[LineAnswer]:
        """REPO_ALLOWLIST counts, too."""
        # One query; ten lines.
        repos = {repo.name: repo for repo in Repo.objects.filter(name__in=_WORDS)}
        for name in _WORDS:
            state = _describe(repos.get(name))
            cure = f"Approve its onboarding in the admin, or add {name} to REPO_ALLOWLIST and end its pause."
            yield judge(f"repo-{name}", state == "enabled", state, cure)


def _describe(repo: Repo | None) -> str:
    if repo is None:
        return "not registered"
    if not repo.is_enabled:
        return "not enabled"
    return "paused" if repo.paused else "enabled"


CHECK = SoakReposCheck()
