"""A flow through all seven stages."""

import hashlib
import io
import json
import tarfile

from orchestrator.flows.stage_protocol import Done
from orchestrator.flows.stages import docs, review, seal, verify
from tests.flows.stages import fakes
from tests.flows.stages.fakes import FakeStageContext, Gates


def test_request_becomes_sealed_block(implemented: FakeStageContext, gates: Gates) -> None:
    work = implemented
    assert isinstance(work.run(verify.stage), Done)
    assert isinstance(work.run(review.stage, json.dumps(fakes.APPROVAL)), Done)
    assert isinstance(work.run(docs.stage, fakes.README), Done)
    result = work.run(seal.stage)

    assert isinstance(result, Done)
    assert result.block is not None
    assert (result.block.family, result.block.name, result.block.verified) == (
        "compliance",
        "capital_ratio",
        True,
    )
    with tarfile.open(fileobj=io.BytesIO(work.artifacts["block"])) as tar:
        files = {entry.name: tar.extractfile(entry).read() for entry in tar}  # type: ignore[union-attr]
    assert set(files) == {
        *("capital_ratio.py", "test_capital_ratio.py", "contract.json", "README.md", "manifest.json"),
        *(
            f"evidence/{gate}/{gate}.json"
            for gate in ("contract", "coverage", "mutation", "security", "review")
        ),
        *(
            f"attestations/test-result.{gate}.dsse.json"
            for gate in ("contract", "coverage", "mutation", "security", "review")
        ),
        *(f"attestations/{name}.dsse.json" for name in ("provenance", "verification-summary", "log-entry")),
    }
    manifest = json.loads(files.pop("manifest.json"))
    assert manifest["files"] == {
        path: {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
        for path, content in files.items()
        if not path.startswith("attestations/")
    }
    assert manifest["verified"] is True
    assert [gate["gate"] for gate in manifest["gates"]] == [
        "contract",
        "coverage",
        "mutation",
        "security",
        "review",
    ]
    assert [call["stage"] for call in manifest["calls"]] == ["context", "plan", "implement", "review", "docs"]
    assert {provider for provider, _ in work.requests} == {"google", "anthropic", "openai"}
    assert len({request.stable for _, request in work.requests}) == 1
