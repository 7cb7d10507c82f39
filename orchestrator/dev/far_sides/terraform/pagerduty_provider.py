"""The used part of the provider PagerDuty/pagerduty, for tests: the same names, arguments and attributes.

It speaks to the PagerDuty of ``orchestrator.dev.far_sides``. ``tf`` needs an older protobuf than the product,
so this file runs in an environment of its own and imports neither the product nor its dependencies.
"""

import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from tf import runner, schema, types
from tf.iface import DataSource, Provider, Resource
from tf.utils import Diagnostics

_MISSING = 404


class PagerDutyProvider(Provider):
    """``token`` and ``api_url_override`` as the real one reads them, also from the environment."""

    def __init__(self) -> None:
        self.url = self.token = ""

    def get_model_prefix(self) -> str:
        return "pagerduty_"

    def full_name(self) -> str:
        return "registry.terraform.io/pagerduty/pagerduty"

    def get_provider_schema(self, diags: Diagnostics) -> schema.Schema:
        return schema.Schema(
            attributes=[
                schema.Attribute("token", types.String(), optional=True, sensitive=True),
                schema.Attribute("api_url_override", types.String(), optional=True),
                schema.Attribute("skip_credentials_validation", types.Bool(), optional=True),
            ]
        )

    def validate_config(self, diags: Diagnostics, config: dict[str, Any]) -> None:
        return None

    def configure_provider(self, diags: Diagnostics, config: dict[str, Any]) -> None:
        self.token = config.get("token") or os.environ.get("PAGERDUTY_TOKEN", "")
        self.url = config.get("api_url_override") or "https://api.pagerduty.com"
        if not self.token:
            diags.add_error("No token", "Set PAGERDUTY_TOKEN.")

    def get_data_sources(self) -> list[type[DataSource]]:
        return [EscalationPolicy]

    def get_resources(self) -> list[type[Resource]]:
        return [Service, ServiceIntegration]

    def call(self, method: str, path: str, body: Any = None) -> Any:
        headers = {
            "Authorization": f"Token token={self.token}",
            "Accept": "application/vnd.pagerduty+json;version=2",
            "Content-Type": "application/json",
        }
        data = None if body is None else json.dumps(body).encode()
        asked = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(asked, timeout=30) as answer:
                raw = answer.read()
        except urllib.error.HTTPError as error:
            if error.code == _MISSING:
                return None
            raise RuntimeError(f"{method} {path}: {error.code} {error.read()[:300]!r}") from error
        return json.loads(raw) if raw else {}


class EscalationPolicy(DataSource):
    """``data.pagerduty_escalation_policy``: by its name."""

    def __init__(self, provider: PagerDutyProvider) -> None:
        self.provider = provider

    @classmethod
    def get_name(cls) -> str:
        return "escalation_policy"

    @classmethod
    def get_schema(cls) -> schema.Schema:
        return schema.Schema(
            attributes=[
                schema.Attribute("name", types.String(), required=True),
                schema.Attribute("id", types.String(), computed=True),
            ]
        )

    def read(self, ctx: Any, config: dict[str, Any]) -> dict[str, Any] | None:
        # The API finds parts of names, so the whole name is compared here.
        query = urllib.parse.urlencode({"query": config["name"]})
        for one in self.provider.call("GET", f"/escalation_policies?{query}")["escalation_policies"]:
            if one["name"] == config["name"]:
                return {"name": one["name"], "id": one["id"]}
        ctx.diagnostics.add_error("Not found", f"There is no escalation policy {config['name']}.")
        return None


