"""Context: what of the repo the models are shown, and what a librarian says about it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from blocks.format import snapshot
from gates import repo_files
from orchestrator.core.redaction import digest_rules
from orchestrator.flows.context import (
    Bundle,
    BundleTooLarge,
    FilesNotJudged,
    collect_bundle,
    leave_out_secret_names,
)
from orchestrator.flows.generation import prompts
from orchestrator.flows.generation.model_request import ModelRequest, ask_model
from orchestrator.flows.generation.parsing import parse_json_object
from orchestrator.flows.source import clone
from orchestrator.flows.source.clone_seats import ClonesBusy, take_seat
from orchestrator.flows.stage_outputs import ContextOutput, RecordedCall
from orchestrator.flows.stage_protocol import (
    Done,
    Failed,
    NewArtifact,
    Park,
    PreparationContext,
    StageContext,
    StageResult,
)
from orchestrator.flows.verification import environment
from orchestrator.repos import read_access
from providers.base import NotAdmitted

ANSWER_TOKENS = 2048
"""A page of prose is under 1,000 tokens."""

NEXT_CLONE_SECONDS = 2

MAX_NAMES = 200
"""How many modules and packages are named to the models that write and review."""

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "summary": {"type": "string"},
        "conventions": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["summary", "conventions"],
}


FACTS = "bundle-facts"
"""The kind of the artifact with what belongs to a bundle that was collected before its stage is admitted."""


@dataclass(frozen=True, slots=True)
class CollectedContext:
    """The bundle, and the names of the repo's modules and packages."""

    bundle: Bundle
    modules: tuple[str, ...]
    packages: tuple[str, ...]

    def to_artifacts(self) -> tuple[NewArtifact, ...]:
        """Both as they are kept for an attempt that comes later."""
        facts = {key: value for key, value in asdict(self).items() if key != "bundle"}
        facts["bundle"] = {key: value for key, value in asdict(self.bundle).items() if key != "text"}
        facts["redacted_by"] = digest_rules()
        return (
            NewArtifact("bundle", "bundle.txt", self.bundle.text.encode()),
            NewArtifact(FACTS, "bundle.json", json.dumps(facts).encode(), "application/json"),
        )


class ContextStage:
    """Clones the repo where the flow brought none, builds the bundle and has it summarised.

    Artifact ``bundle``; output: the summary and what is in the bundle.
    """

    kind: ClassVar[str] = "context"

    def prepare_flow(self, context: PreparationContext) -> tuple[NewArtifact, ...]:
        """Collect, redact and rank while the flow waits for its first slot."""
        return _collect(context).to_artifacts()

    def run(self, context: StageContext) -> StageResult:
        chosen = context.settings
        try:
            collected = _read_collected(context) or _collect(context)
        except ClonesBusy:
            until = datetime.now(UTC) + timedelta(seconds=NEXT_CLONE_SECONDS)
            return Park("Other repos are being cloned; this one is next.", until)
        except clone.CloneFailed as error:
            return Failed(error.code, str(error), error.cure, retryable=error.retryable)
        # Without a retry: the same repo would be too large again, and the same files too slow.
        except (BundleTooLarge, FilesNotJudged) as error:
            return Failed(error.code, str(error), error.cure)
        bundle = collected.bundle
        kept = NewArtifact("bundle", "bundle.txt", bundle.text.encode())
        # What a model is shown is stored before it is shown, so that even a crash leaves the proof.
        context.store_evidence(kept.content)
        told = f"Context bundle: {len(bundle.included)} files, {bundle.size} bytes"
        if bundle.unjudged:
            told += f"; not searched for secrets in time and so left out: {', '.join(bundle.unjudged)}"
        context.report_progress(
            told,
            omitted=bundle.omitted,
            redactions=bundle.redactions,
        )
        question = ModelRequest(
            prompt="context",
            model=chosen.context_model,
            variables={},
            answer_tokens=ANSWER_TOKENS,
            # Later stages begin their prompts with the same bytes, so the vendor's cache serves them.
            stable=prompts.repository_prefix(bundle.text),
            json_schema=SCHEMA,
        )
        try:
            reply = ask_model(context, question, lambda text: parse_json_object(text, SCHEMA))
        except NotAdmitted:
            # The attempt that is admitted, after a wait, need not do this again.
            context.keep_artifacts(collected.to_artifacts())
            raise
        if isinstance(reply, Failed):
            # People see the bundle of a failed question, too: it often says why the question failed.
            return replace(reply, artifacts=(kept, *reply.artifacts))
        output = ContextOutput(
            summary=reply.value["summary"],
            conventions=tuple(reply.value["conventions"]),
            modules=collected.modules,
            packages=collected.packages,
            bundle_sha256=bundle.sha256,
            bundle_bytes=bundle.size,
            included=tuple(bundle.included),
            outlined=tuple(bundle.outlined),
            omitted=bundle.omitted,
            redactions=bundle.redactions,
            unjudged=tuple(bundle.unjudged),
            calls=tuple(map(RecordedCall.parse, reply.calls)),
        )
        return Done(output=output.to_json(), artifacts=(kept, reply.answer))


def _collect(context: PreparationContext) -> CollectedContext:
    """Raises ``CloneFailed``, ``BundleTooLarge`` and ``FilesNotJudged``."""
    files = _read_files(context)
    bundle = collect_bundle(
        files,
        context.feature_request,
        max_bytes=context.settings.context_max_bytes,
        pruning=context.settings.context_pruning,
    )
    told = leave_out_secret_names(files)
    return CollectedContext(
        bundle,
        tuple(sorted(repo_files.list_repo_modules(told)))[:MAX_NAMES],
        environment.name_packages(files)[:MAX_NAMES],
    )


def _read_collected(context: StageContext) -> CollectedContext | None:
    """What was collected while the flow waited; ``None`` where nothing was, or where it must not be used."""
    text, facts = context.read_artifact("bundle"), context.read_artifact(FACTS)
    if text is None or facts is None:
        return None
    kept = json.loads(facts)
    # A flow may wait for days, and the list of secrets may have grown meanwhile.
    is_whole = hashlib.sha256(text).hexdigest() == kept["bundle"]["sha256"]
    if not is_whole or kept.get("redacted_by") != digest_rules():
        return None
    lists = {key: tuple(kept["bundle"][key]) for key in ("included", "outlined", "unjudged")}
    return CollectedContext(
        Bundle(**kept["bundle"] | lists, text=text.decode()), tuple(kept["modules"]), tuple(kept["packages"])
    )


def _read_files(context: PreparationContext) -> Mapping[str, bytes]:
    """The repo that the flow carries; a clone, which it carries from then on, where it came without and one
    may be made.
    """
    packed = context.snapshot
    if packed or not context.clone_url:
        return snapshot.unpack(packed)
    with take_seat(context.clone_url):
        credential = read_access.find_credential(context.repo, context.clone_url)
        cloned = clone.clone(context.clone_url, credential)
    # Kept at once: a second attempt must see the same commit, not what the branch has become.
    context.attach_snapshot(snapshot.pack(cloned.files), cloned.origin)
    left_out = "".join(f", {count} {reason}" for reason, count in cloned.reasons.items())
    context.report_progress(
        f"Cloned {len(cloned.files)} files at {cloned.commit[:12]}"
        + (f"; left out{left_out[1:]}" if left_out else ""),
        origin=cloned.origin,
    )
    return cloned.files


stage = ContextStage()
