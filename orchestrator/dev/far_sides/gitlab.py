"""GitLab on this machine: projects with git behind them, merge requests, variables, deploy tokens.

GitLab publishes no complete description of its REST API. The shapes, limits and refusals here follow its
documentation of projects, repositories, commits, branches, merge requests, notes, variables, deploy tokens
and users; only fields that it lists are answered, and a field or a parameter that it does not list is
refused.
"""

import base64
import binascii
import hashlib
import itertools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Final
from urllib.parse import unquote

from orchestrator.dev.far_sides.git_storage import Remote
from orchestrator.dev.far_sides.server import Answer, Asked, FarSide, FarSideFault, build_link

BOT: Final = {"id": 77, "username": "project_42_bot", "name": "blocks", "state": "active", "web_url": "x"}
EVERYTHING: Final = frozenset({"api", "write_repository"})
"""What a token for onboarding has."""
_PAGES: Final = frozenset({"per_page", "page"})
_REQUEST_FIELDS: Final = frozenset(
    {"title", "description", "source_branch", "target_branch", "remove_source_branch", "squash"}
)
_VARIABLE_FIELDS: Final = frozenset(
    {
        *("key", "value", "description", "environment_scope", "masked", "masked_and_hidden"),
        *("protected", "raw", "variable_type"),
    }
)
_MOST_CHARACTERS: Final = 1_000_000
_LEAST_MASKED: Final = 8
_LIMIT: Final = 2000
# https://docs.gitlab.com/ci/variables/#mask-a-cicd-variable
_MASKABLE: Final = re.compile(r"[A-Za-z0-9@:.~_=+/-]+")
_READS_CODE: Final = "read_repository"


class GitLabRefusal(Exception):
    """An answer other than success."""

    def __init__(self, status: int, message: Any, *, key: str = "message") -> None:
        super().__init__(str(message))
        self.answer = Answer(status, {key: message})


