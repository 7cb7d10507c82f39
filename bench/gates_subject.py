"""The block that the gates' benchmark judges: honest blocks of the tests, joined into one of the usual size."""

import json
import re
from pathlib import Path
from typing import Any

NAME = "joined"
_PARTS = ("turnstile", "flatten", "notes", "retrying", "primes")  # 151 lines, 39 tests
_HONEST = Path(__file__).parents[1] / "tests" / "gates" / "adversarial" / "honest"


def _text(part: str, path: str) -> str:
    return (_HONEST / part / path).read_text(encoding="utf-8")


def _contract() -> dict[str, Any]:
    entrypoints = [
        entry for part in _PARTS for entry in json.loads(_text(part, "contract.json"))["entrypoints"]
    ]
    return {"contract": 1, "family": "bench", "name": NAME, "version": "1.0.0", "entrypoints": entrypoints}


MODULE = "\n\n".join(_text(part, f"{part}.py") for part in _PARTS)
TESTS = "\n\n".join(
    re.sub(rf"\bfrom {part} import", f"from {NAME} import", _text(part, f"test_{part}.py")) for part in _PARTS
)
CONTRACT = _contract()
