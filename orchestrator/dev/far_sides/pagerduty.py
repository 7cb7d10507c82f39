"""PagerDuty's REST API on this machine: services, their integrations, escalation policies.

After its documentation (https://developer.pagerduty.com/api-reference): what it refuses, with its codes. The
events API, which pages people, is in ``orchestrator.dev.receivers``.
"""

import hashlib
import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from orchestrator.dev.far_sides.server import Answer, Asked, FarSide, FarSideFault, refuse_parameters

_VERSION: Final = "application/vnd.pagerduty+json;version=2"
_INVALID: Final = 2001
_NOT_FOUND: Final = 2100
_UNAUTHORIZED: Final = 2006
_SERVICE_FIELDS: Final = frozenset(
    {
        *("type", "name", "description", "escalation_policy", "alert_creation", "status", "id"),
        *("auto_resolve_timeout", "acknowledgement_timeout", "incident_urgency_rule"),
    }
)
_INTEGRATION_FIELDS: Final = frozenset({"type", "name", "service", "vendor", "id"})
_EVENTS: Final = "events_api_v2_inbound_integration"


class PagerDutyRefusal(Exception):
    """An answer other than success."""

    def __init__(self, status: int, code: int, *errors: str) -> None:
        super().__init__(", ".join(errors))
        message = {_INVALID: "Invalid Input Provided", _NOT_FOUND: "Not Found"}.get(code, "Unauthorized")
        self.answer = Answer(status, {"error": {"message": message, "code": code, "errors": list(errors)}})


@dataclass
class LocalPagerDuty(FarSide):
    """Services by id. ``tokens`` are API keys; those in ``read_only`` change nothing."""

    title: ClassVar[str] = "PagerDuty"
    tokens: set[str] = field(default_factory=set)
    read_only: set[str] = field(default_factory=set)
    policies: dict[str, str] = field(default_factory=lambda: {"PPOLICY": "flowengine"})
    """Escalation policies: id to name."""
    services: dict[str, dict[str, Any]] = field(default_factory=dict)
    numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def answer(self, asked: Asked) -> Answer:
        """The answer to one request."""
        self.asked.append(asked)
        try:
            self._check_caller(asked)
            return self._act(asked)
        except PagerDutyRefusal as refused:
            return refused.answer

    def dump(self) -> dict[str, Any]:
        """Services by name, with their integrations."""
        found = {}
        for one in self.services.values():
            # Ids are new after each creation, so they would make equal states differ.
            shown = {key: value for key, value in one.items() if key not in {"id", "integrations"}}
            integrations = [[each["type"], each["name"]] for each in one["integrations"]]
            found[one["name"]] = shown | {"integrations": integrations}
        return found

    def _check_caller(self, asked: Asked) -> None:
        # Its own scheme, older than bearer tokens.
        found = re.fullmatch(r"Token token=(\S+)", asked.headers.get("authorization", ""))
        if not found or found[1] not in self.tokens:
            raise PagerDutyRefusal(401, _UNAUTHORIZED)
        if asked.headers.get("accept") != _VERSION:
            raise FarSideFault(f"the Accept header is {asked.headers.get('accept')!r}")
        if asked.method != "GET" and found[1] in self.read_only:
            raise PagerDutyRefusal(403, 2010, "Access Denied")

    def _act(self, asked: Asked) -> Answer:
        for method, pattern, action in _ACTIONS:
            found = re.fullmatch(pattern, asked.path)
            if found and method == asked.method:
                return action(self, asked, list(found.groups()))
        raise FarSideFault(f"{asked.method} {asked.path} is not known here")

    def _list_policies(self, asked: Asked, _: list[str]) -> Answer:
        rows = [{"id": key, "type": "escalation_policy", "name": name} for key, name in self.policies.items()]
        return _give_page(asked, "escalation_policies", rows)

    def _list_services(self, asked: Asked, _: list[str]) -> Answer:
        return _give_page(asked, "services", [_show_service(one) for one in self.services.values()])

    def _create_service(self, asked: Asked, _: list[str]) -> Answer:
        given = self._read_service(asked)
        # Names of services are unique: a second try after a lost answer meets this.
        if any(one["name"] == given["name"] for one in self.services.values()):
            raise PagerDutyRefusal(400, _INVALID, "Name has already been taken")
        key = f"PSVC{next(self.numbers):04d}"
        made = {"id": key, "type": "service", "status": "active", "integrations": [], **given}
        self.services[key] = made
        return Answer(201, {"service": _show_service(made)})

    def _read_service(self, asked: Asked) -> dict[str, Any]:
        given: dict[str, Any] = (asked.body or {}).get("service") or {}
        unknown = set(given) - _SERVICE_FIELDS
        if unknown:
            raise FarSideFault(f"a service has no field {sorted(unknown)}")
        errors = []
        if not given.get("name"):
            errors.append("Name can't be blank.")
        # Of its list of characters that a name may not have.
        if re.search(r"[\\&<>%\x00-\x1f]", given.get("name", "")):
            errors.append("Name contains illegal characters.")
        policy = (given.get("escalation_policy") or {}).get("id")
        if policy not in self.policies:
            errors.append("Escalation policy must exist")
        if errors:
            raise PagerDutyRefusal(400, _INVALID, *errors)
        # The client does not choose an id.
        return {name: value for name, value in given.items() if name not in {"id", "type"}}

    def _find_service(self, key: str) -> dict[str, Any]:
        if key not in self.services:
            raise PagerDutyRefusal(404, _NOT_FOUND)
        return self.services[key]

    def _give_service(self, asked: Asked, parts: list[str]) -> Answer:
        refuse_parameters(asked, {"include[]"})
        return Answer(200, {"service": _show_service(self._find_service(parts[0]))})

    def _change_service(self, asked: Asked, parts: list[str]) -> Answer:
        found, given = self._find_service(parts[0]), self._read_service(asked)
        others = {one["name"] for key, one in self.services.items() if key != parts[0]}
        if given["name"] in others:
            raise PagerDutyRefusal(400, _INVALID, "Name has already been taken")
        found.update(given)
        return Answer(200, {"service": _show_service(found)})

    def _delete_service(self, asked: Asked, parts: list[str]) -> Answer:
        refuse_parameters(asked)
        self._find_service(parts[0])
        del self.services[parts[0]]
        return Answer(204, None)

    def _create_integration(self, asked: Asked, parts: list[str]) -> Answer:
        service = self._find_service(parts[0])
        given: dict[str, Any] = (asked.body or {}).get("integration") or {}
        unknown = set(given) - _INTEGRATION_FIELDS
        if unknown:
            raise FarSideFault(f"an integration has no field {sorted(unknown)}")
        if given.get("type") != _EVENTS:
            raise PagerDutyRefusal(400, _INVALID, "Type is not known")
        number = next(self.numbers)
        made = {
            "id": f"PINT{number:04d}",
            "type": _EVENTS,
            "name": given.get("name") or "Events API V2",
            "integration_key": hashlib.sha256(f"{parts[0]}-{number}".encode()).hexdigest()[:32],
        }
        service["integrations"].append(made)
        return Answer(201, {"integration": made})

    def _handle_integration(self, asked: Asked, parts: list[str]) -> Answer:
        service = self._find_service(parts[0])
        for one in service["integrations"]:
            # Below its own service only.
            if one["id"] == parts[1]:
                if asked.method == "DELETE":
                    service["integrations"].remove(one)
                    return Answer(204, None)
                return Answer(200, {"integration": one})
        raise PagerDutyRefusal(404, _NOT_FOUND)


