"""Logs: one line an event, the request's number and flow in it, no secret, and a 500 is always said."""

import json
import logging
import logging.config
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client, override_settings
from django.urls import path

from orchestrator import logs
from orchestrator.ops.status import core_parts
from orchestrator.urls import urlpatterns as real


def broken(request: HttpRequest, flow_id: str) -> HttpResponse:
    """A view with a fault, whose error carries a token."""
    raise RuntimeError("could not use blk_" + "a" * 40)


urlpatterns = [path("flows/<str:flow_id>/broken/", broken), *real]


@pytest.fixture
def lines():
    """What is logged, line by line, in the form that the service writes."""
    taken = StringIO()
    handler = logging.StreamHandler(taken)
    config = logs.build_logging("json", "INFO")["formatters"]["events"]
    handler.setFormatter(
        config["()"](foreign_pre_chain=config["foreign_pre_chain"], processors=config["processors"])
    )
    logging.getLogger().addHandler(handler)
    yield lambda: [json.loads(line) for line in taken.getvalue().splitlines()]
    logging.getLogger().removeHandler(handler)


@override_settings(ROOT_URLCONF=__name__, DEBUG=False)
def test_a_500_is_said_with_traceback_number_and_flow(lines):
    flow = "task_" + "0" * 20
    answer = Client(raise_request_exception=False).get(
        f"/flows/{flow}/broken/?q=private", headers={"X-Request-ID": "mine-1"}
    )
    assert answer.status_code == 500
    assert "Internal error" in answer.content.decode()
    assert answer["X-Request-ID"] == "mine-1"
    said = [line for line in lines() if line["level"] == "error"]
    assert len(said) == 1
    assert (said[0]["request_id"], said[0]["flow_id"]) == ("mine-1", flow)
    assert "RuntimeError: could not use [REDACTED]" in said[0]["exception"]
    assert "private" not in json.dumps(lines())


def test_answers_are_logged_and_probes_are_not(db, lines):
    client = Client()
    assert len(client.get("/status/", headers={"X-Request-ID": "bad number\t"})["X-Request-ID"]) == 32
    client.get("/health")
    found = [line for line in lines() if line["event"] == "answered"]
    assert [(line["path"], line["status"]) for line in found] == [("/status/", 200)]
    assert set(core_parts.PARTS) == {"database", "migrations", "redis"}


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("token blk_" + "x" * 43, "token [REDACTED]"),
        ("sk-ant-api03-" + "y" * 30, "[REDACTED]"),
        ("Authorization: Bearer abcdefghijklmnop", "Authorization: Bearer [REDACTED]"),
        ("redis://:secret@host/0", "redis://:[REDACTED]@host/0"),
        ("postgres://me:pw@host/db", "postgres://me:[REDACTED]@host/db"),
        ("password=tr0ubador7 was refused", "password=[REDACTED] was refused"),
        ("nothing at 12:30@noon", "nothing at 12:30@noon"),
    ],
)
def test_credentials_are_struck_out(text, left):
    assert logs.strike_secrets(text) == left


def test_what_is_logged_inside_lists_objects_and_errors_is_struck_out(lines):
    token = "blk_" + "a" * 43
    extra = {"tried": [{"headers": ("x", token)}], "error": ValueError(token), "place": Path("/") / token}
    logging.getLogger("x").warning("it failed: %s", {"with": token}, extra=extra)
    (line,) = lines()
    assert token not in json.dumps(line)
    assert line["tried"] == [{"headers": ["x", "[REDACTED]"]}]


@pytest.mark.parametrize("form", ["json", "text"])
def test_both_forms_are_lines_on_standard_error(form):
    code = (
        "import logging, logging.config, sys; from orchestrator import logs;"
        "logging.config.dictConfig(logs.build_logging(sys.argv[1], 'INFO'));"
        "logging.getLogger('x').warning('it is %s', 'here', extra={'flow_id': 'task_1'})"
    )
    done = subprocess.run([sys.executable, "-c", code, form], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "it is here" in done.stderr
    assert "task_1" in done.stderr


@pytest.mark.parametrize("host", ["evil!host", "x" * 5000, "[::1", "evil.example"])
def test_a_host_that_is_not_ours_costs_one_short_line(lines, host):
    config = logs.build_logging("json", "INFO")["loggers"]
    assert config["django.security.DisallowedHost"] == {"filters": ["one_line"]}
    answer = Client(raise_request_exception=False).get("/health", headers={"Host": host})
    assert answer.status_code == 400
    (line,) = lines()
    assert line["level"] == "warning"
    assert "exception" not in line
    assert len(json.dumps(line)) < 600
