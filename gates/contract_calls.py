"""The entry points that the harness may call: those of a contract that is sound."""

from typing import Any

from gates.base import Candidate
from gates.candidate import find_problems, parse_contract
from gates.contract_checks import expand_entry_points, find_objections


def list_entry_points(candidate: Candidate) -> tuple[dict[str, Any], ...]:
    """The entry points of ``candidate``'s contract, as the harness calls them; none where it is not sound."""
    # Text that does not parse has no functions to compare a contract with.
    if find_problems(candidate):
        return ()
    contract = parse_contract(candidate)
    if contract is None or find_objections(candidate, contract):
        return ()
    return tuple(expand_entry_points(contract))
