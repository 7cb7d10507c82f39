"""Why a gate has no verdict of its own.

``gates.runner`` turns each of these into a report; none ever becomes a pass.
"""

from orchestrator.core.errors import FixedBy, OrchestratorError


class BlockNotMeasurable(OrchestratorError):
    """The block gives the harness nothing to measure. The message tells the implementer why."""

    # Codes are older than these names, and callers rely on them.
    code = "gates:not-judged"
    cure = "Make the module import and its tests end by themselves, then retry."
    fixed_by = FixedBy.REQUESTER


class HarnessFailed(OrchestratorError):
    """The harness came back without a usable result, so there is no verdict."""

    code = "gates:no-result"
    cure = (
        "Code that ends its process or never returns gives no result: fix that. "
        "If the block is sound, tell the operator."
    )
    fixed_by = FixedBy.OPERATOR


class ScannerFailed(OrchestratorError):
    """A scanner is missing, crashed, or did not look at every file."""

    code = "gates:scanner-failed"
    cure = (
        "Tell the operator: the scanners of the security gate must run on the gates' worker (`make setup`)."
    )
    fixed_by = FixedBy.OPERATOR
