"""Objects that an earlier attempt has made and that no state knows: killed in the middle, or a lost state.

They are found by their name and carry our mark with the reference. One without the mark belongs to somebody
else, and is never taken over.
"""

import hashlib
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

import httpx2
from django.conf import settings

from onboarding.code_hosts.base import build_mark
from onboarding.step_protocol import FarSideTrouble
from orchestrator.core.errors import FixedBy, OrchestratorError

# The addresses in deploy/terraform/onboarding/main.tf.
SERVICE: Final = "pagerduty_service.repo"
INTEGRATION: Final = "pagerduty_service_integration.events"
DASHBOARD: Final = "grafana_dashboard.repo"
_SECONDS: Final = 10.0
_LONGEST_UID: Final = 40
_EVENTS: Final = "events_api_v2_inbound_integration"
_MISSING: Final = 404
_TOO_MANY: Final = 429
_SERVER_ERROR: Final = 500


class NotOurs(OrchestratorError):
    """An object of this name is there already, and not from this onboarding."""

    code = "onboarding:not-ours"
    fixed_by = FixedBy.OPERATOR
    http_status = 409


@dataclass(frozen=True, slots=True)
class FoundObjects:
    """Addresses in our module to the ids by which Terraform imports them."""

    ids: dict[str, str]


def name_service(repo_name: str) -> str:
    """The name of the repo's service in PagerDuty, as main.tf builds it."""
    return f"blocks {repo_name}"


def build_uid(repo_name: str) -> str:
    """The uid of the repo's dashboard, as main.tf builds it."""
    plain = repo_name.replace(".", "-")
    if plain == repo_name and len(plain) <= _LONGEST_UID:
        return plain
    # Cut names could meet; the digest of the whole one keeps them apart.
    return f"{plain[:31]}-{hashlib.sha256(repo_name.encode()).hexdigest()[:8]}"


def find_objects(repo_name: str, reference: str, known: Collection[str]) -> FoundObjects:
    """What is there for this request beside ``known``, the addresses that the state has.

    Raises ``NotOurs`` and ``FarSideTrouble``.
    """
    mark = build_mark(reference)
    found: dict[str, str] = {}
    # What the state knows is ours by its id, also where somebody has changed its text.
    if not {SERVICE, INTEGRATION} <= set(known):
        service = _find_service(name_service(repo_name))
        if service is not None:
            if SERVICE not in known:
                what = f"a PagerDuty service {service['name']!r}"
                _require_mark(mark, str(service.get("description")), what)
                found[SERVICE] = service["id"]
            # In a list its type ends in _reference.
            integrations = [one for one in service["integrations"] if one["type"].startswith(_EVENTS)]
            if integrations and INTEGRATION not in known:
                found[INTEGRATION] = f"{service['id']}.{integrations[0]['id']}"
    if DASHBOARD not in known:
        uid = build_uid(repo_name)
        dashboard = _ask("GET", f"{settings.GRAFANA_URL}/api/dashboards/uid/{uid}", _grafana_headers())
        if dashboard is not None:
            said = str(dashboard["dashboard"].get("description"))
            _require_mark(mark, said, f"a Grafana dashboard with the uid {uid!r}")
            found[DASHBOARD] = uid
    return FoundObjects(found)


def _require_mark(mark: str, text: str, what: str) -> None:
    # The whole mark: another onboarding of a repo of the same name is somebody else, too.
    if not re.search(re.escape(mark) + r"(?![\w-])", text):
        raise NotOurs(
            f"There is {what} already, and not from this onboarding.",
            cure="An operator renames or deletes it if nobody needs it; then retry.",
        )


def _find_service(name: str) -> dict[str, Any] | None:
    headers = {
        "Authorization": f"Token token={settings.PAGERDUTY_API_TOKEN}",
        "Accept": "application/vnd.pagerduty+json;version=2",
    }
    offset = 0
    while True:
        # It finds the words anywhere in a name, so there may be pages of others.
        query = {"query": name, "limit": "100", "offset": str(offset)}
        page = _ask("GET", f"{settings.PAGERDUTY_API_URL}/services", headers, query) or {}
        for one in page.get("services", []):
            if one["name"] == name:
                return dict(one)
        if not page.get("more"):
            return None
        offset += 100


def _grafana_headers() -> dict[str, str]:
    return {"Authorization": f"Bearer {settings.GRAFANA_TOKEN}"}


def _ask(method: str, url: str, headers: dict[str, str], params: dict[str, str] | None = None) -> Any:
    """The answer as JSON; None where nothing is there."""
    host = httpx2.URL(url).host
    try:
        answer = httpx2.request(method, url, headers=headers, params=params, timeout=_SECONDS)
    except httpx2.HTTPError as error:
        raise FarSideTrouble(f"{host} cannot be reached, or answers too slowly.") from error
    # Of a dashboard; a list is there, and empty.
    if answer.status_code == _MISSING:
        return None
    if answer.status_code == _TOO_MANY or answer.status_code >= _SERVER_ERROR:
        wished = answer.headers.get("Retry-After", "")
        raise FarSideTrouble(
            f"{host} answers {answer.status_code}.",
            retry_after_seconds=float(wished) if wished.isdigit() else None,
        )
    if answer.status_code >= 400:
        raise NotOurs(
            f"{host} refuses our credential ({answer.status_code}).",
            cure="An operator renews PAGERDUTY_API_TOKEN or GRAFANA_TOKEN; then retry.",
            code="onboarding:terraform-refused",
        )
    return answer.json()
