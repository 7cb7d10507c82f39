"""The page of a flow: what happened, what was found and where, and nothing that a model wrote as markup."""

import io
import json
import re
import zipfile
from itertools import pairwise

import pytest
from django.contrib.auth.models import User
from django.test import Client

from orchestrator.flows.models import Artifact, Flow, FlowEvent
from tests import scenes
from tests.rest.test_flows import read_stream
from tests.web import story


@pytest.fixture
def sre(db) -> Client:
    """An SRE who has logged in."""
    client = Client()
    client.force_login(User.objects.create_superuser("sre", "sre@example.org", "pw"))
    return client


def read_page(client: Client, flow, **query: str) -> str:
    answer = client.get(f"/flows/{flow.id}/", query)
    assert answer.status_code == 200
    return answer.content.decode()


def row_of(text: str, line: int) -> str:
    """The table row of a source line and the notes that follow it."""
    return re.split(r'data-n="\d+"', text.split(f'data-n="{line}"', 1)[1])[0]


def test_the_round_that_failed_is_shown_in_its_source(sre):
    text = read_page(sre, story.tell_flow(), round="1")
    source = text[text.index('id="source-module"') : text.index('id="source-tests"')]
    assert '<tr class="miss"><td class="no" data-n="6">' in source
    assert '<tr class="part"><td class="no" data-n="5">' in source
    at_five = row_of(source, 5)
    assert "Branch not taken" in at_five
    assert "<del>-     if value &gt; LIMIT:</del><ins>+     if value &lt; LIMIT:</ins>" in at_five
    assert source.count("<del>") == 1  # a detected mutant is none of the page's business
    assert "Sabotage not detected" in row_of(source, 7)
    assert "eval is evil" in row_of(source, 7)  # beyond the end: at the last line
    assert 'class="k">def' in source
    assert "Fix schema or implementation, then retry." in text
    assert 'aria-label="80 %, 90 % needed"' in text


def test_the_gates_come_in_the_order_in_which_they_judged(sre):
    text = read_page(sre, story.tell_flow())
    assert re.findall(r"<h3>(\w+) <span class=\"pill", text) == ["contract", "mutation", "review"]


def test_the_newest_round_is_the_default_and_takes_the_review_that_read_it(sre):
    text = read_page(sre, story.tell_flow())
    assert "Quality gates, round 2" in text
    assert '<a href="?round=1#gates">Round 1</a>' in text
    source = text[text.index('id="source-module"') : text.index('id="source-tests"')]
    assert "mind &lt;script&gt;" in row_of(source, 4)
    assert "mind &lt;script&gt;" not in read_page(sre, story.tell_flow(), round="1")


@pytest.mark.parametrize("asked", ["0", "7", "-1", "x", "²", "9" * 40])
def test_a_round_that_is_none_shows_the_newest(sre, asked):
    assert "Quality gates, round 2" in read_page(sre, story.tell_flow(), round=asked)


def test_a_repair_round_is_a_diff_with_what_was_told(sre):
    text = read_page(sre, story.tell_flow())
    repairs = text[text.index('id="repairs"') : text.index('id="readme"')]
    assert "- mind the limit" in repairs
    assert "    if value &gt; LIMIT:" in repairs
    assert "    if value &gt;= LIMIT:" in repairs
    assert "test_clip.py" not in repairs  # unchanged


def test_nothing_that_a_model_wrote_is_markup(sre):
    for query in ({}, {"round": "1"}):
        text = read_page(sre, story.tell_flow(), **query)
        assert "<script>alert" not in text
        assert "<img src=x" not in text
        assert "javascript:" not in re.sub(r"\[bad\]\(javascript:alert\(1\)\)", "", text)
        assert "p.png" not in "".join(re.findall(r"<img[^>]*>", text))
    assert '<a href="https://example.org/" rel="nofollow noopener noreferrer">good</a>' in text


