"""Pull requests and comments."""

from collections.abc import Mapping
from typing import Any, Final, NoReturn

from orchestrator.dev.far_sides.github.description import API, make_instance
from orchestrator.dev.far_sides.github.state import (
    ACTIONS,
    GitHubCall,
    GitHubRefusal,
    GitHubRepository,
    GitHubState,
)
from orchestrator.dev.far_sides.server import Answer, Asked, FarSideFault, build_link


def _list_pulls(github: GitHubState, call: GitHubCall) -> Answer:
    state, head = call.asked.params.get("state", "open"), call.asked.params.get("head")
    found = [
        pull
        for pull in call.repository.pulls
        if state in {pull["state"], "all"}
        # GitHub ignores a head without its owner, and then gives every pull request.
        and (not head or ":" not in head or pull["head"]["label"] == head)
        and call.asked.params.get("base") in {None, pull["base"]["ref"]}
    ]
    return _give_page(github, call.operation, call.asked, list(reversed(found)))


def _create_pull(github: GitHubState, call: GitHubCall) -> Answer:
    github.need(call, "pull_requests")
    body = call.asked.body
    owner = call.repository.path.split("/")[0]
    # A head may be written with its owner.
    head, base = body["head"].removeprefix(f"{owner}:"), body["base"]
    _refuse_pull(call.repository, body, head, base)
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
            "url": f"{github.url}/repos/{call.repository.path}/pulls/{number}",
            "head": {"ref": head, "label": f"{owner}:{head}"},
            "base": {"ref": base, "label": f"{owner}:{base}"},
        },
    )
    call.repository.pulls.append(made)
    call.repository.issues.add(number)
    return Answer(201, made)


def _refuse_pull(repository: GitHubRepository, body: Mapping[str, Any], head: str, base: str) -> None:
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


def _change_pull(github: GitHubState, call: GitHubCall) -> Answer:
    github.need(call, "pull_requests")
    for pull in call.repository.pulls:
        if pull["number"] == int(call.variables["pull_number"]):
            pull.update(call.asked.body)
            return Answer(200, pull)
    raise GitHubRefusal(422, "Not Found")


def _list_comments(github: GitHubState, call: GitHubCall) -> Answer:
    number = int(call.variables["issue_number"])
    if number not in call.repository.issues:
        raise GitHubRefusal(404, "Not Found")
    found = [one for one in call.repository.comments if one["issue"] == number]
    return _give_page(github, call.operation, call.asked, found)


def _create_comment(github: GitHubState, call: GitHubCall) -> Answer:
    github.need(call, "issues")
    number = int(call.variables["issue_number"])
    if number not in call.repository.issues:
        raise GitHubRefusal(404, "Not Found")
    return Answer(201, write_comment(call.repository, number, call.asked.body["body"]))


def _change_comment(github: GitHubState, call: GitHubCall) -> Answer:
    github.need(call, "issues")
    for comment in call.repository.comments:
        if comment["id"] == int(call.variables["comment_id"]):
            comment.update(call.asked.body)
            return Answer(200, comment)
    raise FarSideFault("a comment that is not there was changed")


def _give_page(github: GitHubState, operation: str, asked: Asked, found: list[dict[str, Any]]) -> Answer:
    size = min(int(asked.params.get("per_page", 30)), 100)
    page = int(asked.params.get("page", 1))
    pages = max(1, -(-len(found) // size))
    # Pages count from one.
    part = found[(page - 1) * size : page * size]
    schema = API["operations"][operation]["answers"]["200"]["items"]
    shown = [make_instance(schema, one) for one in part]
    return Answer(200, shown, build_link(github.url or "https://api.github.com", asked, page, pages))


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


def _refuse_field(name: str, code: str) -> NoReturn:
    raise GitHubRefusal(422, "Validation Failed", {"resource": "PullRequest", "field": name, "code": code})


OPERATIONS: Final = {
    "GET /pulls": _list_pulls,
    "POST /pulls": _create_pull,
    "PATCH /pulls/{pull_number}": _change_pull,
    "GET /issues/{issue_number}/comments": _list_comments,
    "POST /issues/{issue_number}/comments": _create_comment,
    "PATCH /issues/comments/{comment_id}": _change_comment,
}
