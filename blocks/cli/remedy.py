"""What has to change after a gate refused: the request, the contract, the code, or what operators do; and the
command to type.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

# Rules of the contract gate by which the promise is wrong, and not the code that should keep it.
_CONTRACT_RULES: Final = frozenset(
    {
        "compatibility-breach",
        "few-results",
        "narrow-input",
        "narrow-requires",
        "no-inputs",
        "no-result",
        "not-usable",
        "plan-breach",
    }
)
# What the plan did not ask for, because the request did not.
_REQUEST_RULES: Final = frozenset({"allowlist-unplanned-capability"})
_RUN: Final = "blocks flow run --input feature_request.md"
_HOW: Final = {
    "request": "say in the request what is missing",
    "contract": "correct the promise by hand, or say in the request which input is accepted",
    "code": "correct it by hand, or let the models try once more with what was found",
    "operator": "tell the operators; when they are done, continue",
}


@dataclass(frozen=True, slots=True)
class Remedy:
    """``fix`` is request, contract, code or operator; ``commands`` are typed in their order."""

    fix: str
    how: str
    commands: tuple[str, ...]

    def describe(self) -> str:
        """One line for people."""
        typed = ", then ".join(f"`{command}`" for command in self.commands)
        return f"{self.fix}: {self.how}: {typed}"


def find_remedy(gate: Mapping[str, Any], flow_id: str) -> Remedy | None:
    """What to do about ``gate``; None where it passed."""
    if gate["verdict"] == "passed":
        return None
    fix = _find_fix(gate)
    fetch = f"blocks flow fetch {flow_id} --candidate"
    judge = f"blocks verify run .blocks/candidates/{flow_id}/round-{gate['round']}"
    commands = {
        "request": ("blocks request check feature_request.md", _RUN),
        "contract": (fetch, judge),
        "code": (fetch, judge),
        "operator": (f"blocks flow retry {flow_id}",),
    }
    return Remedy(fix, _HOW[fix], commands[fix])


def _find_fix(gate: Mapping[str, Any]) -> str:
    # No verdict says nothing about the block.
    if gate["verdict"] == "errored":
        return "operator"
    rules = {str(one.get("rule") or "") for one in gate["findings"] if one.get("severity") != "note"}
    if rules & _REQUEST_RULES:
        return "request"
    # Where the code breaks its promise too, the code is what is looked at first.
    return "contract" if rules and rules <= _CONTRACT_RULES else "code"
