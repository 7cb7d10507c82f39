"""GitLab as a job meets it: merge requests and notes with state.

GitLab publishes no complete description of its REST API. The shapes, limits and refusals here follow its
documentation of merge requests, notes, branches (compare) and users; only fields that it lists are answered,
and a field or a parameter that it does not list is refused.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.blocks.ci.platform_server import Answer, Asked, Remote, build_link

PROJECT = "42"
BOT = {"id": 77, "username": "project_42_bot", "name": "blocks", "state": "active", "web_url": "x"}
_FIELDS = {
    "merge_requests": {"title", "description", "source_branch", "target_branch", "remove_source_branch"},
    "merge_request": {"title", "description", "state_event", "target_branch"},
    "note": {"body"},
}
_PARAMETERS = {
    "merge_requests": {"state", "source_branch", "target_branch", "per_page", "page"},
    "notes": {"sort", "order_by", "per_page", "page"},
    "compare": {"from", "to"},
    "user": set(),
}
_MOST_CHARACTERS = 1_000_000


class Refused(Exception):
    """An answer other than success."""

    def __init__(self, status: int, message: Any) -> None:
        super().__init__(str(message))
        self.answer = Answer(status, {"message": message})


@dataclass
class GitLabServer:
    """One project. ``tokens`` maps a token to its scopes."""

    remote: Remote
    tokens: dict[str, set[str]]
    faults: list[str] = field(default_factory=list)
    merge_requests: list[dict[str, Any]] = field(default_factory=list)
    notes: list[dict[str, Any]] = field(default_factory=list)
    issues: set[int] = field(default_factory=set)

    def answer(self, asked: Asked) -> Answer:
        """The answer to one request."""
        if asked.bearer not in self.tokens:
            return Answer(401, {"message": "401 Unauthorized"})
        if "api" not in self.tokens[asked.bearer]:
            return Answer(403, {"error": "insufficient_scope", "error_description": "x", "scope": "api"})
        try:
            return self._act(asked)
        except Refused as refused:
            return refused.answer

    def _act(self, asked: Asked) -> Answer:
        if asked.path == "/user":
            self._check(asked, _PARAMETERS["user"])
            return Answer(200, BOT)
        found = re.fullmatch(r"/projects/([^/]+)(/.*)", asked.path)
        if not found or found[1] != PROJECT:
            raise Refused(404, "404 Project Not Found")
        path = found[2]
        if path == "/repository/compare":
            return self._compare(asked)
        if path == "/merge_requests":
            return self._list_requests(asked) if asked.method == "GET" else self._create_request(asked)
        if one := re.fullmatch(r"/merge_requests/(\d+)", path):
            return self._change_request(asked, int(one[1]))
        if one := re.fullmatch(r"/(issues|merge_requests)/(\d+)/notes(?:/(\d+))?", path):
            return self._handle_notes(asked, (one[1], int(one[2])), one[3])
        raise AssertionError(f"{asked.method} {asked.path} is not known here")

    def _check(self, asked: Asked, parameters: set[str], fields: set[str] | None = None) -> None:
        unknown = set(asked.params) - parameters | set(asked.body or {}) - (fields or set())
        if unknown:
            raise AssertionError(f"{asked.path} does not take {sorted(unknown)}")

    def _compare(self, asked: Asked) -> Answer:
        self._check(asked, _PARAMETERS["compare"])
        for branch in asked.params.values():
            if not self.remote.has_branch(branch):
                raise Refused(404, "404 Ref Not Found")
        count = self.remote.count_commits(asked.params["from"], asked.params["to"])
        commits = [{"id": "x", "short_id": "x", "title": "x"}] * count
        return Answer(200, {"commit": None, "commits": commits, "diffs": [], "compare_same_ref": not count})

    def _list_requests(self, asked: Asked) -> Answer:
        self._check(asked, _PARAMETERS["merge_requests"])
        wanted = {name: asked.params[name] for name in asked.params if name not in {"per_page", "page"}}
        found = [
            one for one in self.merge_requests if all(one[name] == value for name, value in wanted.items())
        ]
        return self._give_page(asked, found)

    def _create_request(self, asked: Asked) -> Answer:
        self._check(asked, set(), _FIELDS["merge_requests"])
        body = asked.body
        for name in ("title", "source_branch", "target_branch"):
            if not body.get(name):
                return Answer(400, {"error": f"{name} is missing"})
        for open_one in self.merge_requests:
            if open_one["state"] == "opened" and open_one["source_branch"] == body["source_branch"]:
                message = (
                    f"Another open merge request already exists for this source branch: !{open_one['iid']}"
                )
                raise Refused(409, [message])
        for name in ("source_branch", "target_branch"):
            if not self.remote.has_branch(body[name]):
                raise Refused(400, {"base": [f'{name.capitalize()} "{body[name]}" does not exist']})
        iid = len(self.merge_requests) + 1
        made = {
            "id": 5000 + iid,
            "iid": iid,
            "project_id": int(PROJECT),
            "title": body["title"],
            "description": body.get("description"),
            "state": "opened",
            "source_branch": body["source_branch"],
            "target_branch": body["target_branch"],
            "author": BOT,
            "web_url": f"https://gitlab.example.org/acme/compliance-service/-/merge_requests/{iid}",
        }
        self.merge_requests.append(made)
        return Answer(201, made)

    def _change_request(self, asked: Asked, iid: int) -> Answer:
        self._check(asked, set(), _FIELDS["merge_request"])
        assert asked.method == "PUT"
        for one in self.merge_requests:
            if one["iid"] == iid:
                one.update(asked.body)
                return Answer(200, one)
        raise Refused(404, "404 Not found")

    def _handle_notes(self, asked: Asked, subject: tuple[str, int], note_id: str | None) -> Answer:
        kind, number = subject
        known = {one["iid"] for one in self.merge_requests} if kind == "merge_requests" else self.issues
        if number not in known:
            raise Refused(404, "404 Not found")
        if asked.method == "GET":
            self._check(asked, _PARAMETERS["notes"])
            found = [one for one in self.notes if one["subject"] == subject]
            if asked.params.get("sort", "desc") == "desc":
                found.reverse()
            return self._give_page(asked, found)
        self._check(asked, set(), _FIELDS["note"])
        if not asked.body.get("body") or len(asked.body["body"]) > _MOST_CHARACTERS:
            return Answer(400, {"error": "body is missing"})
        if asked.method == "POST":
            return Answer(201, _show_note(self.add_note(subject, asked.body["body"])))
        assert asked.method == "PUT"
        for note in self.notes:
            if str(note["id"]) == note_id and note["subject"] == subject:
                if note["author"] != BOT:
                    raise Refused(403, "403 Forbidden")
                note.update(asked.body)
                return Answer(200, _show_note(note))
        raise Refused(404, "404 Not found")

    def add_note(
        self, subject: tuple[str, int], body: str, author: Mapping[str, Any] = BOT
    ) -> dict[str, Any]:
        """A note that is there, or that a person writes."""
        made = {"id": 300 + len(self.notes), "body": body, "author": author, "system": False}
        self.notes.append(made | {"subject": subject})
        return self.notes[-1]

    def _give_page(self, asked: Asked, found: list[dict[str, Any]]) -> Answer:
        size = min(int(asked.params.get("per_page", 20)), 100)
        page = int(asked.params.get("page", 1))
        pages = max(1, -(-len(found) // size))
        shown = [_show_note(one) for one in found[(page - 1) * size : page * size]]
        return Answer(200, shown, build_link("https://gitlab.example.org/api/v4", asked, page, pages))


def _show_note(note: Mapping[str, Any]) -> dict[str, Any]:
    """Without what only this server keeps of it."""
    return {name: value for name, value in note.items() if name != "subject"}
