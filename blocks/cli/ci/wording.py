"""What people read at GitHub and GitLab: the text of a proposal, a comment, a summary of the job.

Texts of others (titles, findings, messages) are in code spans: there they can neither mention a person,
nor link, nor draw anything.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from blocks.cli.ci.catalog_check import CatalogReport
from blocks.cli.ci.code_host import ProposalText
from blocks.cli.ci.flow_requests import FlowRequest
from blocks.cli.terminal_text import remove_controls

_LONGEST_TITLE = 200
_LONGEST_CELL = 300
# GitHub takes 65,536 characters, GitLab a million.
_LONGEST_BODY = 60_000
_KEPT = (
    "Each run for the same request brings this text and this branch up to date. To change the block, change "
    "the request: a signed file that is edited no longer holds."
)
_MARKS = {"passed": "✅", "failed": "❌", "errored": "⚠️"}


def quote_text(text: object, longest: int = _LONGEST_CELL) -> str:
    """``text`` as a code span on one line, also within a table."""
    flat = " ".join(remove_controls(str(text)).split()).replace("`", "'").replace("|", "\\|")
    if len(flat) > longest:
        flat = f"{flat[:longest]}…"
    return f"`{flat}`" if flat else ""


def describe_proposal(
    request: FlowRequest,
    flow: Mapping[str, Any],
    gates: Iterable[Mapping[str, Any]],
    proof: str,
    evidence_url: str,
) -> ProposalText:
    """Title and body of a proposal for the block of ``flow``."""
    name = block_name(flow)
    title = f"Add block {name}: {' '.join(remove_controls(str(flow['title'])).split())}"
    cost = f"**Cost** {flow['cost_usd']} USD ({_cost_parts(flow)})"
    body = [
        f"The block **{name}**, made from {request.origin}.",
        _gate_table(gates),
        f"{cost}, **time** {_seconds(flow)}, **flow** {link_flow(flow)}",
        f"**Evidence** {quote_text(proof)}. [It is in this branch]({evidence_url}); to check it:",
        f"```bash\nblocks verify attestation .blocks/catalog/{name}\n```",
        _KEPT,
    ]
    return ProposalText(title[:_LONGEST_TITLE], _join(body))


def describe_start(request: FlowRequest, flow: Mapping[str, Any], run_url: str) -> str:
    """A comment while the flow runs."""
    return _join([f"⏳ A flow runs for {request.origin}: {link_flow(flow)} ([job]({run_url}))."])


def describe_result(
    request: FlowRequest,
    flow: Mapping[str, Any],
    gates: Iterable[Mapping[str, Any]],
    proposal_url: str | None,
    run_url: str,
) -> str:
    """A comment after its end: what came out, or why nothing did and what to do."""
    status = flow["status"]
    mark = _MARKS.get(status, "⏳")
    lines = [f"{mark} The flow for {request.origin} {status}: {link_flow(flow)} ([job]({run_url}))."]
    if status == "passed":
        where = proposal_url or "the block is the same as that of the branch, so there is nothing to propose"
        lines.append(f"Block **{block_name(flow)}**: {where}")
    if error := flow.get("error"):
        lines.append(f"{quote_text(error['code'])} {quote_text(error['message'], 1000)}")
        if error.get("cure"):
            lines.append(f"**Cure** {quote_text(error['cure'], 1000)}")
        lines.append(
            f"Every finding: `blocks verify show {flow['id']} --verbose`. To run it on from the stage that "
            f"failed: `blocks flow retry {flow['id']}`. A changed request starts a new flow."
        )
    lines += [_gate_table(gates), f"**Cost** {flow['cost_usd']} USD, **time** {_seconds(flow)}"]
    return _join(lines)


def describe_catalog(report: CatalogReport) -> str:
    """The evidence of every block of a catalog."""
    count, wrong = len(report.checked), sum(not one.ok for one in report.checked)
    if wrong:
        head = f"❌ **{wrong} of {count} blocks are not to be trusted**"
    else:
        head = f"✅ The evidence of all {count} blocks holds"
    rows = [
        f"| {quote_text(one.name)} | {_MARKS['passed' if one.ok else 'failed']} | {quote_text(one.finding)} |"
        for one in report.checked
    ]
    lines = [f"{head}, by the keys of {report.keys_from}.", *(f"⚠️ {note}" for note in report.notes)]
    if rows:
        lines.append("\n".join(["| block | evidence | |", "|---|---|---|", *rows]))
    return _join(lines)


def block_name(flow: Mapping[str, Any]) -> str:
    """Family and name of the block of a flow."""
    block = flow["block"]
    return f"{block['family']}/{block['name']}"


def link_flow(flow: Mapping[str, Any]) -> str:
    """The id of a flow, as a link to its page where the service names it."""
    url = flow.get("html_url")
    return f"[{flow['id']}]({url})" if url else f"`{flow['id']}`"


def _gate_table(gates: Iterable[Mapping[str, Any]]) -> str:
    newest = {gate["gate"]: gate for gate in gates}
    rows = [
        f"| {gate['gate']} | {_MARKS.get(gate['verdict'], '')} {gate['verdict']} | {_percent(gate['score'])} "
        f"| {_percent(gate['threshold'])} | {gate['round']} | {quote_text(gate['summary'])} |"
        for gate in newest.values()
    ]
    if not rows:
        return ""
    return "\n".join(
        ["| gate | verdict | score | needed | round | finding |", "|---|---|---:|---:|---:|---|", *rows]
    )


def _percent(value: Any) -> str:
    return "" if value is None else f"{float(value):g} %"


def _cost_parts(flow: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {usd}" for name, usd in flow["cost_by_provider"].items())


def _seconds(flow: Mapping[str, Any]) -> str:
    return f"{float(flow['duration_seconds'] or 0):.0f} s"


def _join(parts: Iterable[str]) -> str:
    return "\n\n".join(part for part in parts if part)[:_LONGEST_BODY] + "\n"
