"""Repositories, their branches and the contents of files."""

import base64
from typing import Any, Final

from orchestrator.dev.far_sides.git_storage import TreeEntry
from orchestrator.dev.far_sides.github.description import API, make_instance
from orchestrator.dev.far_sides.github.state import GitHubCall, GitHubRefusal, GitHubState
from orchestrator.dev.far_sides.server import Answer


def _give_repository(github: GitHubState, call: GitHubCall) -> Answer:
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
        "url": f"{github.url}/repos/{call.repository.path}",
        "clone_url": f"{github.url}/{call.repository.path}.git",
        "size": 0 if not call.repository.remote.find_commit(call.repository.default_branch) else 12,
        # What a person may do. Of an installation GitHub says here that it may do nothing.
        "permissions": {
            "admin": False,
            "push": "contents" in github.tokens.get(call.asked.bearer, ()),
            "pull": call.asked.bearer not in github.minted,
        },
    }
    return Answer(200, make_instance(API["operations"][call.operation]["answers"]["200"], known))


def _give_branch(_: GitHubState, call: GitHubCall) -> Answer:
    name = call.variables["branch"]
    commit = call.repository.remote.find_commit(f"refs/heads/{name}")
    # Its own message, as GitHub has it.
    if not commit:
        raise GitHubRefusal(404, "Branch not found")
    known = {
        "name": name,
        "commit": {"sha": commit, "commit": {"tree": {"sha": call.repository.find_tree(commit)}}},
        "protected": name in call.repository.protected,
    }
    return Answer(200, make_instance(API["operations"][call.operation]["answers"]["200"], known))


def _give_contents(github: GitHubState, call: GitHubCall) -> Answer:
    github.need(call, "contents")
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


def _describe_entry(one: TreeEntry) -> dict[str, Any]:
    kinds = {"blob": "file", "tree": "dir"}
    name = one.path.rpartition("/")[2]
    return {"type": kinds[one.kind], "name": name, "path": one.path, "sha": one.sha}


OPERATIONS: Final = {
    "GET": _give_repository,
    "GET /branches/{branch}": _give_branch,
    "GET /contents/{path}": _give_contents,
}
