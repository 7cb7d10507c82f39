"""The files of a block that a person edited, as the result of the stage that writes them."""

from collections.abc import Mapping

from gates.candidate import MAX_FILE_BYTES
from orchestrator.core.errors import FixedBy, OrchestratorError
from orchestrator.flows.generation.block_files import BlockName
from orchestrator.flows.models import Artifact, Flow, Stage
from orchestrator.flows.models.states import StageStatus
from orchestrator.flows.stage_outputs import PERSON, ImplementOutput, PlanOutput
from orchestrator.flows.stage_protocol import Done, NewArtifact

KIND = "implement"


class EditRefused(OrchestratorError):
    """These files are not an edit of the block."""

    code = "flow:bad-edit"
    cure = (
        "Send files of the candidate that `blocks flow fetch TASK --candidate` brought, one of them changed."
    )
    fixed_by = FixedBy.REQUESTER
    http_status = 422


def accept_edit(flow: Flow, files: Mapping[str, str], *, editor: str) -> Done:
    """The result of the stage: ``files`` (path to text) over those of the newest round.

    Raises ``EditRefused`` for a file that the block does not have, and where nothing differs.
    """
    plan = _read_output(flow, "plan")
    if not plan:
        raise EditRefused(f"{flow.id} has no plan, and so no block.")
    outline = PlanOutput.parse(plan)
    name = BlockName(outline.block_family, outline.block_name, outline.private_modules)
    before = _read_newest(flow, name)
    unknown = sorted(files.keys() - set(name.paths.values()))
    if unknown:
        raise EditRefused(
            f"{unknown[0][:200]!r} is not a file of this block: {', '.join(name.paths.values())}."
        )
    for path, text in files.items():
        if len(text.encode()) > MAX_FILE_BYTES:
            raise EditRefused(f"{path} has over {MAX_FILE_BYTES // 1024} KB.")
    after = {kind: files.get(path, before.get(kind, "")) for kind, path in name.paths.items()}
    if after == before:
        raise EditRefused("Nothing differs from the newest round.")
    earlier = ImplementOutput.parse(_read_output(flow, KIND))
    output = ImplementOutput(
        files=tuple(name.paths.values()),
        model=editor,
        provider=PERSON,
        # What was paid for before led to this block, too.
        calls=earlier.calls,
        edited_by=editor,
    )
    artifacts = [NewArtifact(kind, path, after[kind].encode()) for kind, path in name.paths.items()]
    return Done(output=output.to_json(), artifacts=tuple(artifacts))


def _read_output(flow: Flow, kind: str) -> Mapping[str, object]:
    """The output of the newest passed stage of ``kind``; empty where none has passed."""
    passed = Stage.objects.filter(flow=flow, kind=kind, status=StageStatus.PASSED)
    found: Mapping[str, object] | None = passed.order_by("-position").values_list("output", flat=True).first()
    return found or {}


def _read_newest(flow: Flow, name: BlockName) -> dict[str, str]:
    """The files of the newest round, artifact kind to text."""
    rows = Artifact.objects.filter(flow=flow, stage__kind=KIND, kind__in=name.paths)
    ordered = rows.order_by("stage__position", "id").select_related("blob")
    # A later round takes the place of an earlier one.
    return {row.kind: bytes(row.blob.content).decode() for row in ordered}
