"""The block that the gates' benchmark judges: honest blocks of the tests, joined to the usual size."""

import json
import re
from pathlib import Path
from typing import Any

from bench.scale import choose_size
from gates.base import Policy

NAME = "joined"
# 151 lines with 39 tests; one of them alone in the small form.
_PARTS = choose_size(full=("turnstile", "flatten", "notes", "retrying", "primes"), small=("turnstile",))
_HONEST = Path(__file__).parents[1] / "tests" / "gates" / "adversarial" / "honest"


def _read_part(part: str, path: str) -> str:
    return (_HONEST / part / path).read_text(encoding="utf-8")


def _join_contracts() -> dict[str, Any]:
    parts = [json.loads(_read_part(part, "contract.json")) for part in _PARTS]
    capabilities: dict[str, str] = {}
    for part in parts:
        capabilities |= part.get("capabilities", {})
    return {
        "contract": 1,
        "family": "bench",
        "name": NAME,
        "version": "1.0.0",
        "capabilities": capabilities,
        "entrypoints": [entry for part in parts for entry in part["entrypoints"]],
    }


def _join_tests() -> str:
    texts = []
    for part in _PARTS:
        text = _read_part(part, f"test_{part}.py")
        # The joined module has everything that the tests import.
        texts.append(re.sub(rf"\bfrom {part} import", f"from {NAME} import", text))
    return "\n\n".join(texts)


MODULE = "\n\n".join(_read_part(part, f"{part}.py") for part in _PARTS)
TESTS = _join_tests()
CONTRACT = _join_contracts()
POLICY = Policy(capabilities=frozenset(CONTRACT["capabilities"]))
