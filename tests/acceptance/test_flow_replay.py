"""A flow whose gates really ran, run again from its record: the same flow is the same."""

import json
from pathlib import Path

import pytest

from tests.acceptance.product import Product

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.mark.parametrize("sample", ["devops-tooling", "compliance-service"])
def test_a_flow_whose_gates_really_ran_replays_as_the_same(
    product: Product, tmp_path: Path, sample: str
) -> None:
    work = product.checkout(sample, tmp_path)
    code, flow = product.run(work, work.name.removesuffix(" of mine"))
    assert code == 0, flow
    done = product.blocks(work, "flow", "replay", flow["id"], "--json")
    report = json.loads(done.stdout)["report"]
    assert report["differences"] == []
    assert (done.returncode, report["same"], report["skipped"]) == (0, True, [])