class Service(Resource):
    """``pagerduty_service``."""

    FIELDS = ("name", "description", "alert_creation", "acknowledgement_timeout", "auto_resolve_timeout")

    def __init__(self, provider: PagerDutyProvider) -> None:
        self.provider = provider

    @classmethod
    def get_name(cls) -> str:
        return "service"

    @classmethod
    def get_schema(cls) -> schema.Schema:
        optional = {"optional": True, "computed": True}
        return schema.Schema(
            attributes=[
                schema.Attribute("id", types.String(), computed=True),
                schema.Attribute("name", types.String(), required=True),
                schema.Attribute("escalation_policy", types.String(), required=True),
                schema.Attribute("description", types.String(), default="Managed by Terraform", **optional),
                schema.Attribute("alert_creation", types.String(), default="create_incidents", **optional),
                schema.Attribute("acknowledgement_timeout", types.String(), default="1800", **optional),
                schema.Attribute("auto_resolve_timeout", types.String(), default="14400", **optional),
            ]
        )

    def _build_body(self, planned: dict[str, Any]) -> dict[str, Any]:
        policy = {"id": planned["escalation_policy"], "type": "escalation_policy_reference"}
        body = {name: planned[name] for name in self.FIELDS}
        for name in ("acknowledgement_timeout", "auto_resolve_timeout"):
            # Terraform has these as texts, the API as numbers or null.
            body[name] = None if body[name] in {None, "null"} else int(body[name])
        return {"service": {"type": "service", "escalation_policy": policy, **body}}

    def _read_state(self, found: dict[str, Any]) -> dict[str, Any]:
        state = {name: found.get(name) for name in self.FIELDS}
        for name in ("acknowledgement_timeout", "auto_resolve_timeout"):
            state[name] = "null" if state[name] is None else str(state[name])
        return {"id": found["id"], "escalation_policy": found["escalation_policy"]["id"], **state}

    def create(self, ctx: Any, planned: dict[str, Any]) -> dict[str, Any]:
        return self._read_state(self.provider.call("POST", "/services", self._build_body(planned))["service"])

    def read(self, ctx: Any, current: dict[str, Any]) -> dict[str, Any] | None:
        found = self.provider.call("GET", f"/services/{current['id']}")
        return None if found is None else self._read_state(found["service"])

    def update(self, ctx: Any, current: dict[str, Any], planned: dict[str, Any]) -> dict[str, Any]:
        body = self._build_body(planned)
        return self._read_state(self.provider.call("PUT", f"/services/{current['id']}", body)["service"])

    def delete(self, ctx: Any, current: dict[str, Any]) -> None:
        self.provider.call("DELETE", f"/services/{current['id']}")

    def upgrade(self, ctx: Any, version: int, old: dict[str, Any]) -> dict[str, Any] | None:
        return old

    def import_(self, ctx: Any, id: str) -> dict[str, Any] | None:
        return self.read(ctx, {"id": id})


class ServiceIntegration(Resource):
    """``pagerduty_service_integration``; imported as SERVICE.INTEGRATION."""

    def __init__(self, provider: PagerDutyProvider) -> None:
        self.provider = provider

    @classmethod
    def get_name(cls) -> str:
        return "service_integration"

    @classmethod
    def get_schema(cls) -> schema.Schema:
        return schema.Schema(
            attributes=[
                schema.Attribute("id", types.String(), computed=True),
                schema.Attribute("service", types.String(), required=True, requires_replace=True),
                schema.Attribute("name", types.String(), optional=True, requires_replace=True),
                schema.Attribute("type", types.String(), optional=True, requires_replace=True),
                schema.Attribute("integration_key", types.String(), computed=True),
            ]
        )

    def _read_state(self, service: str, found: dict[str, Any]) -> dict[str, Any]:
        names = ("id", "name", "type", "integration_key")
        return {"service": service, **{name: found[name] for name in names}}

    def create(self, ctx: Any, planned: dict[str, Any]) -> dict[str, Any]:
        body = {"integration": {"type": planned["type"], "name": planned["name"]}}
        made = self.provider.call("POST", f"/services/{planned['service']}/integrations", body)
        return self._read_state(planned["service"], made["integration"])

    def read(self, ctx: Any, current: dict[str, Any]) -> dict[str, Any] | None:
        found = self.provider.call("GET", f"/services/{current['service']}/integrations/{current['id']}")
        return None if found is None else self._read_state(current["service"], found["integration"])

    def update(self, ctx: Any, current: dict[str, Any], planned: dict[str, Any]) -> dict[str, Any]:
        raise NotImplementedError("every argument replaces it")

    def delete(self, ctx: Any, current: dict[str, Any]) -> None:
        self.provider.call("DELETE", f"/services/{current['service']}/integrations/{current['id']}")

    def upgrade(self, ctx: Any, version: int, old: dict[str, Any]) -> dict[str, Any] | None:
        return old

    def import_(self, ctx: Any, id: str) -> dict[str, Any] | None:
        # As the real provider imports it.
        service, _, integration = id.partition(".")
        return self.read(ctx, {"service": service, "id": integration})


if __name__ == "__main__":
    runner.run_provider(PagerDutyProvider(), sys.argv)
