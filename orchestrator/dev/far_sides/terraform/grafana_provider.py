"""The used part of the provider grafana/grafana, for tests: the same names, arguments and attributes."""

import json
import os
import sys
import urllib.error
import urllib.request
from typing import Any

from tf import runner, schema, types
from tf.iface import DataSource, Provider, Resource
from tf.utils import Diagnostics

_MISSING = 404
# What Grafana itself adds to a dashboard.
_ADDED = ("id", "version")


class GrafanaProvider(Provider):
    """``url`` and ``auth`` as the real one reads them, also from the environment."""

    def __init__(self) -> None:
        self.url = self.auth = ""

    def get_model_prefix(self) -> str:
        return "grafana_"

    def full_name(self) -> str:
        return "registry.terraform.io/grafana/grafana"

    def get_provider_schema(self, diags: Diagnostics) -> schema.Schema:
        return schema.Schema(
            attributes=[
                schema.Attribute("url", types.String(), optional=True),
                schema.Attribute("auth", types.String(), optional=True, sensitive=True),
            ]
        )

    def validate_config(self, diags: Diagnostics, config: dict[str, Any]) -> None:
        return None

    def configure_provider(self, diags: Diagnostics, config: dict[str, Any]) -> None:
        self.url = config.get("url") or os.environ.get("GRAFANA_URL", "")
        self.auth = config.get("auth") or os.environ.get("GRAFANA_AUTH", "")
        if not self.url or not self.auth:
            diags.add_error("No access", "Set GRAFANA_URL and GRAFANA_AUTH.")

    def get_data_sources(self) -> list[type[DataSource]]:
        return []

    def get_resources(self) -> list[type[Resource]]:
        return [GrafanaDashboard]

    def call(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {self.auth}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        asked = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(asked, timeout=30) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            if error.code == _MISSING:
                return None
            raise RuntimeError(f"{method} {path}: {error.code} {error.read()[:300]!r}") from error


class GrafanaDashboard(Resource):
    """``grafana_dashboard``; imported by its uid. ``config_json`` is compared as JSON."""

    def __init__(self, provider: GrafanaProvider) -> None:
        self.provider = provider

    @classmethod
    def get_name(cls) -> str:
        return "dashboard"

    @classmethod
    def get_schema(cls) -> schema.Schema:
        return schema.Schema(
            attributes=[
                schema.Attribute("id", types.String(), computed=True),
                schema.Attribute("uid", types.String(), computed=True),
                schema.Attribute("url", types.String(), computed=True),
                schema.Attribute("config_json", types.NormalizedJson(), required=True),
                schema.Attribute("folder", types.String(), optional=True),
                schema.Attribute("overwrite", types.Bool(), optional=True),
            ]
        )

    def _save(self, planned: dict[str, Any], version: int | None = None) -> dict[str, Any]:
        # The framework has parsed it already.
        model = dict(planned["config_json"])
        if version is not None:
            model["version"] = version
        body = {"dashboard": model, "overwrite": bool(planned.get("overwrite"))}
        if planned.get("folder"):
            body["folderUid"] = planned["folder"]
        made = self.provider.call("POST", "/api/dashboards/db", body)
        return {
            "id": f"1:{made['uid']}",
            "uid": made["uid"],
            "url": self.provider.url + made["url"],
            "config_json": planned["config_json"],
            "folder": planned.get("folder"),
            "overwrite": planned.get("overwrite"),
        }

    def create(self, ctx: Any, planned: dict[str, Any]) -> dict[str, Any]:
        return self._save(planned)

    def read(self, ctx: Any, current: dict[str, Any]) -> dict[str, Any] | None:
        # The id has the organisation before the uid; an import may leave it out.
        uid = current["id"].rpartition(":")[2]
        found = self.provider.call("GET", f"/api/dashboards/uid/{uid}")
        if found is None:
            return None
        model = {name: value for name, value in found["dashboard"].items() if name not in _ADDED}
        return {
            "id": f"1:{uid}",
            "uid": uid,
            "url": self.provider.url + found["meta"]["url"],
            "config_json": model,
            "folder": found["meta"]["folderUid"] or None,
            "overwrite": current.get("overwrite"),
        }

    def update(self, ctx: Any, current: dict[str, Any], planned: dict[str, Any]) -> dict[str, Any]:
        uid = current["id"].rpartition(":")[2]
        found = self.provider.call("GET", f"/api/dashboards/uid/{uid}")
        return self._save(planned, found["meta"]["version"])

    def delete(self, ctx: Any, current: dict[str, Any]) -> None:
        self.provider.call("DELETE", f"/api/dashboards/uid/{current['id'].rpartition(':')[2]}")

    def upgrade(self, ctx: Any, version: int, old: dict[str, Any]) -> dict[str, Any] | None:
        return old

    def import_(self, ctx: Any, id: str) -> dict[str, Any] | None:
        return self.read(ctx, {"id": id})


if __name__ == "__main__":
    runner.run_provider(GrafanaProvider(), sys.argv)
