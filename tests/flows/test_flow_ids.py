"""Ids of flows: their order is the order in which turns are taken."""

import itertools
from types import SimpleNamespace

from orchestrator.flows.models import flow as models


def test_ids_of_one_millisecond_sort_by_the_time_they_were_made(monkeypatch):
    microseconds = itertools.count(1_800_000_000_000_000_000, 1000)
    monkeypatch.setattr(models, "time", SimpleNamespace(time_ns=lambda: next(microseconds)))
    ids = [models.new_flow_id() for _ in range(500)]
    assert ids == sorted(ids)
    assert len(set(ids)) == 500
    assert {len(one) for one in ids} == {25}
