"""Spans: what is sent, what is not imported, and that nobody waits for a collector."""

import os
import socket
import subprocess
import sys
import threading
import time

import pytest
from django.db import connection
from django.test import Client
from structlog.contextvars import get_contextvars

from orchestrator.core import database, statement_traces, tracing
from orchestrator.dev.collector import Collector, run_collector
from orchestrator.flows import engine
from orchestrator.flows.engine import flow_trace
from orchestrator.flows.models import Flow
from tests import scenes

PATIENCE_SECONDS = 30.0


@pytest.fixture
def collector(settings):
    with run_collector() as running:
        settings.OTEL_EXPORTER_OTLP_ENDPOINT = running.endpoint
        # A thread of an earlier test may have loaded one for the endpoint of that test.
        tracing.stop_tracer()
        # The signal does this where the process starts with the setting.
        statement_traces.trace_statements(connection=connection)
        yield running
        connection.execute_wrappers.remove(statement_traces._execute_in_span)
        tracing.stop_tracer()


def wait_for_span(collector: Collector, name: str):
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        with collector.lock:
            found = [span for span in collector.spans if span.name == name]
        if found:
            return found[-1]
        time.sleep(0.05)
    raise AssertionError(f"no span {name}: {sorted({span.name for span in collector.spans})}")


def test_spans_are_children_of_the_ones_around_them(collector):
    with tracing.open_root_span("outer", {"n": 1}) as outer:
        outer.set({"text": "x"})
        with pytest.raises(ZeroDivisionError), tracing.open_span("inner"):
            raise ZeroDivisionError("the text of an error may quote a secret")
        inside = tracing.read_trace_parent()
    with tracing.open_span("elsewhere", parent=inside, kind=tracing.CONSUMER):
        pass
    elsewhere, outer_span = wait_for_span(collector, "elsewhere"), wait_for_span(collector, "outer")
    inner = wait_for_span(collector, "inner")
    assert outer_span.attributes == {"n": 1, "text": "x"}
    assert {inner.parent_id, elsewhere.parent_id} == {outer_span.span_id}
    assert (inner.failed, inner.attributes) == (True, {"error.type": "ZeroDivisionError"})
    assert tracing.read_trace_id(inside) == outer_span.trace_id
    assert outer_span.resource["service.name"] == "flowengine"
    assert outer_span.resource["process.pid"] == os.getpid()


def test_work_of_nobody_makes_no_trace(collector):
    with tracing.open_span("a tick"):
        assert tracing.read_trace_parent() == ""
    with tracing.open_root_span("last"):
        pass
    wait_for_span(collector, "last")
    assert [span.name for span in collector.spans] == ["last"]


def test_a_flow_is_sampled_as_a_whole(collector, settings, transactional_db):
    settings.OTEL_TRACES_SAMPLER_ARG = "0"
    tracing.stop_tracer()
    assert scenes.run_through(scenes.make_flow()).trace_parent == ""
    with tracing.open_root_span("request"):
        assert scenes.make_flow().trace_parent == ""
    tracing.stop_tracer()
    settings.OTEL_TRACES_SAMPLER_ARG = "1"
    with tracing.open_root_span("request"):
        made = scenes.make_flow()
    assert made.trace_id == wait_for_span(collector, "request").trace_id
    assert "SELECT repos" in {span.name for span in collector.of_trace(made.trace_id)}