def test_no_style_and_no_script_stands_in_the_page(sre):
    answer = sre.get(f"/flows/{story.tell_flow().id}/")
    text = answer.content.decode()
    assert " style=" not in text
    assert not re.search(r" on[a-z]+=", re.sub(r"&lt;.*?&gt;", "", text))
    assert not re.search(r"<script(?![^>]* src=)", text)
    assert answer["Content-Security-Policy"].startswith("default-src 'none'")
    assert "unsafe" not in answer["Content-Security-Policy"]


def test_headings_descend_one_at_a_time(sre):
    text = read_page(sre, story.tell_flow())
    levels = [int(level) for level in re.findall(r"<h([1-6])[ >]", text)]
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    ids = re.findall(r' id="([^"]+)"', text)
    assert len(ids) == len(set(ids))


def test_evidence_that_is_no_evidence_breaks_nothing(sre):
    flow = story.tell_flow()
    for kind, content in (
        ("coverage", b'{"files": [1]}'),
        ("mutation", b'{"files": {"clip.py": {"mutants": [7, {}]}}}'),
    ):
        Artifact.objects.filter(kind=f"evidence:{kind}:{kind}.json").update(blob=scenes.store_blob(content))
    assert "Mutant survived" in read_page(sre, flow, round="1")  # from the gate's own findings
    Artifact.objects.filter(name="mutation.json").update(blob=scenes.store_blob(b"\xff no JSON"))
    assert "Mutant survived" in read_page(sre, flow, round="1")


def test_a_flow_that_has_just_begun_has_a_page(sre):
    flow = scenes.make_flow(request="")
    text = read_page(sre, flow)
    assert "data-ended" not in text
    assert "No model has been called yet." in text
    scenes.start_kind(flow, "context")
    assert "context: running" in read_page(sre, flow)


def test_waiting_shows_as_a_bar_with_its_reason(sre):
    flow = scenes.make_flow()
    scenes.park_stage(
        scenes.start_kind(flow, "context"), "google: tokens a minute reached", provider="google"
    )
    text = read_page(sre, flow)
    assert 'class="bar parked"' in text
    assert "google: tokens a minute reached</title>" in text


def test_files_are_saved_never_shown(sre):
    flow = story.tell_flow()
    artifact = Artifact.objects.get(flow=flow, name="coverage.json")
    answer = sre.get(f"/flows/{flow.id}/artifacts/{artifact.pk}/")
    assert json.loads(answer.content)["files"]
    assert answer["Content-Disposition"] == 'attachment; filename="coverage.json"'
    assert answer["Content-Type"] == "application/octet-stream"
    assert sre.get(f"/flows/{scenes.make_flow().id}/artifacts/{artifact.pk}/").status_code == 404
    archive = zipfile.ZipFile(io.BytesIO(sre.get(f"/flows/{flow.id}/evidence.zip").content))
    assert "verify-1/mutation.json" in archive.namelist()
    assert sre.get(f"/flows/{flow.id}/block.tar.gz").content[:2] == b"\x1f\x8b"
    assert sre.get(f"/flows/{scenes.make_flow().id}/block.tar.gz").status_code == 404


def test_the_page_follows_the_events_by_session(sre):
    flow = scenes.run_through(scenes.make_flow())
    frames = read_stream(sre.get(f"/flows/{flow.id}/events/"))
    assert "event: flow.passed" in frames
    assert frames.rstrip().endswith('data: {"status": "passed"}')
    last = FlowEvent.objects.filter(flow=flow).latest("id").pk
    assert "event: flow" not in read_stream(sre.get(f"/flows/{flow.id}/events/?after={last}"))
    assert sre.get(f"/flows/{flow.id}/events/?after=x").status_code == 400


def test_a_flow_that_is_traced_links_to_its_trace(sre, settings):
    flow = scenes.make_flow()
    settings.TRACE_URL_TEMPLATE = "https://traces.example.org/{trace_id}?from=flow"
    assert "Show the trace" not in read_page(sre, flow)
    Flow.objects.update(trace_parent="00-" + "a" * 32 + "-" + "b" * 16 + "-01")
    assert f'href="https://traces.example.org/{"a" * 32}?from=flow"' in read_page(sre, flow)
    settings.TRACE_URL_TEMPLATE = ""
    assert "Show the trace" not in read_page(sre, flow)
