"""Answers as GitHub does: who asks, what they may see, whether the request is one, what it does."""

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import jsonschema

from orchestrator.dev.far_sides.github import actions, apps, git_objects, pulls, repositories
from orchestrator.dev.far_sides.github.description import API, list_patterns, make_validator
from orchestrator.dev.far_sides.github.state import GitHubCall, GitHubRefusal, GitHubRepository, GitHubState
from orchestrator.dev.far_sides.server import Answer, Asked, FarSideFault

# https://docs.github.com/en/rest: a body of a comment or a pull request has at most so many characters.
_MOST_CHARACTERS: Final = 65_536
_VERSIONS: Final = {"2022-11-28"}
# Not listed with every operation, although each can answer them; 409 is what a variable twice gets.
_UNLISTED: Final = {400, 401, 403, 404, 409, 422}
_LIMIT: Final = 5000
_OPERATIONS: Final[dict[str, Callable[[GitHubState, GitHubCall], Answer]]] = {
    **repositories.OPERATIONS,
    **git_objects.OPERATIONS,
    **actions.OPERATIONS,
    **apps.OPERATIONS,
    **pulls.OPERATIONS,
}


@dataclass
class LocalGitHub(GitHubState):
    """What is served."""

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
        repository = self.find_repository(path, token)
        # A token that sees the repository may still lack the right to read its files.
        may_read = repository is not None and (
            not repository.private or self.is_permitted(token, "contents", repository)
        )
        if repository is None or not may_read:
            # Also for one that is not there: GitHub tells strangers nothing, and git asks for a login.
            headers = {"WWW-Authenticate": 'Basic realm="GitHub"', "Content-Type": "text/plain"}
            return Answer(401, b"Repository not found.", headers)
        return repository.remote.answer_git(asked, rest)

    def _find_operation(self, asked: Asked) -> tuple[str, dict[str, str], GitHubRepository | None]:
        path = self._follow_number(asked.path)
        for name, method, pattern in list_patterns():
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
        return self.find_repository(path, asked.bearer)

    def _check_caller(self, asked: Asked, operation: str) -> None:
        if not asked.headers.get("user-agent"):
            raise GitHubRefusal(403, "Request forbidden by administrative rules.")
        version = asked.headers.get("x-github-api-version")
        if version not in _VERSIONS and (version is not None or self.wants_version):
            raise GitHubRefusal(400, "The version is not supported.")
        # These two take the token that an app signs itself.
        if "/app/" in operation or operation.endswith("/installation"):
            apps.read_app(self, asked.bearer)
            return
        if not self.is_live(asked.bearer):
            raise GitHubRefusal(401, "Bad credentials")

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
                make_validator(operation, status).validate(found.body)
        elif found.status not in _UNLISTED:
            raise FarSideFault(f"{operation} never answers {found.status}")

    def _act(
        self, operation: str, asked: Asked, variables: dict[str, str], repository: GitHubRepository | None
    ) -> Answer:
        if operation == "GET /user":
            # The token of a job is that of an installation, and an installation is not a user.
            raise GitHubRefusal(403, "Resource not accessible by integration")
        if operation.startswith("POST /app/"):
            return apps.mint_token(self, asked, int(variables["installation_id"]))
        if repository is None:
            if operation.startswith(("GET /repos/{owner}/{repo}/pulls", "PATCH")):
                return Answer(422, {"message": "Not Found", "errors": []})
            raise GitHubRefusal(404, "Not Found")
        method, path = operation.split(" /repos/{owner}/{repo}")
        # An archived repository is read-only for everybody.
        if method != "GET" and repository.archived:
            raise GitHubRefusal(403, "Repository was archived so is read-only.")
        return _OPERATIONS[f"{method} {path}".strip()](
            self, GitHubCall(operation, asked, repository, variables)
        )

    def merge_pull(self, repository: GitHubRepository, number: int) -> None:
        """What a person does: the base gets the head's commits."""
        for pull in repository.pulls:
            if pull["number"] == number:
                commit = repository.remote.find_commit(pull["head"]["ref"])
                repository.remote.git("update-ref", f"refs/heads/{pull['base']['ref']}", commit)
                pull |= {"state": "closed", "merged_at": "2026-01-01T00:00:00Z"}
