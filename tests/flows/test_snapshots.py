"""Snapshots: one form for the same files, stored once, out of the flow's row."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blocks.format import snapshot
from orchestrator.flows import engine
from orchestrator.flows.engine import IdempotencyConflict, broker
from orchestrator.flows.models import Blob, Flow
from tests import scenes


@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8"), min_size=1),
        st.binary() | st.text().map(lambda t: t.encode("utf-8", "replace")),
    )
)
def test_every_file_comes_back_and_the_order_does_not_matter(files: dict[str, bytes]) -> None:
    packed = snapshot.pack(files)
    assert snapshot.unpack(packed) == files
    assert snapshot.pack(dict(reversed(files.items()))) == packed
    assert "\\u0000" not in json.dumps(list(json.loads(packed).values())), "PostgreSQL's JSON cannot hold it"


def test_nothing_is_no_file() -> None:
    assert snapshot.unpack(b"") == {}


@pytest.mark.django_db(transaction=True)
def test_a_flow_that_is_not_made_leaves_no_snapshot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker, "send_route", lambda route: True)
    made = engine.create(scenes.make_repo(), "x", snapshot=b"{}", idempotency_key="k")
    assert engine.create(scenes.make_repo(), "x", snapshot=b"{}", idempotency_key="k") == made
    with pytest.raises(IdempotencyConflict):
        engine.create(scenes.make_repo(), "x", snapshot=b'{"a.py":"x"}', idempotency_key="k")
    assert [bytes(blob.content) for blob in Blob.objects.all()] == [b"{}"]


@pytest.mark.django_db(transaction=True)
def test_a_list_reads_no_snapshot(monkeypatch: pytest.MonkeyPatch, django_assert_num_queries) -> None:
    monkeypatch.setattr(broker, "send_route", lambda route: True)
    engine.create(scenes.make_repo(), "x", snapshot=b"{}")
    with django_assert_num_queries(1) as asked:
        (flow,) = Flow.objects.select_related("repo")
    assert "flows_blob" not in asked[0]["sql"]
    assert flow.snapshot_id == engine.create(scenes.make_repo(), "y", snapshot=b"{}").snapshot_id