@pytest.mark.parametrize("end", ["passed", "failed", "cancelled"])
def test_the_span_of_a_flow_is_sent_at_its_end(collector, transactional_db, end):
    made = scenes.make_flow(block_family="compliance")
    if end == "cancelled":
        scenes.cancel_flow(made)
    else:
        scenes.run_through(made, gates_fail=end == "failed")
    made = Flow.objects.get(pk=made.pk)
    span = wait_for_span(collector, flow_trace.NAME)
    # The runbook's two attributes.
    assert span.attributes["flow_type"] == "plan_impl_review_docs"
    assert span.attributes["block_family"] == "compliance"
    assert span.attributes["flow.status"] == end
    assert span.failed == (end == "failed")
    assert span.trace_id == made.trace_id
    assert span.parent_id == wait_for_span(collector, "create flow").span_id
    assert flow_trace.find_flow_span(made.trace_parent).split("-")[2] == span.span_id
    assert abs(span.end - span.start - 1e9 * (made.finished_at - made.created_at).total_seconds()) < 1e6
    assert len([one for one in collector.spans if one.name == flow_trace.NAME]) == 1


def test_a_retry_begins_a_trace_of_its_own(collector, transactional_db):
    failed = scenes.run_through(scenes.make_flow(), gates_fail=True)
    wait_for_span(collector, flow_trace.NAME)
    again = engine.retry(failed.pk)
    assert again.trace_id not in ("", failed.trace_id)
    assert wait_for_span(collector, "retry flow").trace_id == again.trace_id


def test_statements_are_named_and_carry_no_values(collector, transactional_db):
    scenes.make_repo("a-secret-name")
    with tracing.open_root_span("work"):
        database.read_clock()
        list(Flow.objects.filter(repo__name="a-secret-name"))
    wait_for_span(collector, "work")
    spans = {span.name: span for span in collector.spans}
    assert spans["SELECT flows_flow"].attributes["db.system.name"] == "postgresql"
    assert spans["SELECT flows_flow"].parent_id == spans["work"].span_id
    assert "a-secret-name" not in repr([span.attributes for span in collector.spans])


def test_a_request_is_the_root_and_links_to_the_trace_of_its_caller(collector, db, monkeypatch):
    outside = "00-" + "a" * 32 + "-" + "b" * 16 + "-00"
    seen = {}
    monkeypatch.setattr(
        "orchestrator.rest.request_ids._SANE",
        type("Spy", (), {"fullmatch": lambda _, text: seen.update(get_contextvars())})(),
    )
    Client().get("/status/", headers={"traceparent": outside})
    span = wait_for_span(collector, "GET /status/")
    assert span.links == ("a" * 32,)
    assert span.trace_id != "a" * 32
    assert span.attributes["http.response.status_code"] == 200
    # Lines of the log about the request carry its trace.
    assert seen["trace_id"] == span.trace_id
    Client().get("/health")
    assert not [one for one in collector.spans if "health" in one.name]


def test_without_the_setting_nothing_is_imported(settings, transactional_db):
    program = (
        "import sys, django; django.setup(); from orchestrator.core import tracing\n"
        "from orchestrator.flows.worker import tasks; tracing.load_tracer()\n"
        "with tracing.open_root_span('x') as span: span.set({'a': 1}); assert span is tracing.NO_SPAN\n"
        "loaded = ('opentelemetry.sdk', 'opentelemetry.exporter', 'grpc')\n"
        "print([name for name in sys.modules if name.startswith(loaded)])"
    )
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "orchestrator.settings",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "",
    }
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("kind", ["dead", "black hole"])
def test_nobody_waits_for_a_collector_that_does_not_answer(settings, kind):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if kind == "black hole":
            listener.listen(16)
        settings.OTEL_EXPORTER_OTLP_ENDPOINT = f"http://127.0.0.1:{listener.getsockname()[1]}"
        longest, ended = 0.0, threading.Event()
        # More than the queue holds, so that spans are dropped.
        for _ in range(6000):
            began = time.monotonic()
            with tracing.open_root_span("work"):
                pass
            longest = max(longest, time.monotonic() - began)
        stopping = threading.Thread(target=lambda: (tracing.stop_tracer(), ended.set()))
        stopping.start()
        # Eight exports of 5 s each are in the queue; none is waited for.
        assert ended.wait(20)
        stopping.join()
    # Who waited for one export would wait for 5 s.
    assert longest < 4