def _show_service(one: dict[str, Any]) -> dict[str, Any]:
    # A service lists its integrations without their keys; each is asked for by itself.
    references = [
        {"id": each["id"], "type": f"{each['type']}_reference", "summary": each["name"]}
        for each in one["integrations"]
    ]
    return one | {"integrations": references, "summary": one["name"]}


def _give_page(asked: Asked, name: str, rows: list[dict[str, Any]]) -> Answer:
    """PagerDuty's pages go by offset, and ``more`` says whether there is another."""
    refuse_parameters(asked, {"query", "limit", "offset", "total", "include[]"})
    # Any part of the name, so a client has to compare the whole.
    wanted = asked.params.get("query", "").lower()
    found = [one for one in rows if wanted in one["name"].lower()]
    start, size = int(asked.params.get("offset", 0)), min(int(asked.params.get("limit", 25)), 100)
    more = start + size < len(found)
    return Answer(
        200,
        {name: found[start : start + size], "limit": size, "offset": start, "more": more, "total": None},
    )


_Action = Callable[[LocalPagerDuty, Asked, list[str]], Answer]
_ACTIONS: Final[tuple[tuple[str, str, _Action], ...]] = (
    ("GET", "/escalation_policies", LocalPagerDuty._list_policies),
    ("GET", "/services", LocalPagerDuty._list_services),
    ("POST", "/services", LocalPagerDuty._create_service),
    ("GET", r"/services/(\w+)", LocalPagerDuty._give_service),
    ("PUT", r"/services/(\w+)", LocalPagerDuty._change_service),
    ("DELETE", r"/services/(\w+)", LocalPagerDuty._delete_service),
    ("POST", r"/services/(\w+)/integrations", LocalPagerDuty._create_integration),
    ("GET", r"/services/(\w+)/integrations/(\w+)", LocalPagerDuty._handle_integration),
    ("DELETE", r"/services/(\w+)/integrations/(\w+)", LocalPagerDuty._handle_integration),
)
