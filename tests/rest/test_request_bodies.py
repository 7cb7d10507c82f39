"""What a client sends and the service does not know: it hears of it, in bodies and in queries."""

import pytest

from orchestrator.ops.incidents.models import Incident
from orchestrator.repos.models import RepoSetting, Token
from tests import scenes
from tests.rest.test_create import read_problem
from tests.rest.test_schema import list_operations, load_schema

# Alertmanager adds fields with its versions, and nobody can tell it to send fewer.
OPEN = {"incidents_report_alerts"}


def test_every_described_body_says_that_it_has_no_other_fields(db) -> None:
    document = load_schema()
    open_bodies = set()
    for operation in list_operations(document):
        if "requestBody" not in operation:
            continue
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        if "$ref" in schema:
            schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        if schema.get("additionalProperties") is not False:
            open_bodies.add(operation["operationId"])
    assert open_bodies == OPEN


@pytest.mark.parametrize(
    ("address", "body"),
    [
        ("tokens/", {"name": "nightly", "scopes": ["flows:read"], "operator": True}),
        ("webhooks/", {"url": "https://a.example.org/b", "topics": ["flow.failed"], "organisation": True}),
        ("notify/slack/", {"channel": "general", "message": "Hello."}),
        ("incidents/", {"title": "Flows fail", "severity": "P2"}),
        ("quota/google/pause/", {"reason": "The bill."}),
        ("preflight/answers/", {"phase": 1, "line": "x", "holds": True, "person": "Ada"}),
    ],
)
def test_an_unknown_field_is_refused_beside_all_other_mistakes(operator, repo, address, body) -> None:
    before = Token.objects.count(), Incident.objects.count()
    first = next(iter(body))
    answer = operator.post(f"/api/v1/{address}", body | {"expires": 1, first: []}, format="json")
    problem = read_problem(answer, 422, "request:unknown-field")
    assert set(problem["errors"]) == {"expires", first}
    assert first in problem["errors"]["expires"][0]
    assert (Token.objects.count(), Incident.objects.count()) == before


def test_a_mistake_deep_in_a_body_is_named_by_its_path(operator) -> None:
    alert = {"status": "firing", "labels": {"alertname": ""}, "startsAt": "soon", "endsAt": "never"}
    body = {"version": "4", "receiver": "orchestrator", "groupKey": "{}", "alerts": [alert], "more": 0}
    answer = operator.post("/api/v1/incidents/alerts/", body, format="json")
    problem = read_problem(answer, 422, "request:invalid")
    places = [message.partition(": ")[0] for message in problem["errors"].pop("alerts")]
    assert sorted(places) == ["0.endsAt", "0.labels", "0.startsAt"]
    assert not problem["errors"]


def test_no_parameter_of_a_query_is_empty(operator, repo) -> None:
    flow = scenes.run_through(scenes.make_flow(repo))
    tried = 0
    for operation in list_operations(load_schema()):
        path = operation["path"].replace("{flow_id}", flow.pk).replace("{name}", repo.name)
        if operation["method"] != "get" or "{" in path:
            continue
        for parameter in operation.get("parameters", ()):
            if parameter["in"] == "query":
                name = parameter["name"]
                body = read_problem(operator.get(f"{path}?{name}="), 400, "request:invalid-filter")
                assert name in body["detail"], (path, body)
                tried += 1
    assert tried > 40


def test_every_setting_that_cannot_be_set_is_named_at_once(operator, repo) -> None:
    wrong = {"gates.mode": "magic", "context.max_size_kb": 9_000, "no.such.key": 1}
    for address in ("config/", f"repos/{repo.name}/config/"):
        body = wrong | {"effort.plan": "high"}
        answer = operator.put(f"/api/v1/{address}", body, format="json")
        problem = read_problem(answer, 422, "config:invalid-value")
        assert set(problem["errors"]) == set(wrong)
        assert "gates.mode" in problem["cure"]
    assert not RepoSetting.objects.exists()


@pytest.mark.parametrize("address", ["/api/v1/none/", "/api/v1/webhooks/%0Ax/", "/api/v1/%0d%0a/flows/"])
def test_an_unknown_address_is_a_problem_with_any_characters_in_it(operator, address) -> None:
    read_problem(operator.get(address), 404, "request:not-found")


def test_what_depends_on_other_rows_has_a_code_of_its_own(operator) -> None:
    incident = {"title": "Flows fail", "severity": "P2", "repos": ["nobody-has-it"]}
    read_problem(operator.post("/api/v1/incidents/", incident, format="json"), 404, "repo:unknown")
    assert not Incident.objects.exists()
    repo = {"name": "inside", "clone_url": "https://10.0.0.1/a/b.git"}
    read_problem(operator.post("/api/v1/repos/", repo, format="json"), 422, "repo:clone-url-refused")
