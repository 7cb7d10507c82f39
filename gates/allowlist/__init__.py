"""What generated code may import, call and reach, by its syntax tree. What is not allowed is refused.

This is the outer of two walls: the sandbox holds what slips through. It also keeps code from looking at
itself: frames, code objects and the garbage collector are how a block would tell a mutant from the original.
"""

from gates.allowlist.addressed import find_addressed_findings
from gates.allowlist.capabilities import CAPABILITIES
from gates.allowlist.description import describe_capabilities, describe_rules, describe_test_rules
from gates.allowlist.library import ALLOWED_MODULES, ALLOWED_TEST_MODULES
from gates.allowlist.rules import find_capability_uses, find_private_names, find_refusals

__all__ = [
    "ALLOWED_MODULES",
    "ALLOWED_TEST_MODULES",
    "CAPABILITIES",
    "describe_capabilities",
    "describe_rules",
    "describe_test_rules",
    "find_addressed_findings",
    "find_capability_uses",
    "find_private_names",
    "find_refusals",
]
