"""Every gate, in the order in which a block meets them.

A new gate is a module in ``gates/builtin`` and a line here.
"""

from gates.base import Gate
from orchestrator.core.registry import Registry

GATES: Registry[Gate] = Registry(
    "gate",
    # The order of this table is the order of reports and of columns.
    {
        "contract": "gates.builtin.contract:gate",
        "coverage": "gates.builtin.coverage:gate",
        "mutation": "gates.builtin.mutation:gate",
        "security": "gates.builtin.security:gate",
        "review": "gates.builtin.review:gate",
    },
)
