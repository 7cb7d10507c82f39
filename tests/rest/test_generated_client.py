"""A client that a generator makes from our OpenAPI compiles, and does what its names say."""

import compileall
import importlib
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
from django.core.wsgi import get_wsgi_application

from orchestrator.repos import tokens
from tests import scenes
from tests.rest.conformance import keep_connection
from tests.rest.test_schema import load_schema

NAME = "blocks_api"
# The generator knows bytes by this name only.
CONFIG = {"content_type_overrides": {"application/gzip": "application/octet-stream"}, "post_hooks": []}


@pytest.fixture
def generated(db, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The client, imported."""
    document, config = tmp_path / "openapi.json", tmp_path / "config.json"
    document.write_text(json.dumps(load_schema()), encoding="utf-8")
    config.write_text(json.dumps(CONFIG), encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "openapi_python_client",
        "generate",
        "--fail-on-warning",
        "--meta",
        "none",
    ]
    command += ["--path", str(document), "--config", str(config), "--output-path", str(tmp_path / NAME)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert compileall.compile_dir(tmp_path / NAME, quiet=1)
    monkeypatch.syspath_prepend(tmp_path)
    return importlib.import_module(NAME)


def load(path: str) -> Any:
    """A module of the client."""
    return importlib.import_module(f"{NAME}.{path}")


def test_a_generated_client_starts_a_flow_finds_it_and_reads_it(generated: Any, repo) -> None:
    secret = tokens.create_token("test", repo)[1]
    scenes.run_through(scenes.make_flow(repo))
    transport = httpx.WSGITransport(app=get_wsgi_application())
    client = generated.AuthenticatedClient(
        base_url="http://testserver", token=secret, httpx_args={"transport": transport}
    )
    models = load("models")
    with keep_connection():
        wanted = models.NewFlow(feature_request="# Ratio\nCompute it.")
        made = load("api.flows.flows_create").sync(client=client, body=wanted, idempotency_key="job-1")
        listed = load("api.flows.flows_list").sync(client=client, status="pending")
        read = load("api.flows.flows_get").sync(made.id, client=client)
        block = load("api.flows.flows_block").sync_detailed(made.id, client=client)
        refused = load("api.flows.flows_get").sync("task_" + "0" * 20, client=client)
    assert isinstance(made, models.FlowSummary)
    assert [flow.id for flow in listed.results] == [made.id]
    assert (read.id, read.stages[0].kind) == (made.id, "context")
    assert (block.status_code, block.parsed.code) == (409, "flow:no-block")
    assert isinstance(refused, models.Problem)
    assert refused.code == "flow:not-found"
