"""GitHub on this machine: repositories with git behind them, pull requests, secrets, variables, apps.

Held to GitHub's own OpenAPI description in each request and each answer (``github_api.json``, made by
``read_github_api``), and stricter than the real one: a field, a parameter or a header that GitHub would
ignore is refused. What a token may not see is not there (404), as at GitHub.
"""

import base64
import binascii
import functools
import hashlib
import itertools
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, Final, NoReturn

import jsonschema
import jwt
from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, SealedBox

from orchestrator.dev.far_sides.git_storage import Remote, TreeEntry
from orchestrator.dev.far_sides.server import Answer, Asked, FarSide, FarSideFault, build_link

API: Final = json.loads(Path(__file__).with_name("github_api.json").read_text(encoding="utf-8"))
ACTIONS: Final = "github-actions[bot]"
EVERYTHING: Final = frozenset(
    {"contents", "pull_requests", "issues", "secrets", "variables", "workflows", "metadata"}
)
"""What a token for onboarding has."""
# https://docs.github.com/en/rest: a body of a comment or a pull request has at most so many characters.
_MOST_CHARACTERS: Final = 65_536
_VERSIONS: Final = {"2022-11-28"}
# Not listed with every operation, although each can answer them; 409 is what a variable twice gets.
_UNLISTED: Final = {400, 401, 403, 404, 409, 422}
_LIMIT: Final = 5000
_WORKFLOWS: Final = ".github/workflows/"
_APP_CLAIMS: Final = {"require": ["iat", "exp", "iss"]}
_SECRET_NAME: Final = re.compile(r"(?!GITHUB_)[A-Za-z_][A-Za-z0-9_]*")


def make_instance(schema: Mapping[str, Any], known: Any = None) -> Any:
    """A value that fits ``schema``: ``known`` where it says something, the least possible elsewhere."""
    for name in ("anyOf", "oneOf"):
        if name in schema:
            if known is None and {"type": "null"} in schema[name]:
                return None
            return make_instance(schema[name][0], known)
    if "allOf" in schema:
        return make_instance(schema["allOf"][0], known)
    if schema.get("type") == "object":
        given = known or {}
        properties = schema.get("properties", {})
        made = {name: make_instance(one, given.get(name)) for name, one in properties.items()}
        return made | {name: value for name, value in given.items() if name not in properties}
    if known is not None:
        return known
    if "enum" in schema:
        return schema["enum"][0]
    return {
        "array": [],
        "integer": 1,
        "number": 1,
        "boolean": False,
        "string": "2026-01-01T00:00:00Z" if schema.get("format") == "date-time" else "x",
    }.get(schema.get("type", "string"))


@functools.cache
def _make_validator(operation: str, status: str) -> jsonschema.Draft202012Validator:
    """What checks the answer of an operation; made once, because its schema is large."""
    return jsonschema.Draft202012Validator(API["operations"][operation]["answers"][status])


