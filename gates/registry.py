"""Every gate, in the order in which a block meets them. Adding one is a module in ``gates/builtin`` and a line here."""

from gates.base import Gate
from gates.builtin.contract import ContractGate
from gates.builtin.coverage import CoverageGate
from gates.builtin.mutation import MutationGate
from gates.builtin.review import ReviewGate
from gates.builtin.security import SecurityGate

_MEMBERS: tuple[Gate, ...] = (ContractGate(), CoverageGate(), MutationGate(), SecurityGate(), ReviewGate())

GATES: dict[str, Gate] = {gate.name: gate for gate in _MEMBERS}
