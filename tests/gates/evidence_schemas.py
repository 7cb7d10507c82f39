"""JSON Schemas for the parts of the standards that our evidence uses, closed where the standard is.

Sources: SARIF 2.1.0 (OASIS, sections 3.13 to 3.30 and 3.49), and version 2 of Stryker's report schema.
"""

from typing import Any

_TEXT = {"type": "string", "minLength": 1}
_LINE = {"type": "integer", "minimum": 1}


def _object(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": required, "properties": properties, "additionalProperties": False}


def _list(items: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "array", "items": items, **more}


_URI = {"type": "string", "format": "uri-reference", "minLength": 1, "pattern": r"^[^\s\\]+$"}
_PLACE = _object(["uri"], uri=_URI)
_REGION = _object(["startLine"], startLine=_LINE, endLine=_LINE)
_RESULT = _object(
    ["message"],  # 3.27.11: the one property that a result shall have
    ruleId=_TEXT,
    level={"enum": ["none", "note", "warning", "error"]},
    message=_object(["text"], text=_TEXT),
    locations=_list(
        _object([], physicalLocation=_object(["artifactLocation"], artifactLocation=_PLACE, region=_REGION))
    ),
)
_DRIVER = _object(
    ["name"], name=_TEXT, version={"type": "string"}, rules=_list(_object(["id"], id=_TEXT), uniqueItems=True)
)
SARIF = _object(
    ["version", "runs"],
    **{
        "$schema": {"type": "string", "format": "uri"},
        "version": {"const": "2.1.0"},
        "runs": _list(
            _object(
                ["tool"],
                tool=_object(["driver"], driver=_DRIVER),
                artifacts=_list(_object([], location=_PLACE), uniqueItems=True),
                results=_list(_RESULT),
                columnKind={"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
            )
        ),
    },
)

_POSITION = _object(["line", "column"], line=_LINE, column=_LINE)
_PERCENT = {"type": "integer", "minimum": 0, "maximum": 100}
_MUTANT = _object(
    ["id", "mutatorName", "location", "status"],
    id=_TEXT,
    mutatorName=_TEXT,
    replacement={"type": "string"},
    location=_object(["start", "end"], start=_POSITION, end=_POSITION),
    status={
        "enum": [
            "Killed",
            "Survived",
            "NoCoverage",
            "CompileError",
            "RuntimeError",
            "Timeout",
            "Ignored",
            "Pending",
        ]
    },
    coveredBy=_list(_TEXT, uniqueItems=True),
)
STRYKER = _object(
    ["schemaVersion", "thresholds", "files"],
    schemaVersion={"type": "string", "pattern": r"^[12](\.\d+){0,2}$"},
    thresholds=_object(["high", "low"], high=_PERCENT, low=_PERCENT, **{"break": _PERCENT}),
    files={
        "type": "object",
        "additionalProperties": _object(
            ["language", "source", "mutants"],
            language=_TEXT,
            source={"type": "string"},
            mutants=_list(_MUTANT, uniqueItems=True),
        ),
    },
)