@functools.cache
def _list_patterns() -> list[tuple[str, str, re.Pattern[str]]]:
    """Operations, methods, patterns; those with fewer variables first, because `public-key` is not a name."""
    found = []
    for name in sorted(API["operations"], key=lambda one: one.count("{")):
        method, path = name.split(" ")
        # Only a path of a file and a ref have slashes in them.
        pattern = re.sub(r"\{(path|ref|branch)\}", r"(?P<\1>.+)", path)
        found.append((name, method, re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", pattern))))
    return found


class GitHubRefusal(Exception):
    """An answer other than success."""

    def __init__(self, status: int, message: str, *errors: Mapping[str, str]) -> None:
        super().__init__(message)
        self.answer = Answer(status, {"message": message, "documentation_url": "x", "status": str(status)})
        if errors:
            self.answer.body["errors"] = list(errors)


@dataclass
class GitHubRepository:
    """One repository. ``private`` ones are seen by the tokens in ``seen_by`` and by installations alone."""

    path: str
    remote: Remote
    number: int = 0
    default_branch: str = "main"
    private: bool = False
    archived: bool = False
    protected: set[str] = field(default_factory=set)
    seen_by: set[str] | None = None
    installations: dict[str, int] = field(default_factory=dict)
    """The id of an app to the id of its installation here."""
    pulls: list[dict[str, Any]] = field(default_factory=list)
    comments: list[dict[str, Any]] = field(default_factory=list)
    issues: set[int] = field(default_factory=set)
    secrets: dict[str, str] = field(default_factory=dict)
    """By name, opened with the repository's key as GitHub does when a job runs."""
    variables: dict[str, str] = field(default_factory=dict)
    may_create_pulls: bool = True
    key: PrivateKey = field(default_factory=PrivateKey.generate, repr=False)

    @property
    def key_id(self) -> str:
        """The name of the key that secrets are sealed for."""
        return hashlib.sha256(bytes(self.key.public_key)).hexdigest()[:18]


@dataclass(frozen=True, slots=True)
class GitHubCall:
    """A request that is allowed so far: its name in the description, and its repository."""

    operation: str
    asked: Asked
    repository: GitHubRepository
    variables: Mapping[str, str]


@dataclass
class LocalGitHub(FarSide):
    """Repositories and tokens. A token has permissions, such as ``contents``; ``apps`` have a public key."""

    title: ClassVar[str] = "GitHub"
    repositories: list[GitHubRepository] = field(default_factory=list)
    tokens: dict[str, frozenset[str] | set[str]] = field(default_factory=dict)
    moved: dict[str, int] = field(default_factory=dict)
    """Old paths to the number of the repository."""
    apps: dict[str, str] = field(default_factory=dict)
    """The id of an app to its public key in PEM."""
    minted: dict[str, tuple[frozenset[int], datetime]] = field(default_factory=dict)
    """Tokens of installations: the repositories that they are for, and their end."""
    refusals: list[Answer] = field(default_factory=list)
    wants_version: bool = False
    request_token: str = ""
    sign: Callable[[str], str] = str
    """Makes the identity token of a job for an audience; ``request_token`` is what asks for it."""
    requests: int = 0
    numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def add_repository(self, path: str, folder: Path, **facts: Any) -> GitHubRepository:
        """A repository that is empty; ``folder`` is where all are kept."""
        branch = facts.get("default_branch", "main")
        remote = Remote.create(folder / f"{path.replace('/', '+')}.git", branch)
        made = GitHubRepository(path, remote, number=1000 + len(self.repositories), **facts)
        self.repositories.append(made)
        return made

    def rename(self, repository: GitHubRepository, path: str) -> None:
        """Move a repository; its old address leads to it."""
        self.moved[repository.path.lower()] = repository.number
        repository.path = path

    def answer(self, asked: Asked) -> Answer:
        """The answer to one request, as GitHub gives it."""
        # Of a job, not of the API: it comes without the headers that the API wants.
        if asked.path == "/identity":
            return self._give_identity(asked)
        # git asks by the address that people clone from, beside the API.
        if found := re.fullmatch(r"/([^/]+/[^/]+?)(?:\.git)?(/(?:info/refs|git-upload-pack))", asked.path):
            return self._serve_git(asked, found[1], found[2])
        self.asked.append(asked)
        self.requests += 1
        try:
            operation, variables, repository = self._find_operation(asked)
            if self.refusals:
                return self.refusals.pop(0)
            self._check_caller(asked, operation)
            self._check_request(operation, asked)
            answer = self._act(operation, asked, variables, repository)
        except GitHubRefusal as refused:
            return self._add_limits(refused.answer)
        self._check_answer(operation, answer)
        return self._add_limits(answer)

    def dump(self) -> dict[str, Any]:
        """Repositories with branches, open pull requests, secrets as digests, variables."""
        return {one.path: _dump_repository(one) for one in self.repositories}

    def _add_limits(self, found: Answer) -> Answer:
        limits = {
            "X-RateLimit-Limit": str(_LIMIT),
            "X-RateLimit-Remaining": str(max(0, _LIMIT - self.requests)),
            "X-RateLimit-Used": str(self.requests),
            "X-RateLimit-Reset": str(int(datetime.now(UTC).timestamp()) + 3600),
            "X-RateLimit-Resource": "core",
        }
        return Answer(found.status, found.body, {**limits, **found.headers})

    def _give_identity(self, asked: Asked) -> Answer:
        if not self.request_token or asked.bearer != self.request_token:
            return Answer(401, {"message": "Bad credentials"})
        if asked.params.keys() != {"api-version", "audience"}:
            raise FarSideFault(f"the request for an identity token has {sorted(asked.params)}")
        token = self.sign(asked.params["audience"])
        return Answer(200, {"count": len(token), "value": token})

    def _serve_git(self, asked: Asked, path: str, rest: str) -> Answer:
        """git's own protocol: a private repository wants a token that reads contents, as a password."""
        scheme, _, given = asked.headers.get("authorization", "").partition(" ")
        token = ""
        if scheme.lower() == "basic":
            # The name before the colon may be anything, as at GitHub.
            _, _, token = base64.b64decode(given).decode("utf-8", "replace").partition(":")
        repository = self._find_repository(path, token)
        # A token that sees the repository may still lack the right to read its files.
        may_read = repository is not None and (
            not repository.private or self._is_permitted(token, "contents", repository)
        )
        if repository is None or not may_read:
            # Also for one that is not there: GitHub tells strangers nothing, and git asks for a login.
            headers = {"WWW-Authenticate": 'Basic realm="GitHub"', "Content-Type": "text/plain"}
            return Answer(401, b"Repository not found.", headers)
        return repository.remote.answer_git(asked, rest)

    def _find_operation(self, asked: Asked) -> tuple[str, dict[str, str], GitHubRepository | None]:
        path = self._follow_number(asked.path)
        for name, method, pattern in _list_patterns():
            if method == asked.method and (found := pattern.fullmatch(path)):
                variables = found.groupdict()
                return name, variables, self._find_asked(asked, variables)
        raise FarSideFault("this operation is not in the part of GitHub's description that is kept")

    def _follow_number(self, path: str) -> str:
        """``/repositories/5/...`` is where a redirect leads to."""
        if found := re.fullmatch(r"/repositories/(\d+)(/.*)?", path):
            for one in self.repositories:
                if one.number == int(found[1]):
                    return f"/repos/{one.path}{found[2] or ''}"
        return path

    def _find_asked(self, asked: Asked, variables: Mapping[str, str]) -> GitHubRepository | None:
        if "repo" not in variables:
            return None
        path = f"{variables['owner']}/{variables['repo']}"
        # Before visibility: the old address tells only a number.
        number = self.moved.get(path.lower())
        if number is not None:
            rest = asked.path.removeprefix(f"/repos/{path}")
            location = f"{self.url}/repositories/{number}{rest}"
            # Other methods are redirected too, and then have to be sent again as they were.
            status = 301 if asked.method == "GET" else 307
            refused = GitHubRefusal(status, "Moved Permanently")
            refused.answer = Answer(status, {**refused.answer.body, "url": location}, {"Location": location})
            raise refused
        return self._find_repository(path, asked.bearer)

    def _find_repository(self, path: str, token: str) -> GitHubRepository | None:
        for one in self.repositories:
            # Owners and names have no case at GitHub.
            if one.path.lower() == path.lower():
                return one if self._is_visible(one, token) else None
        return None

    def _is_visible(self, repository: GitHubRepository, token: str) -> bool:
        if not repository.private or token.count(".") == 2:
            return True
        # A token of an installation sees what it was made for, and nothing else.
        if token in self.minted:
            return repository.number in self.minted[token][0]
        return token in self.tokens and (repository.seen_by is None or token in repository.seen_by)

    def _is_permitted(self, token: str, permission: str, repository: GitHubRepository | None) -> bool:
        if token in self.minted:
            numbers, end = self.minted[token]
            # Checked at each request: such a token ends while a clone may still run.
            if end < datetime.now(UTC) or repository is None or repository.number not in numbers:
                return False
        return permission in self.tokens.get(token, ())

    def _check_caller(self, asked: Asked, operation: str) -> None:
        if not asked.headers.get("user-agent"):
            raise GitHubRefusal(403, "Request forbidden by administrative rules.")
        version = asked.headers.get("x-github-api-version")
        if version not in _VERSIONS and (version is not None or self.wants_version):
            raise GitHubRefusal(400, "The version is not supported.")
        # These two take the token that an app signs itself.
        if "/app/" in operation or operation.endswith("/installation"):
            self._read_app(asked.bearer)
            return
        minted = self.minted.get(asked.bearer)
        if asked.bearer not in self.tokens or (minted is not None and minted[1] < datetime.now(UTC)):
            raise GitHubRefusal(401, "Bad credentials")

    def _read_app(self, token: str) -> str:
        """The id of the app that has signed ``token``."""
        for app, key in self.apps.items():
            try:
                claims = jwt.decode(
                    token, key, algorithms=["RS256"], options={"require": ["iat", "exp", "iss"]}
                )
            except jwt.PyJWTError:
                continue
            # https://docs.github.com: an app's token lives ten minutes at most.
            if claims["exp"] - claims["iat"] <= 660 and str(claims["iss"]) == app:
                return app
        raise GitHubRefusal(401, "A JSON web token could not be decoded")

    def _check_request(self, operation: str, asked: Asked) -> None:
        facts = API["operations"][operation]
        for name, value in asked.params.items():
            if facts["parameters"].get(name, {}).get("in") != "query":
                raise FarSideFault(f"{operation} has no parameter {name}")
            schema = facts["parameters"][name]["schema"]
            jsonschema.validate(int(value) if schema.get("type") == "integer" else value, schema)
        if "body" in facts:
            self._check_body(operation, facts["body"], asked.body)
        elif asked.body is not None:
            raise FarSideFault(f"{operation} takes no body")

    def _check_body(self, operation: str, schema: Mapping[str, Any], body: Any) -> None:
        # GitHub ignores a field that it does not know; here it is a mistake of the caller.
        unknown = set(body) - set(schema["properties"])
        if unknown:
            raise FarSideFault(f"{operation} has no field {sorted(unknown)}")
        try:
            jsonschema.validate(body, schema)
        except jsonschema.ValidationError as error:
            # What a pull request without a head gets.
            raise GitHubRefusal(422, f"Invalid request. {error.message}") from error
        for value in body.values():
            if isinstance(value, str) and len(value) > _MOST_CHARACTERS:
                custom = {"resource": "Issue", "field": "body", "code": "custom"}
                raise GitHubRefusal(422, "Validation Failed", custom)

    def _check_answer(self, operation: str, found: Answer) -> None:
        answers = API["operations"][operation]["answers"]
        status = str(found.status)
        if status in answers:
            if answers[status]:
                _make_validator(operation, status).validate(found.body)
        elif found.status not in _UNLISTED:
            raise FarSideFault(f"{operation} never answers {found.status}")

    def _act(
        self, operation: str, asked: Asked, variables: dict[str, str], repository: GitHubRepository | None
    ) -> Answer:
        if operation == "GET /user":
            # The token of a job is that of an installation, and an installation is not a user.
            raise GitHubRefusal(403, "Resource not accessible by integration")
        if operation.startswith("POST /app/"):
            return self._mint_token(asked, int(variables["installation_id"]))
        if repository is None:
            if operation.startswith(("GET /repos/{owner}/{repo}/pulls", "PATCH")):
                return Answer(422, {"message": "Not Found", "errors": []})
            raise GitHubRefusal(404, "Not Found")
        method, path = operation.split(" /repos/{owner}/{repo}")
        # An archived repository is read-only for everybody.
        if method != "GET" and repository.archived:
            raise GitHubRefusal(403, "Repository was archived so is read-only.")
        return _ACTIONS[f"{method} {path}".strip()](self, GitHubCall(operation, asked, repository, variables))

    def _need(self, call: GitHubCall, permission: str) -> None:
        if not self._is_permitted(call.asked.bearer, permission, call.repository):
            raise GitHubRefusal(403, "Resource not accessible by integration")

    # --- repositories

    def _give_repository(self, call: GitHubCall) -> Answer:
        owner, name = call.repository.path.split("/")
        known = {
            "id": call.repository.number,
            "name": name,
            "full_name": call.repository.path,
            "owner": {"login": owner, "type": "Organization"},
            "private": call.repository.private,
            "visibility": "private" if call.repository.private else "public",
            "archived": call.repository.archived,
            "default_branch": call.repository.default_branch,
            "html_url": f"https://github.com/{call.repository.path}",
            "url": f"{self.url}/repos/{call.repository.path}",
            "clone_url": f"{self.url}/{call.repository.path}.git",
            "size": 0 if not call.repository.remote.find_commit(call.repository.default_branch) else 12,
            "permissions": {
                "admin": False,
                "push": "contents" in self.tokens.get(call.asked.bearer, ()),
                "pull": True,
            },
        }
        return Answer(200, make_instance(API["operations"][call.operation]["answers"]["200"], known))

    def _give_branch(self, call: GitHubCall) -> Answer:
        name = call.variables["branch"]
        commit = call.repository.remote.find_commit(f"refs/heads/{name}")
        # Its own message, as GitHub has it.
        if not commit:
            raise GitHubRefusal(404, "Branch not found")
        known = {
            "name": name,
            "commit": {"sha": commit, "commit": {"tree": {"sha": self._find_tree(call.repository, commit)}}},
            "protected": name in call.repository.protected,
        }
        return Answer(200, make_instance(API["operations"][call.operation]["answers"]["200"], known))

    def _find_tree(self, repository: GitHubRepository, commit: str) -> str:
        return repository.remote.ask("rev-parse", f"{commit}^{{tree}}")

    def _give_contents(self, call: GitHubCall) -> Answer:
        self._need(call, "contents")
        remote = call.repository.remote
        commit = remote.find_commit(call.asked.params.get("ref") or call.repository.default_branch)
        if not commit:
            raise GitHubRefusal(404, "This repository is empty.")
        path = call.variables["path"].strip("/")
        lines = remote.list_tree(commit, recursive=True)
        found = next((one for one in lines if one.path == path), None)
        if found is None or found.kind == "commit":
            raise GitHubRefusal(404, "Not Found")
        # The description has a folder first, then a file.
        schemas = API["operations"][call.operation]["answers"]["200"]["oneOf"]
        if found.kind == "tree":
            inside = [one for one in lines if one.path.rpartition("/")[0] == path]
            return Answer(200, [make_instance(schemas[0]["items"], _describe_entry(one)) for one in inside])
        # The id of the content is as good as any tag: it changes when the content does.
        etag = f'"{found.sha}"'
        if call.asked.headers.get("if-none-match") == etag:
            return Answer(304, None, {"ETag": etag})
        content = remote.read("cat-file", "blob", found.sha)
        known = _describe_entry(found) | {
            "encoding": "base64",
            "size": len(content),
            "content": base64.encodebytes(content).decode(),
        }
        return Answer(200, make_instance(schemas[1], known), {"ETag": etag})

    # --- git objects and refs

    def _give_ref(self, call: GitHubCall) -> Answer:
        self._refuse_empty(call.repository)
        commit = call.repository.remote.find_commit(f"refs/{call.variables['ref']}")
        if not commit:
            raise GitHubRefusal(404, "Not Found")
        return self._answer_ref(call, "200", f"refs/{call.variables['ref']}", commit)

    def _answer_ref(self, call: GitHubCall, status: str, ref: str, commit: str) -> Answer:
        url = f"{self.url}/repos/{call.repository.path}/git/{ref}"
        known = {"ref": ref, "url": url, "object": {"type": "commit", "sha": commit}}
        schema = API["operations"][call.operation]["answers"][status]
        made = make_instance(schema, known)
        made["object"]["sha"] = commit
        return Answer(int(status), made)

    def _refuse_empty(self, repository: GitHubRepository) -> None:
        if not repository.remote.ask("for-each-ref", "--count=1"):
            raise GitHubRefusal(409, "Git Repository is empty.")

    def _create_ref(self, call: GitHubCall) -> Answer:
        self._need(call, "contents")
        self._refuse_empty(call.repository)
        ref, sha = call.asked.body["ref"], call.asked.body["sha"]
        # GitHub wants the whole name, with two slashes at least.
        if not re.fullmatch(r"refs/[^/]+/.+", ref):
            raise GitHubRefusal(422, f"{ref} is not a valid ref name.")
        if not call.repository.remote.has_object(sha, "commit"):
            raise GitHubRefusal(422, "Object does not exist")
        if call.repository.remote.find_commit(ref):
            raise GitHubRefusal(422, "Reference already exists")
        call.repository.remote.git("update-ref", ref, sha)
        return self._answer_ref(call, "201", ref, sha)

    def _change_ref(self, call: GitHubCall) -> Answer:
        self._need(call, "contents")
        ref, sha = f"refs/{call.variables['ref']}", call.asked.body["sha"]
        old = call.repository.remote.find_commit(ref)
        if not old:
            raise GitHubRefusal(422, "Reference does not exist")
        if not call.repository.remote.has_object(sha, "commit"):
            raise GitHubRefusal(422, "Object does not exist")
        self._refuse_protected(call.repository, ref)
        # Without force nobody loses commits that are there.
        if not call.asked.body.get("force") and not call.repository.remote.is_ancestor(old, sha):
            raise GitHubRefusal(422, "Update is not a fast forward")
        call.repository.remote.git("update-ref", ref, sha)
        return self._answer_ref(call, "200", ref, sha)

    def _delete_ref(self, call: GitHubCall) -> Answer:
        self._need(call, "contents")
        ref = f"refs/{call.variables['ref']}"
        if not call.repository.remote.find_commit(ref):
            raise GitHubRefusal(422, "Reference does not exist")
        self._refuse_protected(call.repository, ref)
        call.repository.remote.git("update-ref", "-d", ref)
        for pull in call.repository.pulls:
            # GitHub closes what has lost its branch.
            if pull["state"] == "open" and ref == f"refs/heads/{pull['head']['ref']}":
                pull["state"] = "closed"
        return Answer(204, None)

    def _refuse_protected(self, repository: GitHubRepository, ref: str) -> None:
        # A protected branch changes by a merge only.
        if ref.removeprefix("refs/heads/") in repository.protected:
            raise GitHubRefusal(422, "Protected branch update failed for this ref.")

    def _give_tree(self, call: GitHubCall) -> Answer:
        self._need(call, "contents")
        self._refuse_empty(call.repository)
        sha = call.variables["tree_sha"]
        commit = call.repository.remote.find_commit(sha)
        tree = self._find_tree(call.repository, commit) if commit else sha
        if not commit and not call.repository.remote.has_object(sha, "tree"):
            raise GitHubRefusal(404, "Not Found")
        lines = call.repository.remote.list_tree(tree, recursive=bool(call.asked.params.get("recursive")))
        return self._answer_tree(call.operation, "200", tree, lines)

    def _answer_tree(self, operation: str, status: str, tree: str, lines: Any) -> Answer:
        schema = API["operations"][operation]["answers"][status]
        entry = schema["properties"]["tree"]["items"]
        known = [
            make_instance(entry, {"path": one.path, "mode": one.mode, "type": one.kind, "sha": one.sha})
            for one in lines
        ]
        return Answer(int(status), make_instance(schema, {"sha": tree, "truncated": False, "tree": known}))

    def _create_tree(self, call: GitHubCall) -> Answer:
        self._need(call, "contents")
        self._refuse_empty(call.repository)
        base = call.asked.body.get("base_tree", "")
        if base and not call.repository.remote.has_object(base, "tree"):
            raise GitHubRefusal(422, "base_tree is not a valid tree oid")
        entries: dict[str, tuple[str, str] | None] = {}
        for one in call.asked.body["tree"]:
            # Workflows run with the rights of the repository, so writing them is a right of its own.
            if one["path"].startswith(_WORKFLOWS):
                self._need(call, "workflows")
            # A null in place of an id deletes the file.
            if one.get("sha", "") is None:
                entries[one["path"]] = None
            elif "content" in one:
                entries[one["path"]] = (
                    one["mode"],
                    call.repository.remote.write_blob(one["content"].encode()),
                )
            else:
                entries[one["path"]] = (one["mode"], one["sha"])
        tree = call.repository.remote.write_tree(base, entries)
        return self._answer_tree(
            call.operation, "201", tree, call.repository.remote.list_tree(tree, recursive=False)
        )

    def _create_commit(self, call: GitHubCall) -> Answer:
        self._need(call, "contents")
        self._refuse_empty(call.repository)
        body = call.asked.body
        if not call.repository.remote.has_object(body["tree"], "tree"):
            raise GitHubRefusal(422, "Tree SHA does not exist")
        for parent in body.get("parents", ()):
            if not call.repository.remote.has_object(parent, "commit"):
                raise GitHubRefusal(422, "Parent SHA does not exist or is not a commit object")
        sha = call.repository.remote.write_commit(body["tree"], body.get("parents", []), body["message"])
        return self._answer_commit(call.operation, "201", sha, body["tree"], body["message"])

    def _give_commit(self, call: GitHubCall) -> Answer:
        self._need(call, "contents")
        sha = call.variables["commit_sha"]
        if not call.repository.remote.has_object(sha, "commit"):
            raise GitHubRefusal(404, "Not Found")
        message = call.repository.remote.git("log", "-1", "--format=%B", sha)
        return self._answer_commit(call.operation, "200", sha, self._find_tree(call.repository, sha), message)

    def _answer_commit(self, operation: str, status: str, sha: str, tree: str, message: str) -> Answer:
        known = {"sha": sha, "tree": {"sha": tree}, "message": message, "parents": []}
        schema = API["operations"][operation]["answers"][status]
        made = make_instance(schema, known)
        made["verification"] = make_instance(schema["properties"]["verification"])
        return Answer(int(status), made)

    # --- secrets and variables of Actions

    def _give_key(self, call: GitHubCall) -> Answer:
        self._need(call, "secrets")
        key = base64.b64encode(bytes(call.repository.key.public_key)).decode()
        return Answer(200, {"key_id": call.repository.key_id, "key": key})

    def _give_secret(self, call: GitHubCall) -> Answer:
        self._need(call, "secrets")
        name = call.variables["secret_name"].upper()
        if name not in call.repository.secrets:
            raise GitHubRefusal(404, "Not Found")
        return Answer(200, make_instance(API["operations"][call.operation]["answers"]["200"], {"name": name}))

    def _put_secret(self, call: GitHubCall) -> Answer:
        self._need(call, "secrets")
        name = call.variables["secret_name"]
        # Names that begin with GITHUB_ are its own.
        if not _SECRET_NAME.fullmatch(name):
            raise GitHubRefusal(422, "Secret names can only contain alphanumeric characters.")
        # A value that was sealed for an older key could not be opened.
        if call.asked.body.get("key_id") != call.repository.key_id:
            raise GitHubRefusal(422, "The key_id is not that of the call.repository's public key.")
        try:
            sealed = base64.b64decode(call.asked.body["encrypted_value"], validate=True)
            value = SealedBox(call.repository.key).decrypt(sealed).decode()
        except (binascii.Error, CryptoError, ValueError) as error:
            raise GitHubRefusal(422, "The value was not encrypted with the call.repository's key.") from error
        # GitHub says whether it made or replaced the secret, and never shows it again.
        is_new = name.upper() not in call.repository.secrets
        call.repository.secrets[name.upper()] = value
        return Answer(201, {}) if is_new else Answer(204, None)

    def _delete_secret(self, call: GitHubCall) -> Answer:
        self._need(call, "secrets")
        if call.repository.secrets.pop(call.variables["secret_name"].upper(), None) is None:
            raise GitHubRefusal(404, "Not Found")
        return Answer(204, None)

    def _create_variable(self, call: GitHubCall) -> Answer:
        self._need(call, "variables")
        name = call.asked.body["name"].upper()
        # Unlike a secret, a variable is made once.
        if name in call.repository.variables:
            raise GitHubRefusal(409, "Already exists - Variable already exists")
        call.repository.variables[name] = call.asked.body["value"]
        return Answer(201, {})

    def _give_variable(self, call: GitHubCall) -> Answer:
        self._need(call, "variables")
        name = call.variables["name"].upper()
        if name not in call.repository.variables:
            raise GitHubRefusal(404, "Not Found")
        known = {"name": name, "value": call.repository.variables[name]}
        return Answer(200, make_instance(API["operations"][call.operation]["answers"]["200"], known))

    def _change_variable(self, call: GitHubCall) -> Answer:
        self._need(call, "variables")
        name = call.variables["name"].upper()
        if name not in call.repository.variables:
            raise GitHubRefusal(404, "Not Found")
        call.repository.variables[name] = call.asked.body["value"]
        return Answer(204, None)

    def _delete_variable(self, call: GitHubCall) -> Answer:
        self._need(call, "variables")
        if call.repository.variables.pop(call.variables["name"].upper(), None) is None:
            raise GitHubRefusal(404, "Not Found")
        return Answer(204, None)

    # --- apps

    def _give_installation(self, call: GitHubCall) -> Answer:
        app = self._read_app(call.asked.bearer)
        if app not in call.repository.installations:
            raise GitHubRefusal(404, "Not Found")
        known = {"id": call.repository.installations[app], "app_id": int(app)}
        return Answer(200, make_instance(API["operations"][call.operation]["answers"]["200"], known))

    def _mint_token(self, asked: Asked, installation: int) -> Answer:
        app = self._read_app(asked.bearer)
        # The app of somebody else does not learn that this installation exists.
        reachable = [one for one in self.repositories if one.installations.get(app) == installation]
        if not reachable:
            raise GitHubRefusal(404, "Not Found")
        names = (asked.body or {}).get("repositories")
        wanted = [one for one in reachable if names is None or one.path.split("/")[1] in names]
        if names is not None and len(wanted) != len(names):
            raise GitHubRefusal(422, "There is at least one repository that does not exist.")
        permissions = (asked.body or {}).get("permissions") or dict.fromkeys(sorted(EVERYTHING), "write")
        # Of the form that GitHub gives them, so that redaction meets it.
        token = f"ghs_{hashlib.sha256(f'{installation}-{next(self.numbers)}'.encode()).hexdigest()[:36]}"
        end = datetime.now(UTC) + timedelta(hours=1)
        self.minted[token] = (frozenset(one.number for one in wanted), end)
        self.tokens[token] = frozenset(permissions)
        known = {
            "token": token,
            "expires_at": end.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "permissions": permissions,
        }
        operation = "POST /app/installations/{installation_id}/access_tokens"
        return Answer(201, make_instance(API["operations"][operation]["answers"]["201"], known))

    # --- pull requests and comments

    def _list_pulls(self, call: GitHubCall) -> Answer:
        state, head = call.asked.params.get("state", "open"), call.asked.params.get("head")
        found = [
            pull
            for pull in call.repository.pulls
            if state in {pull["state"], "all"}
            # GitHub ignores a head without its owner, and then gives every pull request.
            and (not head or ":" not in head or pull["head"]["label"] == head)
            and call.asked.params.get("base") in {None, pull["base"]["ref"]}
        ]
        return self._give_page(call.operation, call.asked, list(reversed(found)))

    def _create_pull(self, call: GitHubCall) -> Answer:
        self._need(call, "pull_requests")
        body = call.asked.body
        owner = call.repository.path.split("/")[0]
        # A head may be written with its owner.
        head, base = body["head"].removeprefix(f"{owner}:"), body["base"]
        self._refuse_pull(call.repository, body, head, base)
        number = len(call.repository.pulls) + 101
        schema = API["operations"][call.operation]["answers"]["201"]
        made = make_instance(
            schema,
            {
                "number": number,
                "state": "open",
                "title": body["title"],
                "body": body.get("body"),
                "html_url": f"https://github.com/{call.repository.path}/pull/{number}",
                "url": f"{self.url}/repos/{call.repository.path}/pulls/{number}",
                "head": {"ref": head, "label": f"{owner}:{head}"},
                "base": {"ref": base, "label": f"{owner}:{base}"},
            },
        )
        call.repository.pulls.append(made)
        call.repository.issues.add(number)
        return Answer(201, made)

    def _refuse_pull(
        self, repository: GitHubRepository, body: Mapping[str, Any], head: str, base: str
    ) -> None:
        if not repository.may_create_pulls:
            raise GitHubRefusal(403, "GitHub Actions is not permitted to create or approve pull requests.")
        for name, branch in (("head", head), ("base", base)):
            if not repository.remote.has_branch(branch):
                _refuse_field(name, "invalid")
        if not body.get("title"):
            _refuse_field("title", "missing_field")
        custom = {"resource": "PullRequest", "code": "custom"}
        if any(one["state"] == "open" and one["head"]["ref"] == head for one in repository.pulls):
            owner = repository.path.split("/")[0]
            message = f"A pull request already exists for {owner}:{head}."
            raise GitHubRefusal(422, "Validation Failed", custom | {"message": message})
        # A pull request without a change is none.
        if not repository.remote.count_commits(base, head):
            message = f"No commits between {base} and {head}"
            raise GitHubRefusal(422, "Validation Failed", custom | {"message": message})

    def _change_pull(self, call: GitHubCall) -> Answer:
        self._need(call, "pull_requests")
        for pull in call.repository.pulls:
            if pull["number"] == int(call.variables["pull_number"]):
                pull.update(call.asked.body)
                return Answer(200, pull)
        raise GitHubRefusal(422, "Not Found")

    def merge_pull(self, repository: GitHubRepository, number: int) -> None:
        """What a person does: the base gets the head's commits."""
        for pull in repository.pulls:
            if pull["number"] == number:
                commit = repository.remote.find_commit(pull["head"]["ref"])
                repository.remote.git("update-ref", f"refs/heads/{pull['base']['ref']}", commit)
                pull |= {"state": "closed", "merged_at": "2026-01-01T00:00:00Z"}

    def _list_comments(self, call: GitHubCall) -> Answer:
        number = int(call.variables["issue_number"])
        if number not in call.repository.issues:
            raise GitHubRefusal(404, "Not Found")
        found = [one for one in call.repository.comments if one["issue"] == number]
        return self._give_page(call.operation, call.asked, found)

    def _create_comment(self, call: GitHubCall) -> Answer:
        self._need(call, "issues")
        number = int(call.variables["issue_number"])
        if number not in call.repository.issues:
            raise GitHubRefusal(404, "Not Found")
        return Answer(201, write_comment(call.repository, number, call.asked.body["body"]))

    def _change_comment(self, call: GitHubCall) -> Answer:
        self._need(call, "issues")
        for comment in call.repository.comments:
            if comment["id"] == int(call.variables["comment_id"]):
                comment.update(call.asked.body)
                return Answer(200, comment)
        raise FarSideFault("a comment that is not there was changed")

    def _give_page(self, operation: str, asked: Asked, found: list[dict[str, Any]]) -> Answer:
        size = min(int(asked.params.get("per_page", 30)), 100)
        page = int(asked.params.get("page", 1))
        pages = max(1, -(-len(found) // size))
        # Pages count from one.
        part = found[(page - 1) * size : page * size]
        schema = API["operations"][operation]["answers"]["200"]["items"]
        shown = [make_instance(schema, one) for one in part]
        return Answer(200, shown, build_link(self.url or "https://api.github.com", asked, page, pages))


def write_comment(
    repository: GitHubRepository, number: int, body: str, login: str = ACTIONS
) -> dict[str, Any]:
    """A comment that is there, or that a person writes."""
    schema = API["operations"]["POST /repos/{owner}/{repo}/issues/{issue_number}/comments"]["answers"]
    user = {"login": login, "type": "Bot" if login == ACTIONS else "User"}
    known = {"id": 9000 + len(repository.comments), "body": body, "issue": number, "user": user}
    made: dict[str, Any] = make_instance(schema["201"], known)
    repository.comments.append(made)
    return made


def _describe_entry(one: TreeEntry) -> dict[str, Any]:
    kinds = {"blob": "file", "tree": "dir"}
    name = one.path.rpartition("/")[2]
    return {"type": kinds[one.kind], "name": name, "path": one.path, "sha": one.sha}


def _refuse_field(name: str, code: str) -> NoReturn:
    raise GitHubRefusal(422, "Validation Failed", {"resource": "PullRequest", "field": name, "code": code})


def _dump_repository(one: GitHubRepository) -> dict[str, Any]:
    digests = {name: hashlib.sha256(value.encode()).hexdigest() for name, value in one.secrets.items()}
    return {
        "branches": one.remote.dump(),
        "open_pulls": [[pull["number"], pull["title"]] for pull in one.pulls if pull["state"] == "open"],
        "secrets": digests,
        "variables": dict(one.variables),
    }


_Action = Callable[[LocalGitHub, GitHubCall], Answer]
# The parts of the class are named here, and nowhere else, by what they answer.
_ACTIONS: Final[dict[str, _Action]] = {
    "GET": LocalGitHub._give_repository,
    "GET /branches/{branch}": LocalGitHub._give_branch,
    "GET /contents/{path}": LocalGitHub._give_contents,
    "GET /git/ref/{ref}": LocalGitHub._give_ref,
    "POST /git/refs": LocalGitHub._create_ref,
    "PATCH /git/refs/{ref}": LocalGitHub._change_ref,
    "DELETE /git/refs/{ref}": LocalGitHub._delete_ref,
    "GET /git/trees/{tree_sha}": LocalGitHub._give_tree,
    "POST /git/trees": LocalGitHub._create_tree,
    "GET /git/commits/{commit_sha}": LocalGitHub._give_commit,
    "POST /git/commits": LocalGitHub._create_commit,
    "GET /actions/secrets/public-key": LocalGitHub._give_key,
    "GET /actions/secrets/{secret_name}": LocalGitHub._give_secret,
    "PUT /actions/secrets/{secret_name}": LocalGitHub._put_secret,
    "DELETE /actions/secrets/{secret_name}": LocalGitHub._delete_secret,
    "POST /actions/variables": LocalGitHub._create_variable,
    "GET /actions/variables/{name}": LocalGitHub._give_variable,
    "PATCH /actions/variables/{name}": LocalGitHub._change_variable,
    "DELETE /actions/variables/{name}": LocalGitHub._delete_variable,
    "GET /installation": LocalGitHub._give_installation,
    "GET /pulls": LocalGitHub._list_pulls,
    "POST /pulls": LocalGitHub._create_pull,
    "PATCH /pulls/{pull_number}": LocalGitHub._change_pull,
    "GET /issues/{issue_number}/comments": LocalGitHub._list_comments,
    "POST /issues/{issue_number}/comments": LocalGitHub._create_comment,
    "PATCH /issues/comments/{comment_id}": LocalGitHub._change_comment,
}
