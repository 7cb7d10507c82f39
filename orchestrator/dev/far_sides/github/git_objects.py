"""Refs, trees and commits."""

import re
from typing import Any, Final

from orchestrator.dev.far_sides.github.description import API, make_instance
from orchestrator.dev.far_sides.github.state import (
    GitHubCall,
    GitHubRefusal,
    GitHubRepository,
    GitHubState,
)
from orchestrator.dev.far_sides.server import Answer

_WORKFLOWS: Final = ".github/workflows/"


def _give_ref(github: GitHubState, call: GitHubCall) -> Answer:
    call.repository.refuse_empty()
    commit = call.repository.remote.find_commit(f"refs/{call.variables['ref']}")
    if not commit:
        raise GitHubRefusal(404, "Not Found")
    return _answer_ref(github, call, "200", f"refs/{call.variables['ref']}", commit)


def _answer_ref(github: GitHubState, call: GitHubCall, status: str, ref: str, commit: str) -> Answer:
    url = f"{github.url}/repos/{call.repository.path}/git/{ref}"
    known = {"ref": ref, "url": url, "object": {"type": "commit", "sha": commit}}
    schema = API["operations"][call.operation]["answers"][status]
    made = make_instance(schema, known)
    made["object"]["sha"] = commit
    return Answer(int(status), made)


def _create_ref(github: GitHubState, call: GitHubCall) -> Answer:
    github.need(call, "contents")
    call.repository.refuse_empty()
    ref, sha = call.asked.body["ref"], call.asked.body["sha"]
    # GitHub wants the whole name, with two slashes at least.
    if not re.fullmatch(r"refs/[^/]+/.+", ref):
        raise GitHubRefusal(422, f"{ref} is not a valid ref name.")
    if not call.repository.remote.has_object(sha, "commit"):
        raise GitHubRefusal(422, "Object does not exist")
    if call.repository.remote.find_commit(ref):
        raise GitHubRefusal(422, "Reference already exists")
    call.repository.remote.git("update-ref", ref, sha)
    return _answer_ref(github, call, "201", ref, sha)


def _change_ref(github: GitHubState, call: GitHubCall) -> Answer:
    github.need(call, "contents")
    ref, sha = f"refs/{call.variables['ref']}", call.asked.body["sha"]
    old = call.repository.remote.find_commit(ref)
    if not old:
        raise GitHubRefusal(422, "Reference does not exist")
    if not call.repository.remote.has_object(sha, "commit"):
        raise GitHubRefusal(422, "Object does not exist")
    _refuse_protected(call.repository, ref)
    # Without force nobody loses commits that are there.
    if not call.asked.body.get("force") and not call.repository.remote.is_ancestor(old, sha):
        raise GitHubRefusal(422, "Update is not a fast forward")
    call.repository.remote.git("update-ref", ref, sha)
    return _answer_ref(github, call, "200", ref, sha)


def _delete_ref(github: GitHubState, call: GitHubCall) -> Answer:
    github.need(call, "contents")
    ref = f"refs/{call.variables['ref']}"
    if not call.repository.remote.find_commit(ref):
        raise GitHubRefusal(422, "Reference does not exist")
    _refuse_protected(call.repository, ref)
    call.repository.remote.git("update-ref", "-d", ref)
    for pull in call.repository.pulls:
        # GitHub closes what has lost its branch.
        if pull["state"] == "open" and ref == f"refs/heads/{pull['head']['ref']}":
            pull["state"] = "closed"
    return Answer(204, None)


def _refuse_protected(repository: GitHubRepository, ref: str) -> None:
    # A protected branch changes by a merge only.
    if ref.removeprefix("refs/heads/") in repository.protected:
        raise GitHubRefusal(422, "Protected branch update failed for this ref.")


def _give_tree(github: GitHubState, call: GitHubCall) -> Answer:
    github.need(call, "contents")
    call.repository.refuse_empty()
    sha = call.variables["tree_sha"]
    commit = call.repository.remote.find_commit(sha)
    tree = call.repository.find_tree(commit) if commit else sha
    if not commit and not call.repository.remote.has_object(sha, "tree"):
        raise GitHubRefusal(404, "Not Found")
    lines = call.repository.remote.list_tree(tree, recursive=bool(call.asked.params.get("recursive")))
    return _answer_tree(call.operation, "200", tree, lines)


def _answer_tree(operation: str, status: str, tree: str, lines: Any) -> Answer:
    schema = API["operations"][operation]["answers"][status]
    entry = schema["properties"]["tree"]["items"]
    known = [
        make_instance(entry, {"path": one.path, "mode": one.mode, "type": one.kind, "sha": one.sha})
        for one in lines
    ]
    return Answer(int(status), make_instance(schema, {"sha": tree, "truncated": False, "tree": known}))


def _create_tree(github: GitHubState, call: GitHubCall) -> Answer:
    github.need(call, "contents")
    call.repository.refuse_empty()
    base = call.asked.body.get("base_tree", "")
    if base and not call.repository.remote.has_object(base, "tree"):
        raise GitHubRefusal(422, "base_tree is not a valid tree oid")
    entries: dict[str, tuple[str, str] | None] = {}
    for one in call.asked.body["tree"]:
        # Workflows run with the rights of the repository, so writing them is a right of its own.
        if one["path"].startswith(_WORKFLOWS):
            github.need(call, "workflows")
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
    return _answer_tree(call.operation, "201", tree, call.repository.remote.list_tree(tree, recursive=False))


def _create_commit(github: GitHubState, call: GitHubCall) -> Answer:
    github.need(call, "contents")
    call.repository.refuse_empty()
    body = call.asked.body
    if not call.repository.remote.has_object(body["tree"], "tree"):
        raise GitHubRefusal(422, "Tree SHA does not exist")
    for parent in body.get("parents", ()):
        if not call.repository.remote.has_object(parent, "commit"):
            raise GitHubRefusal(422, "Parent SHA does not exist or is not a commit object")
    sha = call.repository.remote.write_commit(body["tree"], body.get("parents", []), body["message"])
    return _answer_commit(call.operation, "201", sha, body["tree"], body["message"])


def _give_commit(github: GitHubState, call: GitHubCall) -> Answer:
    github.need(call, "contents")
    sha = call.variables["commit_sha"]
    if not call.repository.remote.has_object(sha, "commit"):
        raise GitHubRefusal(404, "Not Found")
    message = call.repository.remote.git("log", "-1", "--format=%B", sha)
    return _answer_commit(call.operation, "200", sha, call.repository.find_tree(sha), message)


def _answer_commit(operation: str, status: str, sha: str, tree: str, message: str) -> Answer:
    known = {"sha": sha, "tree": {"sha": tree}, "message": message, "parents": []}
    schema = API["operations"][operation]["answers"][status]
    made = make_instance(schema, known)
    made["verification"] = make_instance(schema["properties"]["verification"])
    return Answer(int(status), made)


OPERATIONS: Final = {
    "GET /git/ref/{ref}": _give_ref,
    "POST /git/refs": _create_ref,
    "PATCH /git/refs/{ref}": _change_ref,
    "DELETE /git/refs/{ref}": _delete_ref,
    "GET /git/trees/{tree_sha}": _give_tree,
    "POST /git/trees": _create_tree,
    "GET /git/commits/{commit_sha}": _give_commit,
    "POST /git/commits": _create_commit,
}
