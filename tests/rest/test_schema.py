"""OpenAPI: complete, and true of what the API answers."""

import ast
import io
import json
from collections.abc import Iterator
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import jsonschema
from django.core.management import call_command
from django.test import Client
from openapi_spec_validator import validate

from tests import scenes
from tests.rest.test_rights import API

_ROOT = Path(__file__).parents[2] / "orchestrator"
_API_SOURCES = [
    *_ROOT.glob("rest/*.py"),
    *_ROOT.glob("repos/**/*.py"),
    *_ROOT.glob("flows/api/**/*.py"),
    *_ROOT.glob("ops/**/*.py"),
]
_AS_JSON = {"Accept": "application/json"}
PROMISED = {
    "/api/v1/flows/": {"get", "post"},
    "/api/v1/flows/{flow_id}/": {"get"},
    "/api/v1/flows/{flow_id}/events/": {"get"},
    "/api/v1/flows/{flow_id}/gates/": {"get"},
    "/api/v1/flows/{flow_id}/calls/": {"get"},
    "/api/v1/flows/{flow_id}/evidence/": {"get"},
    "/api/v1/flows/{flow_id}/block/": {"get"},
    "/api/v1/flows/{flow_id}/cancel/": {"post"},
    "/api/v1/flows/{flow_id}/retry/": {"post"},
    "/api/v1/flows/{flow_id}/replay/": {"get", "post"},
    "/api/v1/repos/": {"get", "post"},
    "/api/v1/repos/{name}/config/": {"get", "put"},
    "/api/v1/quota/": {"get"},
}


def load_schema() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Client().get("/api/v1/schema/", headers=_AS_JSON).content)
    return found


def list_operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every operation with its path and its method."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield {**operation, "path": path, "method": method}


def test_the_document_is_valid_and_built_without_a_warning(db) -> None:
    validate(load_schema())
    with redirect_stderr(io.StringIO()) as said:
        call_command("spectacular", "--validate", "--fail-on-warn", stdout=io.StringIO())
    assert said.getvalue() == ""


def test_every_operation_says_what_it_does_and_how_it_is_refused(db) -> None:
    document = load_schema()
    assert document["servers"] == [{"url": "/", "description": ANY}]
    names = [operation["operationId"] for operation in list_operations(document)]
    assert len(names) == len(set(names))
    for operation in list_operations(document):
        name = operation["operationId"]
        assert 10 < len(operation["summary"]) < 100, name
        assert not operation["summary"].endswith("."), name
        for parameter in operation.get("parameters", ()):
            described = parameter["schema"].get("description") or parameter.get("description")
            assert described or parameter["schema"].get("enum"), (name, parameter["name"])
        refused = {status: answer for status, answer in operation["responses"].items() if status >= "400"}
        assert {"429", "500", "503"} <= set(refused), name
        assert "401" in refused or not operation.get("security"), name
        for answer in refused.values():
            content = answer["content"]["application/problem+json"]
            assert content["schema"] == {"$ref": "#/components/schemas/Problem"}
            assert content["examples"], name


def test_every_list_has_pages_and_every_answer_with_rows_has_sparse_fields(db) -> None:
    for operation in list_operations(load_schema()):
        answer = operation["responses"].get("200", {}).get("content", {}).get("application/json", {})
        names = {parameter["name"] for parameter in operation.get("parameters", ())}
        assert answer.get("schema", {}).get("type") != "array", operation["operationId"]
        if operation["operationId"].endswith("_list"):
            assert {"limit", "cursor", "fields"} <= names, operation["operationId"]


def test_every_row_of_the_table_of_rights_is_an_operation_and_every_operation_has_one(db) -> None:
    described = {
        f"{operation['method'].upper()} {operation['path']}" for operation in list_operations(load_schema())
    }
    tried = {row.replace("<", "{").replace(">", "}") for row in API}
    assert tried - described == {"GET /api/v1/schema/", "GET /api/v1/docs/"}
    assert described <= tried


def test_every_code_that_a_view_raises_is_described(db) -> None:
    """Read from the source: a refusal that no test provokes is found, too."""
    described = {
        (int(status), code)
        for operation in list_operations(load_schema())
        for status, answer in operation["responses"].items()
        if status >= "400"
        for code in answer["content"]["application/problem+json"]["examples"]
    }
    raised = {pair for path in _API_SOURCES for pair in read_raised(path)}
    assert len(raised) > 30
    # Django's own exceptions, which no view raises.
    assert raised - described == {(403, "auth:not-allowed")}


def read_raised(path: Path) -> Iterator[tuple[int, str]]:
    """The status and the code of every problem that a module raises with both written out."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Problem":
            match node.args:
                case [ast.Constant(int() as status), ast.Constant(str() as code), *_]:
                    yield status, code


def test_every_promised_address_is_described(db):
    found = load_schema()
    assert found["openapi"].startswith("3.1")
    assert {path: PROMISED[path] & set(found["paths"][path]) for path in PROMISED} == PROMISED


def test_the_page_needs_no_other_host(db):
    page = Client().get("/api/v1/docs/").content.decode()
    assert "swagger-ui" in page
    assert "https://" not in page
    assert "//cdn" not in page


def test_the_page_of_the_document_is_only_read() -> None:
    assert Client().options("/api/v1/docs/").status_code == 405


def test_answers_are_as_described(api):
    flow = scenes.run_through(scenes.make_flow())
    document = load_schema()
    for path, url in (
        ("/api/v1/flows/{flow_id}/", f"/api/v1/flows/{flow.id}/"),
        ("/api/v1/flows/", "/api/v1/flows/"),
        ("/api/v1/flows/{flow_id}/gates/", f"/api/v1/flows/{flow.id}/gates/"),
        ("/api/v1/flows/{flow_id}/calls/", f"/api/v1/flows/{flow.id}/calls/"),
        ("/api/v1/repos/{name}/config/", f"/api/v1/repos/{flow.repo.name}/config/"),
        ("/api/v1/quota/", "/api/v1/quota/"),
    ):
        described = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"][
            "schema"
        ]
        jsonschema.validate(api.get(url).json(), {**described, "components": document["components"]})


def test_the_document_is_built_once_and_knows_no_parameters(db, monkeypatch):
    first = Client().get("/api/v1/schema/")
    assert first["Content-Type"].startswith("application/vnd.oai.openapi")

    def build(*given, **more):
        raise AssertionError("it was built before")

    monkeypatch.setattr("drf_spectacular.generators.SchemaGenerator.get_schema", build)
    assert Client().get("/api/v1/schema/").content == first.content
    assert Client().get("/api/v1/schema/?version=9").status_code == 400
