"""OpenAPI: complete, and true of what the API answers."""

import jsonschema
import yaml
from django.test import Client

from tests import scenes

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


def load_schema() -> dict:
    return yaml.safe_load(Client().get("/api/v1/schema/").content)


def test_every_promised_address_is_described(db):
    found = load_schema()
    assert found["openapi"].startswith("3.1")
    assert {path: PROMISED[path] & set(found["paths"][path]) for path in PROMISED} == PROMISED


def test_the_page_needs_no_other_host(db):
    page = Client().get("/api/v1/docs/").content.decode()
    assert "swagger-ui" in page
    assert "https://" not in page
    assert "//cdn" not in page


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
