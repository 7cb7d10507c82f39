"""Which services of onboarding are stand-ins on this machine: each, unless its own credentials are set."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class FarSideSettings:
    """``title`` is for people. Any of ``credentials`` makes it the real one. ``address`` leads to it."""

    title: str
    credentials: tuple[str, ...]
    address: str


FAR_SIDES: Final[dict[str, FarSideSettings]] = {
    "github": FarSideSettings("GitHub", ("GITHUB_TOKEN", "GITHUB_APP_ID"), "GITHUB_API_URL"),
    "gitlab": FarSideSettings("GitLab", ("GITLAB_TOKEN",), "GITLAB_API_URL"),
    "pagerduty": FarSideSettings("PagerDuty", ("PAGERDUTY_API_TOKEN",), "PAGERDUTY_API_URL"),
    "grafana": FarSideSettings("Grafana", ("GRAFANA_TOKEN",), "GRAFANA_URL"),
}
BY_TERRAFORM: Final = ("pagerduty", "grafana")
"""Those that Terraform reaches, by a provider that has to be the stand-in's too."""


def choose_local(values: Mapping[str, str]) -> tuple[str, ...]:
    """The names of those that have no credentials in ``values``, also not in a file."""

    # An address without a credential opens nothing, so it does not count.
    def is_set(name: str) -> bool:
        return bool(values.get(name) or values.get(f"{name}_FILE"))

    return tuple(name for name, one in FAR_SIDES.items() if not any(map(is_set, one.credentials)))


def describe_local(values: Mapping[str, str], local: Collection[str]) -> dict[str, str]:
    """A line for each that is local: what people call it, and where it is."""
    return {f"Local {FAR_SIDES[name].title}": values[FAR_SIDES[name].address] for name in local}
