"""GitHub as a job meets it: pull requests and comments with state, held to GitHub's own OpenAPI description.

Stricter than the real one: a field, a parameter or a header that GitHub would ignore is refused.
"""

import functools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jsonschema

from tests.blocks.ci.platform_server import Answer, Asked, Remote, build_link

API = json.loads(Path(__file__).with_name("github_api.json").read_text(encoding="utf-8"))
REPOSITORY = "acme/compliance-service"
ACTIONS = "github-actions[bot]"
# https://docs.github.com/en/rest: a body of a comment or a pull request has at most so many characters.
_MOST_CHARACTERS = 65_536
_VERSIONS = {"2022-11-28"}


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


class Refused(Exception):
    """An answer other than success."""

    def __init__(self, status: int, message: str, *errors: Mapping[str, str]) -> None:
        super().__init__(message)
        self.answer = Answer(status, {"message": message, "documentation_url": "x", "status": str(status)})
        if errors:
            self.answer.body["errors"] = list(errors)


@dataclass
class GitHubServer:
    """One repository. ``tokens`` maps a token to the permissions that its job has."""

    remote: Remote
    tokens: dict[str, set[str]]
    faults: list[str] = field(default_factory=list)
    pulls: list[dict[str, Any]] = field(default_factory=list)
    comments: list[dict[str, Any]] = field(default_factory=list)
    issues: set[int] = field(default_factory=set)
    may_create_pulls: bool = True
    refusals: list[Answer] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    request_token: str = ""
    sign: Callable[[str], str] = str
    """Makes the identity token of the job for an audience; ``request_token`` is what asks for it."""

    def answer(self, asked: Asked) -> Answer:
        """The answer to one request, as GitHub gives it."""
        if asked.path == "/identity":
            return self._give_identity(asked)
        self.asked.append(asked)
        operation, variables = self._find_operation(asked)
        try:
            if self.refusals:
                return self.refusals.pop(0)
            self._check_caller(asked)
            self._check_request(operation, asked)
            found = self._act(operation, asked, variables)
        except Refused as refused:
            found = refused.answer
        self._check_answer(operation, found)
        return found

    def _give_identity(self, asked: Asked) -> Answer:
        if not self.request_token or asked.bearer != self.request_token:
            return Answer(401, {"message": "Bad credentials"})
        if asked.params.keys() != {"api-version", "audience"}:
            raise AssertionError(f"the request for an identity token has {sorted(asked.params)}")
        token = self.sign(asked.params["audience"])
        return Answer(200, {"count": len(token), "value": token})

    def _find_operation(self, asked: Asked) -> tuple[str, dict[str, str]]:
        for name in API["operations"]:
            method, path = name.split(" ")
            pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path)
            if method == asked.method and (found := re.fullmatch(pattern, asked.path)):
                return name, found.groupdict()
        raise AssertionError("this operation is not in the part of GitHub's description that is kept")

    def _check_caller(self, asked: Asked) -> None:
        if not asked.headers.get("user-agent"):
            raise Refused(403, "Request forbidden by administrative rules.")
        if asked.headers.get("x-github-api-version") not in _VERSIONS:
            raise Refused(400, "The version is not supported.")
        if asked.bearer not in self.tokens:
            raise Refused(401, "Bad credentials")

    def _check_request(self, operation: str, asked: Asked) -> None:
        facts = API["operations"][operation]
        for name, value in asked.params.items():
            if facts["parameters"].get(name, {}).get("in") != "query":
                raise AssertionError(f"{operation} has no parameter {name}")
            schema = facts["parameters"][name]["schema"]
            jsonschema.validate(int(value) if schema.get("type") == "integer" else value, schema)
        if "body" in facts:
            unknown = set(asked.body) - set(facts["body"]["properties"])
            if unknown:
                raise AssertionError(f"{operation} has no field {sorted(unknown)}")
            jsonschema.validate(asked.body, facts["body"])
            for value in asked.body.values():
                if isinstance(value, str) and len(value) > _MOST_CHARACTERS:
                    raise Refused(
                        422, "Validation Failed", {"resource": "Issue", "field": "body", "code": "custom"}
                    )
        elif asked.body is not None:
            raise AssertionError(f"{operation} takes no body")

    def _check_answer(self, operation: str, found: Answer) -> None:
        answers = API["operations"][operation]["answers"]
        status = str(found.status)
        # 400 and 401 are not listed with every operation, although each can answer them.
        if status in answers:
            _make_validator(operation, status).validate(found.body)
        elif found.status not in {400, 401}:
            raise AssertionError(f"{operation} never answers {found.status}")

    def _act(self, operation: str, asked: Asked, variables: dict[str, str]) -> Answer:
        if operation == "GET /user":
            # The token of a job is that of an installation, and an installation is not a user.
            raise Refused(403, "Resource not accessible by integration")
        if f"{variables['owner']}/{variables['repo']}" != REPOSITORY:
            if operation.startswith("GET /repos/{owner}/{repo}/pulls") or "patch" in operation.lower():
                return Answer(422, {"message": "Not Found", "errors": []})
            raise Refused(404, "Not Found")
        match operation.split("/{repo}")[0].split(" ")[0], operation.rsplit("/", 1)[-1]:
            case "GET", "pulls":
                return self._list_pulls(operation, asked)
            case "POST", "pulls":
                self._need(asked, "pull_requests")
                return self._create_pull(operation, asked.body)
            case "PATCH", "{pull_number}":
                self._need(asked, "pull_requests")
                return self._change_pull(operation, int(variables["pull_number"]), asked.body)
            case "GET", "comments":
                return self._list_comments(operation, asked, int(variables["issue_number"]))
            case "POST", "comments":
                self._need(asked, "issues")
                return self._create_comment(operation, int(variables["issue_number"]), asked.body)
            case "PATCH", "{comment_id}":
                self._need(asked, "issues")
                return self._change_comment(operation, int(variables["comment_id"]), asked.body)
        raise AssertionError(operation)

    def _need(self, asked: Asked, permission: str) -> None:
        if permission not in self.tokens[asked.bearer]:
            raise Refused(403, "Resource not accessible by integration")

    def _list_pulls(self, operation: str, asked: Asked) -> Answer:
        state, head = asked.params.get("state", "open"), asked.params.get("head")
        found = [
            pull
            for pull in self.pulls
            if state in {pull["state"], "all"}
            # GitHub ignores a head without its owner, and then gives every pull request.
            and (not head or ":" not in head or pull["head"]["label"] == head)
            and asked.params.get("base") in {None, pull["base"]["ref"]}
        ]
        return self._give_page(operation, asked, list(reversed(found)))

    def _create_pull(self, operation: str, body: Mapping[str, Any]) -> Answer:
        head, base = body["head"], body["base"]
        owner = REPOSITORY.split("/")[0]
        if not self.may_create_pulls:
            raise Refused(403, "GitHub Actions is not permitted to create or approve pull requests.")
        for name, branch in (("head", head), ("base", base)):
            if not self.remote.has_branch(branch):
                raise Refused(
                    422, "Validation Failed", {"resource": "PullRequest", "field": name, "code": "invalid"}
                )
        if not body.get("title"):
            raise Refused(
                422,
                "Validation Failed",
                {"resource": "PullRequest", "field": "title", "code": "missing_field"},
            )
        custom = {"resource": "PullRequest", "code": "custom"}
        if any(one["state"] == "open" and one["head"]["ref"] == head for one in self.pulls):
            message = f"A pull request already exists for {owner}:{head}."
            raise Refused(422, "Validation Failed", custom | {"message": message})
        if not self.remote.count_commits(base, head):
            message = f"No commits between {base} and {head}"
            raise Refused(422, "Validation Failed", custom | {"message": message})
        number = len(self.pulls) + 101
        schema = API["operations"][operation]["answers"]["201"]
        made = make_instance(
            schema,
            {
                "number": number,
                "state": "open",
                "title": body["title"],
                "body": body.get("body"),
                "html_url": f"https://github.com/{REPOSITORY}/pull/{number}",
                "head": {"ref": head, "label": f"{owner}:{head}"},
                "base": {"ref": base, "label": f"{owner}:{base}"},
            },
        )
        self.pulls.append(made)
        self.issues.add(number)
        return Answer(201, made)

    def _change_pull(self, operation: str, number: int, body: Mapping[str, Any]) -> Answer:
        for pull in self.pulls:
            if pull["number"] == number:
                pull.update(body)
                return Answer(200, pull)
        raise Refused(422, "Not Found")

    def _list_comments(self, operation: str, asked: Asked, number: int) -> Answer:
        if number not in self.issues:
            raise Refused(404, "Not Found")
        return self._give_page(operation, asked, [one for one in self.comments if one["issue"] == number])

    def add_comment(self, number: int, body: str, login: str = ACTIONS) -> dict[str, Any]:
        """A comment that is there, or that a person writes."""
        schema = API["operations"]["POST /repos/{owner}/{repo}/issues/{issue_number}/comments"]["answers"]
        user = {"login": login, "type": "Bot" if login == ACTIONS else "User"}
        known = {"id": 9000 + len(self.comments), "body": body, "issue": number, "user": user}
        made: dict[str, Any] = make_instance(schema["201"], known)
        self.comments.append(made)
        return made

    def _create_comment(self, operation: str, number: int, body: Mapping[str, Any]) -> Answer:
        if number not in self.issues:
            raise Refused(404, "Not Found")
        return Answer(201, self.add_comment(number, body["body"]))

    def _change_comment(self, operation: str, comment_id: int, body: Mapping[str, Any]) -> Answer:
        for comment in self.comments:
            if comment["id"] == comment_id:
                comment.update(body)
                return Answer(200, comment)
        raise AssertionError("a comment that is not there was changed")

    def _give_page(self, operation: str, asked: Asked, found: list[dict[str, Any]]) -> Answer:
        size = min(int(asked.params.get("per_page", 30)), 100)
        page = int(asked.params.get("page", 1))
        pages = max(1, -(-len(found) // size))
        part = found[(page - 1) * size : page * size]
        schema = API["operations"][operation]["answers"]["200"]["items"]
        shown = [make_instance(schema, one) for one in part]
        return Answer(200, shown, build_link("https://api.github.com", asked, page, pages))


def list_bodies(server: GitHubServer, number: int) -> Iterator[str]:
    """The texts of the comments of an issue."""
    return (one["body"] for one in server.comments if one["issue"] == number)
