"""Grafana's HTTP API on this machine: folders and dashboards, with the versions that refuse stale writes.

After its documentation (https://grafana.com/docs/grafana/latest/developers/http_api/). It draws nothing.
"""

import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from orchestrator.dev.far_sides.server import Answer, Asked, FarSide, FarSideFault, refuse_parameters

_UID: Final = re.compile(r"[A-Za-z0-9_-]{1,40}")
_SAVE_FIELDS: Final = frozenset({"dashboard", "folderUid", "message", "overwrite"})


class GrafanaRefusal(Exception):
    """An answer other than success."""

    def __init__(self, status: int, message: str, kind: str = "") -> None:
        super().__init__(message)
        self.answer = Answer(status, {"message": message} | ({"status": kind} if kind else {}))


@dataclass
class LocalGrafana(FarSide):
    """Dashboards by uid. ``tokens`` are those of service accounts."""

    title: ClassVar[str] = "Grafana"
    tokens: set[str] = field(default_factory=set)
    folders: dict[str, str] = field(default_factory=lambda: {"blocks": "Blocks"})
    """uid to title."""
    dashboards: dict[str, dict[str, Any]] = field(default_factory=dict)
    """uid to the model as it was saved; ``folder`` and ``version`` are beside it."""
    numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def answer(self, asked: Asked) -> Answer:
        """The answer to one request."""
        self.asked.append(asked)
        # Also for what is not there: Grafana checks the caller first.
        if asked.bearer not in self.tokens:
            return Answer(401, {"message": "Invalid API key"})
        try:
            for method, pattern, action in _ACTIONS:
                found = re.fullmatch(pattern, asked.path)
                if found and method == asked.method:
                    return action(self, asked, list(found.groups()))
        except GrafanaRefusal as refused:
            return refused.answer
        raise FarSideFault(f"{asked.method} {asked.path} is not known here")

    def dump(self) -> dict[str, Any]:
        """Folders and dashboards, without ids and versions, which never go back."""
        shown = {
            uid: {"folder": one["folder"], "model": _strip_model(one["model"])}
            for uid, one in self.dashboards.items()
        }
        return {"folders": dict(self.folders), "dashboards": shown}

    def _give_folder(self, asked: Asked, parts: list[str]) -> Answer:
        refuse_parameters(asked)
        if parts[0] not in self.folders:
            raise GrafanaRefusal(404, "folder not found", "not-found")
        return Answer(200, {"id": 1, "uid": parts[0], "title": self.folders[parts[0]], "version": 1})

    def _save_dashboard(self, asked: Asked, _: list[str]) -> Answer:
        unknown = set(asked.body) - _SAVE_FIELDS
        if unknown:
            raise FarSideFault(f"a dashboard is not saved with {sorted(unknown)}")
        model = dict(asked.body["dashboard"])
        uid, folder = model.get("uid") or "", asked.body.get("folderUid") or ""
        self._refuse_model(model, uid, folder)
        there = self.dashboards.get(uid)
        # A writer who has not seen the newest version is refused unless it says overwrite.
        is_stale = there is not None and model.get("version") != there["version"]
        if is_stale and asked.body.get("overwrite") is not True:
            raise GrafanaRefusal(412, "The dashboard has been changed by someone else", "version-mismatch")
        # The version counts on; nobody chooses it.
        version = there["version"] + 1 if there else 1
        number = there["model"]["id"] if there else next(self.numbers)
        model |= {"uid": uid, "id": number, "version": version}
        self.dashboards[uid] = {"model": model, "folder": folder, "version": version}
        return Answer(
            200,
            {
                "id": number,
                "uid": uid,
                "url": f"/d/{uid}/{_build_slug(model['title'])}",
                "status": "success",
                "version": version,
                "slug": _build_slug(model["title"]),
            },
        )

    def _refuse_model(self, model: dict[str, Any], uid: str, folder: str) -> None:
        if not model.get("title"):
            raise GrafanaRefusal(400, "Dashboard title cannot be empty", "empty-name")
        if not _UID.fullmatch(uid):
            raise GrafanaRefusal(400, "uid contains illegal characters", "invalid-uid")
        # Exported dashboards carry the id of another Grafana.
        if model.get("id") is not None and uid not in self.dashboards:
            raise GrafanaRefusal(404, "Dashboard not found", "not-found")
        if folder and folder not in self.folders:
            raise GrafanaRefusal(400, "folder not found", "not-found")

    def _find_dashboard(self, uid: str) -> dict[str, Any]:
        if uid not in self.dashboards:
            raise GrafanaRefusal(404, "Dashboard not found", "not-found")
        return self.dashboards[uid]

    def _give_dashboard(self, asked: Asked, parts: list[str]) -> Answer:
        refuse_parameters(asked)
        found = self._find_dashboard(parts[0])
        slug = _build_slug(found["model"]["title"])
        meta = {
            "slug": slug,
            "url": f"/d/{parts[0]}/{slug}",
            "version": found["version"],
            "folderUid": found["folder"],
            "folderTitle": self.folders.get(found["folder"], "General"),
        }
        return Answer(200, {"dashboard": found["model"], "meta": meta})

    def _delete_dashboard(self, asked: Asked, parts: list[str]) -> Answer:
        refuse_parameters(asked)
        found = self._find_dashboard(parts[0])
        del self.dashboards[parts[0]]
        title = found["model"]["title"]
        return Answer(
            200, {"title": title, "message": f"Dashboard {title} deleted", "id": found["model"]["id"]}
        )


def _build_slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def _strip_model(model: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in model.items() if name not in {"id", "version"}}


_Action = Callable[[LocalGrafana, Asked, list[str]], Answer]
_ACTIONS: Final[tuple[tuple[str, str, _Action], ...]] = (
    ("GET", r"/api/folders/([^/]+)", LocalGrafana._give_folder),
    ("POST", "/api/dashboards/db", LocalGrafana._save_dashboard),
    ("GET", r"/api/dashboards/uid/([^/]+)", LocalGrafana._give_dashboard),
    ("DELETE", r"/api/dashboards/uid/([^/]+)", LocalGrafana._delete_dashboard),
)
