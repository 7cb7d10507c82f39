"""``python -m orchestrator.dev.far_sides.read_github_api FILE``: keep what is used of GitHub's description.

FILE is ``generated/api.github.com.json`` of the npm package ``@octokit/openapi`` 23.0.2 (MIT, see
``github_api.LICENSE``), which is GitHub's own OpenAPI description with nothing taken away. Kept are the
operations that ``blocks ci`` and onboarding call: parameters, bodies and answers as JSON Schemas, without a
description or an example, and of objects only what is required.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("github_api.json")
OPERATIONS = {
    "/app/installations/{installation_id}/access_tokens": ("post",),
    "/repos/{owner}/{repo}": ("get",),
    "/repos/{owner}/{repo}/actions/secrets/public-key": ("get",),
    "/repos/{owner}/{repo}/actions/secrets/{secret_name}": ("get", "put", "delete"),
    "/repos/{owner}/{repo}/actions/variables": ("post",),
    "/repos/{owner}/{repo}/actions/variables/{name}": ("get", "patch", "delete"),
    "/repos/{owner}/{repo}/branches/{branch}": ("get",),
    "/repos/{owner}/{repo}/contents/{path}": ("get",),
    "/repos/{owner}/{repo}/git/commits": ("post",),
    "/repos/{owner}/{repo}/git/commits/{commit_sha}": ("get",),
    "/repos/{owner}/{repo}/git/ref/{ref}": ("get",),
    "/repos/{owner}/{repo}/git/refs": ("post",),
    "/repos/{owner}/{repo}/git/refs/{ref}": ("patch", "delete"),
    "/repos/{owner}/{repo}/git/trees": ("post",),
    "/repos/{owner}/{repo}/git/trees/{tree_sha}": ("get",),
    "/repos/{owner}/{repo}/installation": ("get",),
    "/repos/{owner}/{repo}/issues/{issue_number}/comments": ("get", "post"),
    "/repos/{owner}/{repo}/issues/comments/{comment_id}": ("patch",),
    "/repos/{owner}/{repo}/pulls": ("get", "post"),
    "/repos/{owner}/{repo}/pulls/{pull_number}": ("patch",),
    "/user": ("get",),
}
_KEPT = frozenset({"type", "enum", "format", "required", "items", "maxLength", "minLength", "pattern"})
_BRANCHES = ("anyOf", "oneOf", "allOf")


class DescriptionReader:
    """GitHub's document."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document

    def read(self) -> dict[str, Any]:
        """The part that is kept."""
        return {
            "version": self._document["info"]["version"],
            "operations": {
                f"{method.upper()} {path}": self._read_operation(self._document["paths"][path][method])
                for path, methods in OPERATIONS.items()
                for method in methods
            },
        }

    def _read_operation(self, operation: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {"parameters": {}, "answers": {}}
        for parameter in operation.get("parameters", ()):
            facts = self._resolve(parameter)
            found["parameters"][facts["name"]] = {
                "in": facts["in"],
                "schema": self._simplify(facts["schema"], whole=True),
            }
        if body := operation.get("requestBody"):
            # What may be sent is kept whole, so that a field that GitHub does not know is noticed.
            found["body"] = self._simplify(body["content"]["application/json"]["schema"], whole=True)
        for status, answer in operation["responses"].items():
            content = self._resolve(answer).get("content", {}).get("application/json")
            found["answers"][status] = self._simplify(content["schema"], whole=False) if content else {}
        return found

    def _resolve(self, node: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in node:
            found: Any = self._document
            for part in node["$ref"].removeprefix("#/").split("/"):
                found = found[part]
            node = found
        return node

    def _simplify(self, node: dict[str, Any], *, whole: bool) -> dict[str, Any]:
        node = self._resolve(node)
        found = {name: value for name, value in node.items() if name in _KEPT and name != "items"}
        if "items" in node:
            found["items"] = self._simplify(node["items"], whole=whole)
        wanted = node.get("properties", {}) if whole else list(self._list_required(node))
        if wanted:
            found["properties"] = {
                name: self._simplify(node["properties"][name], whole=whole) for name in wanted
            }
        for name in _BRANCHES:
            if name in node:
                found[name] = [self._simplify(one, whole=whole) for one in node[name]]
        # OpenAPI 3.0 says beside a type what JSON Schema says with it.
        if node.get("nullable"):
            return {"anyOf": [found, {"type": "null"}]}
        return found

    def _list_required(self, node: dict[str, Any]) -> Iterator[str]:
        yield from (name for name in node.get("required", ()) if name in node.get("properties", {}))


def main() -> None:
    """Write the part beside this module."""
    document = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    found = DescriptionReader(document).read()
    # An operation a line: whole it would be one line of 80 KB, indented it would be twice as large.
    lines = [f'"version": {json.dumps(found["version"])}, "operations": {{']
    operations = sorted(found["operations"].items())
    lines += [f"{json.dumps(name)}: {json.dumps(one, sort_keys=True)}," for name, one in operations]
    text = "\n".join(lines).removesuffix(",")
    FILE.write_text(f"{{{text}\n}}}}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