@dataclass
class GitLabProject:
    """One project. ``private`` ones are seen by the tokens in ``seen_by``."""

    path: str
    remote: Remote
    number: int = 42
    default_branch: str = "main"
    private: bool = False
    archived: bool = False
    protected: set[str] = field(default_factory=set)
    seen_by: set[str] | None = None
    merge_requests: list[dict[str, Any]] = field(default_factory=list)
    notes: list[dict[str, Any]] = field(default_factory=list)
    issues: set[int] = field(default_factory=set)
    variables: dict[str, dict[str, Any]] = field(default_factory=dict)
    deploy_tokens: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class LocalGitLab(FarSide):
    """Projects and tokens. A token has scopes."""

    title: ClassVar[str] = "GitLab"
    projects: list[GitLabProject] = field(default_factory=list)
    tokens: dict[str, frozenset[str] | set[str]] = field(default_factory=dict)
    moved: dict[str, int] = field(default_factory=dict)
    numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    requests: int = 0

    def add_project(self, path: str, folder: Path, **facts: Any) -> GitLabProject:
        """A project that is empty; ``folder`` is where all are kept."""
        branch = facts.get("default_branch", "main")
        remote = Remote.create(folder / f"{path.replace('/', '+')}.git", branch)
        made = GitLabProject(path, remote, number=500 + len(self.projects), **facts)
        self.projects.append(made)
        return made

    def rename(self, project: GitLabProject, path: str) -> None:
        """Move a project; its old address leads to it."""
        self.moved[project.path.lower()] = project.number
        project.path = path

    def answer(self, asked: Asked) -> Answer:
        """The answer to one request."""
        # git asks by the address that people clone from; groups nest.
        if found := re.fullmatch(r"/(.+?)(?:\.git)?(/(?:info/refs|git-upload-pack))", asked.path):
            return self._serve_git(asked, found[1], found[2])
        self.asked.append(asked)
        self.requests += 1
        try:
            self._check_caller(asked)
            answer = self._act(asked)
        except GitLabRefusal as refused:
            answer = refused.answer
        limits = {
            "RateLimit-Limit": str(_LIMIT),
            "RateLimit-Observed": str(self.requests),
            "RateLimit-Remaining": str(max(0, _LIMIT - self.requests)),
        }
        return Answer(answer.status, answer.body, {**limits, **answer.headers})

    def dump(self) -> dict[str, Any]:
        """Projects with branches, open merge requests, variables as digests, deploy tokens."""
        return {one.path: _dump_project(one) for one in self.projects}

    def _read_token(self, asked: Asked) -> str:
        # Personal tokens come in a header of their own, tokens of OAuth as bearer.
        return asked.bearer or asked.headers.get("private-token", "")

    def _check_caller(self, asked: Asked) -> None:
        token = self._read_token(asked)
        if token not in self.tokens:
            raise GitLabRefusal(401, "401 Unauthorized")
        # The scope comes before the project: a weak token does not learn what is there.
        if "api" not in self.tokens[token]:
            refused = GitLabRefusal(403, "insufficient_scope", key="error")
            refused.answer.body.update({"error_description": "x", "scope": "api"})
            raise refused

    def _serve_git(self, asked: Asked, path: str, rest: str) -> Answer:
        """git's own protocol: a private project wants a deploy token, or a token that reads code."""
        scheme, _, given = asked.headers.get("authorization", "").partition(" ")
        user = secret = ""
        if scheme.lower() == "basic":
            user, _, secret = base64.b64decode(given).decode("utf-8", "replace").partition(":")
        project = next((one for one in self.projects if one.path.lower() == path.lower()), None)
        if project is None or (project.private and not self._may_read(project, user, secret)):
            headers = {"WWW-Authenticate": 'Basic realm="GitLab"', "Content-Type": "text/plain"}
            return Answer(401, b"HTTP Basic: Access denied.", headers)
        return project.remote.answer_git(asked, rest)

    def _may_read(self, project: GitLabProject, user: str, secret: str) -> bool:
        for one in project.deploy_tokens:
            ends = one["expires_at"]
            # An expired deploy token stays in the list and opens nothing.
            is_live = ends is None or datetime.fromisoformat(ends) > datetime.now(UTC)
            if (one["username"], one["token"]) == (user, secret) and is_live:
                return _READS_CODE in one["scopes"]
        return secret in self.tokens and (project.seen_by is None or secret in project.seen_by)

    def _act(self, asked: Asked) -> Answer:
        path = asked.path.removeprefix("/api/v4")
        if path == "/user":
            _check(asked)
            return Answer(200, BOT)
        found = re.fullmatch(r"/projects/([^/]+)(/.*)?", path)
        if not found:
            raise FarSideFault(f"{asked.method} {asked.path} is not known here")
        project = self._find_project(asked, unquote(found[1]), found[2] or "")
        for method, pattern, action in _ACTIONS:
            match = re.fullmatch(pattern, found[2] or "")
            if method == asked.method and match:
                if method != "GET" and project.archived:
                    raise GitLabRefusal(403, "403 Forbidden")
                return action(self, asked, project, [unquote(part) for part in match.groups()])
        raise FarSideFault(f"{asked.method} {asked.path} is not known here")

    def _find_project(self, asked: Asked, name: str, rest: str) -> GitLabProject:
        token = self._read_token(asked)
        number = self.moved.get(name.lower())
        if number is not None:
            # Other methods than GET get the same answer, and clients refuse to follow it.
            location = f"{self.url}/api/v4/projects/{number}{rest}"
            refused = GitLabRefusal(301, "301 Moved Permanently")
            refused.answer = Answer(301, refused.answer.body, {"Location": location})
            raise refused
        for one in self.projects:
            is_seen = not one.private or one.seen_by is None or token in one.seen_by
            if name.lower() in {str(one.number), one.path.lower()} and is_seen:
                return one
        raise GitLabRefusal(404, "404 Project Not Found")

    # --- projects and their code

    def _give_project(self, asked: Asked, project: GitLabProject, _: list[str]) -> Answer:
        _check(asked)
        is_empty = not project.remote.ask("for-each-ref", "--count=1", "refs/heads")
        namespace, _slash, name = project.path.rpartition("/")
        return Answer(
            200,
            {
                "id": project.number,
                "name": name,
                "path": name,
                "path_with_namespace": project.path,
                "namespace": {"full_path": namespace, "kind": "group"},
                # An empty project has no branch at all.
                "default_branch": None if is_empty else project.default_branch,
                "empty_repo": is_empty,
                "archived": project.archived,
                "visibility": "private" if project.private else "public",
                "web_url": f"https://gitlab.example.org/{project.path}",
                "http_url_to_repo": f"{self.url}/{project.path}.git",
                "permissions": {"project_access": {"access_level": 40}, "group_access": None},
            },
        )

    def _give_branch(self, asked: Asked, project: GitLabProject, parts: list[str]) -> Answer:
        _check(asked)
        commit = project.remote.find_commit(f"refs/heads/{parts[0]}")
        if not commit:
            raise GitLabRefusal(404, "404 Branch Not Found")
        return Answer(
            200,
            {
                "name": parts[0],
                "commit": {
                    "id": commit,
                    "short_id": commit[:8],
                    "title": "x",
                    "message": project.remote.git("log", "-1", "--format=%B", commit),
                },
                "protected": parts[0] in project.protected,
                "default": parts[0] == project.default_branch,
                "can_push": parts[0] not in project.protected,
                "merged": False,
            },
        )

    def _delete_branch(self, asked: Asked, project: GitLabProject, parts: list[str]) -> Answer:
        _check(asked)
        if not project.remote.has_branch(parts[0]):
            raise GitLabRefusal(404, "404 Branch Not Found")
        # The default branch is protected from deletion, also where it is not protected otherwise.
        if parts[0] in {*project.protected, project.default_branch}:
            raise GitLabRefusal(403, "403 Forbidden")
        project.remote.git("update-ref", "-d", f"refs/heads/{parts[0]}")
        return Answer(204, None)

    def _list_tree(self, asked: Asked, project: GitLabProject, _: list[str]) -> Answer:
        _check(asked, {"path", "ref", "recursive", *_PAGES})
        commit = project.remote.find_commit(asked.params.get("ref") or project.default_branch)
        if not commit:
            raise GitLabRefusal(404, "404 Tree Not Found")
        is_recursive = asked.params.get("recursive", "").lower() in {"true", "1"}
        path = asked.params.get("path", "").strip("/")
        lines = project.remote.list_tree(commit, recursive=True)
        start = f"{path}/" if path else ""
        found = [
            {"id": one.sha, "name": one.path.rsplit("/", 1)[-1], "type": one.kind, "path": one.path}
            | {"mode": one.mode}
            for one in lines
            if one.path.startswith(start) and (is_recursive or "/" not in one.path.removeprefix(start))
        ]
        # Newer versions answer 404 for a folder that is not there; older ones an empty list.
        if path and not found:
            raise GitLabRefusal(404, "404 invalid revision or path Not Found")
        return self._give_page(asked, found)

    def _give_file(self, asked: Asked, project: GitLabProject, parts: list[str]) -> Answer:
        _check(asked, {"ref"})
        commit = project.remote.find_commit(asked.params["ref"])
        if not commit:
            raise GitLabRefusal(404, "404 Commit Not Found")
        for one in project.remote.list_tree(commit, recursive=True):
            if one.path == parts[0] and one.kind == "blob":
                content = project.remote.read("cat-file", "blob", one.sha)
                return Answer(
                    200,
                    {
                        "file_name": parts[0].rsplit("/", 1)[-1],
                        "file_path": parts[0],
                        "size": len(content),
                        "encoding": "base64",
                        "content": base64.b64encode(content).decode(),
                        "content_sha256": hashlib.sha256(content).hexdigest(),
                        "ref": asked.params["ref"],
                        "blob_id": one.sha,
                        "commit_id": commit,
                        "last_commit_id": commit,
                        "execute_filemode": one.mode == "100755",
                    },
                )
        raise GitLabRefusal(404, "404 File Not Found")

    def _create_commit(self, asked: Asked, project: GitLabProject, _: list[str]) -> Answer:
        fields = {"branch", "commit_message", "actions", "start_branch", "author_email", "author_name"}
        _check(asked, fields=fields)
        body, remote = asked.body, project.remote
        for name in ("branch", "commit_message", "actions"):
            if not body.get(name):
                raise GitLabRefusal(400, f"{name} is missing", key="error")
        branch, start = body["branch"], body.get("start_branch")
        # This server has no maintainers who may push anyway.
        if branch in project.protected:
            raise GitLabRefusal(403, "You are not allowed to push into this branch")
        # With a start, the commit makes the branch; both happen or none.
        if start and remote.has_branch(branch):
            raise GitLabRefusal(400, f"A branch called '{branch}' already exists.")
        if not start and not remote.has_branch(branch):
            raise GitLabRefusal(400, "You can only create or edit files when you are on a branch")
        parent = remote.find_commit(f"refs/heads/{start or branch}")
        entries = self._read_actions(body["actions"], remote, parent)
        tree = remote.write_tree(remote.ask("rev-parse", f"{parent}^{{tree}}"), entries)
        commit = remote.write_commit(tree, [parent], body["commit_message"])
        remote.git("update-ref", f"refs/heads/{branch}", commit)
        return Answer(201, {"id": commit, "short_id": commit[:8], "title": body["commit_message"]})

    def _read_actions(
        self, actions: list[dict[str, Any]], remote: Remote, parent: str
    ) -> dict[str, tuple[str, str] | None]:
        # All actions are checked before anything is written: a commit is whole.
        there = set(remote.list_files(parent))
        entries: dict[str, tuple[str, str] | None] = {}
        for one in actions:
            unknown = set(one) - {"action", "file_path", "content", "encoding", "last_commit_id"}
            if unknown:
                raise FarSideFault(f"an action of a commit has no field {sorted(unknown)}")
            kind, path = one["action"], one["file_path"]
            if kind == "create" and path in there:
                raise GitLabRefusal(400, "A file with this name already exists")
            if kind in {"update", "delete"} and path not in there:
                raise GitLabRefusal(400, "A file with this name doesn't exist")
            if kind == "delete":
                entries[path] = None
                continue
            content = one["content"].encode()
            if one.get("encoding") == "base64":
                try:
                    content = base64.b64decode(content, validate=True)
                except binascii.Error as error:
                    raise GitLabRefusal(400, "content is not base64") from error
            entries[path] = ("100644", remote.write_blob(content))
        return entries

    def _compare(self, asked: Asked, project: GitLabProject, _: list[str]) -> Answer:
        _check(asked, {"from", "to"})
        for branch in asked.params.values():
            if not project.remote.has_branch(branch):
                raise GitLabRefusal(404, "404 Ref Not Found")
        count = project.remote.count_commits(asked.params["from"], asked.params["to"])
        commits = [{"id": "x", "short_id": "x", "title": "x"}] * count
        return Answer(200, {"commit": None, "commits": commits, "diffs": [], "compare_same_ref": not count})

    # --- variables and deploy tokens

    def _create_variable(self, asked: Asked, project: GitLabProject, _: list[str]) -> Answer:
        _check(asked, fields=_VARIABLE_FIELDS)
        body = asked.body
        # A value that cannot be hidden in logs is refused, not stored in the open.
        _refuse_unmaskable(body)
        if body["key"] in project.variables:
            raise GitLabRefusal(400, {"key": [f"({body['key']}) has already been taken"]})
        made = {
            "variable_type": "env_var",
            "environment_scope": "*",
            "protected": False,
            "masked": False,
            "raw": False,
            "description": None,
        }
        project.variables[body["key"]] = made | body
        return Answer(201, project.variables[body["key"]])

    def _handle_variable(self, asked: Asked, project: GitLabProject, parts: list[str]) -> Answer:
        _check(asked, fields=_VARIABLE_FIELDS)
        if parts[0] not in project.variables:
            raise GitLabRefusal(404, "404 Variable Not Found")
        if asked.method == "DELETE":
            del project.variables[parts[0]]
            return Answer(204, None)
        if asked.method == "PUT":
            _refuse_unmaskable({"key": parts[0], **asked.body})
            project.variables[parts[0]] |= asked.body
        return Answer(200, project.variables[parts[0]])

    def _create_deploy_token(self, asked: Asked, project: GitLabProject, _: list[str]) -> Answer:
        _check(asked, fields={"name", "scopes", "expires_at", "username"})
        # Ids are never used again, also after a deletion.
        body, number = asked.body, next(self.numbers)
        if not body.get("name") or not body.get("scopes"):
            raise GitLabRefusal(400, "name, scopes are missing", key="error")
        made = {
            "id": number,
            "name": body["name"],
            "username": body.get("username") or f"gitlab+deploy-token-{number}",
            "expires_at": body.get("expires_at"),
            "revoked": False,
            "expired": False,
            "scopes": body["scopes"],
            "token": f"gldt-{hashlib.sha256(f'{project.path}-{number}'.encode()).hexdigest()[:20]}",
        }
        project.deploy_tokens.append(made)
        return Answer(201, made)

    def _list_deploy_tokens(self, asked: Asked, project: GitLabProject, _: list[str]) -> Answer:
        _check(asked, {"active", *_PAGES})
        # The secret is shown once, when the token is made.
        hidden = [
            {name: value for name, value in one.items() if name != "token"} for one in project.deploy_tokens
        ]
        return self._give_page(asked, hidden)

    def _delete_deploy_token(self, asked: Asked, project: GitLabProject, parts: list[str]) -> Answer:
        _check(asked)
        for one in project.deploy_tokens:
            if str(one["id"]) == parts[0]:
                project.deploy_tokens.remove(one)
                return Answer(204, None)
        raise GitLabRefusal(404, "404 Not Found")

    # --- merge requests and notes

    def _list_requests(self, asked: Asked, project: GitLabProject, _: list[str]) -> Answer:
        _check(asked, {"state", "source_branch", "target_branch", *_PAGES})
        # What is left are filters by a field of the same name.
        wanted = {name: asked.params[name] for name in asked.params if name not in _PAGES}
        found = [
            one for one in project.merge_requests if all(one[name] == value for name, value in wanted.items())
        ]
        return self._give_page(asked, found)

    def _create_request(self, asked: Asked, project: GitLabProject, _: list[str]) -> Answer:
        _check(asked, fields=_REQUEST_FIELDS)
        body = asked.body
        for name in ("title", "source_branch", "target_branch"):
            if not body.get(name):
                raise GitLabRefusal(400, f"{name} is missing", key="error")
        # One open merge request for a branch, as at GitLab.
        for open_one in project.merge_requests:
            if open_one["state"] == "opened" and open_one["source_branch"] == body["source_branch"]:
                message = (
                    f"Another open merge request already exists for this source branch: !{open_one['iid']}"
                )
                raise GitLabRefusal(409, [message])
        for name in ("source_branch", "target_branch"):
            if not project.remote.has_branch(body[name]):
                raise GitLabRefusal(400, {"base": [f'{name.capitalize()} "{body[name]}" does not exist']})
        iid = len(project.merge_requests) + 1
        made = {
            "id": 5000 + iid,
            "iid": iid,
            "project_id": project.number,
            "title": body["title"],
            "description": body.get("description"),
            "state": "opened",
            "source_branch": body["source_branch"],
            "target_branch": body["target_branch"],
            "author": BOT,
            "web_url": f"https://gitlab.example.org/{project.path}/-/merge_requests/{iid}",
        }
        project.merge_requests.append(made)
        return Answer(201, made)

    def _change_request(self, asked: Asked, project: GitLabProject, parts: list[str]) -> Answer:
        _check(asked, fields={"title", "description", "state_event", "target_branch"})
        for one in project.merge_requests:
            if str(one["iid"]) == parts[0]:
                one.update(asked.body)
                # An event is not a field: it changes the state.
                if one.pop("state_event", "") == "close":
                    one["state"] = "closed"
                return Answer(200, one)
        raise GitLabRefusal(404, "404 Not found")

    def _list_notes(self, asked: Asked, project: GitLabProject, parts: list[str]) -> Answer:
        _check(asked, {"sort", "order_by", *_PAGES})
        subject = _find_subject(project, parts)
        found = [one for one in project.notes if one["subject"] == subject]
        if asked.params.get("sort", "desc") == "desc":
            found.reverse()
        return self._give_page(asked, [_show_note(one) for one in found])

    def _write_note(self, asked: Asked, project: GitLabProject, parts: list[str]) -> Answer:
        _check(asked, fields={"body"})
        subject = _find_subject(project, parts)
        if not asked.body.get("body") or len(asked.body["body"]) > _MOST_CHARACTERS:
            raise GitLabRefusal(400, "body is missing", key="error")
        if asked.method == "POST":
            return Answer(201, _show_note(write_note(project, subject, asked.body["body"])))
        for note in project.notes:
            if str(note["id"]) == parts[2] and note["subject"] == subject:
                if note["author"] != BOT:
                    raise GitLabRefusal(403, "403 Forbidden")
                note.update(asked.body)
                return Answer(200, _show_note(note))
        raise GitLabRefusal(404, "404 Not found")

    def _give_page(self, asked: Asked, found: list[dict[str, Any]]) -> Answer:
        size = min(int(asked.params.get("per_page", 20)), 100)
        page = int(asked.params.get("page", 1))
        pages = max(1, -(-len(found) // size))
        headers = build_link(self.url, asked, page, pages) | {
            "X-Page": str(page),
            "X-Per-Page": str(size),
            "X-Total": str(len(found)),
            "X-Total-Pages": str(pages),
            "X-Next-Page": str(page + 1) if page < pages else "",
            "X-Prev-Page": str(page - 1) if page > 1 else "",
        }
        return Answer(200, found[(page - 1) * size : page * size], headers)


def _check(
    asked: Asked, parameters: set[str] | frozenset[str] = frozenset(), *, fields: Any = frozenset()
) -> None:
    unknown = set(asked.params) - parameters | set(asked.body or {}) - set(fields)
    if unknown:
        raise FarSideFault(f"{asked.path} does not take {sorted(unknown)}")


def _refuse_unmaskable(body: Mapping[str, Any]) -> None:
    if not re.fullmatch(r"\w{1,255}", body.get("key", "")) or "value" not in body:
        raise GitLabRefusal(400, {"key": ["can contain only letters, digits and '_'."]})
    is_masked = body.get("masked") or body.get("masked_and_hidden")
    value = body["value"]
    if is_masked and (len(value) < _LEAST_MASKED or not _MASKABLE.fullmatch(value)):
        raise GitLabRefusal(400, {"value": ["is invalid"]})


def _find_subject(project: GitLabProject, parts: list[str]) -> tuple[str, int]:
    kind, number = parts[0], int(parts[1])
    known = {one["iid"] for one in project.merge_requests} if kind == "merge_requests" else project.issues
    if number not in known:
        raise GitLabRefusal(404, "404 Not found")
    return kind, number


def write_note(
    project: GitLabProject, subject: tuple[str, int], body: str, author: Mapping[str, Any] = BOT
) -> dict[str, Any]:
    """A note that is there, or that a person writes."""
    made = {"id": 300 + len(project.notes), "body": body, "author": author, "system": False}
    project.notes.append(made | {"subject": subject})
    return project.notes[-1]


def _show_note(note: Mapping[str, Any]) -> dict[str, Any]:
    """Without what only this server keeps of it."""
    return {name: value for name, value in note.items() if name != "subject"}


def _dump_project(one: GitLabProject) -> dict[str, Any]:
    digests = {
        name: hashlib.sha256(str(facts["value"]).encode()).hexdigest()
        for name, facts in one.variables.items()
    }
    opened = [[each["iid"], each["title"]] for each in one.merge_requests if each["state"] == "opened"]
    tokens = sorted(each["name"] for each in one.deploy_tokens)
    return {
        "branches": one.remote.dump(),
        "open_requests": opened,
        "variables": digests,
        "deploy_tokens": tokens,
    }


_Action = Callable[[LocalGitLab, Asked, GitLabProject, list[str]], Answer]
_ACTIONS: Final[tuple[tuple[str, str, _Action], ...]] = (
    ("GET", "", LocalGitLab._give_project),
    ("GET", r"/repository/branches/([^/]+)", LocalGitLab._give_branch),
    ("DELETE", r"/repository/branches/([^/]+)", LocalGitLab._delete_branch),
    ("GET", "/repository/tree", LocalGitLab._list_tree),
    ("GET", r"/repository/files/([^/]+)", LocalGitLab._give_file),
    ("POST", "/repository/commits", LocalGitLab._create_commit),
    ("GET", "/repository/compare", LocalGitLab._compare),
    ("POST", "/variables", LocalGitLab._create_variable),
    ("GET", r"/variables/([^/]+)", LocalGitLab._handle_variable),
    ("PUT", r"/variables/([^/]+)", LocalGitLab._handle_variable),
    ("DELETE", r"/variables/([^/]+)", LocalGitLab._handle_variable),
    ("POST", "/deploy_tokens", LocalGitLab._create_deploy_token),
    ("GET", "/deploy_tokens", LocalGitLab._list_deploy_tokens),
    ("DELETE", r"/deploy_tokens/(\d+)", LocalGitLab._delete_deploy_token),
    ("GET", "/merge_requests", LocalGitLab._list_requests),
    ("POST", "/merge_requests", LocalGitLab._create_request),
    ("PUT", r"/merge_requests/(\d+)", LocalGitLab._change_request),
    ("GET", r"/(issues|merge_requests)/(\d+)/notes", LocalGitLab._list_notes),
    ("POST", r"/(issues|merge_requests)/(\d+)/notes", LocalGitLab._write_note),
    ("PUT", r"/(issues|merge_requests)/(\d+)/notes/(\d+)", LocalGitLab._write_note),
)
