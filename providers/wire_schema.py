"""The JSON Schema of an answer in the part of the language that all three vendors take.

Vendors decode an answer by a grammar that they make from the schema. Anthropic's closes every object,
OpenAI's strict mode wants every property required, and none of them enforces bounds of lengths and numbers.
What the grammar cannot say is told to the model in the description, and our parser checks it afterwards.

Sources: ``anthropic.transform_schema`` (which leaves a result of this module as it is, except the type
beside an ``enum``), OpenAI "Structured Outputs, supported schemas", Gemini "Structured output".
"""

import json
from collections.abc import Mapping
from typing import Any, Final

_KEPT: Final = ("type", "enum", "const", "$ref")
_HANDLED: Final = frozenset(
    {*_KEPT, "$defs", "anyOf", "items", "properties", "required", "additionalProperties", "description"}
)
# They describe the text inside a string to our parser; the description says it to the model.
_FOR_THE_PARSER: Final = frozenset({"contentMediaType", "contentSchema"})
_FEW: Final = (0, 1)


def describe_schema(schema: Mapping[str, Any]) -> str:
    """Return ``schema`` in words, for a model or a request that cannot have it as a field."""
    return f"Answer with one JSON object that follows this JSON schema:\n{json.dumps(schema)}"


def narrow_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``schema`` with every object closed, every property required, and bounds told in words.

    Raises ``ValueError`` for an object that names no property: a vendor would let the model answer only
    ``{}`` there. JSON of any shape has to travel as text.
    """
    narrow: dict[str, Any] = {name: schema[name] for name in _KEPT if name in schema}
    if "anyOf" in schema:
        narrow["anyOf"] = [narrow_schema(option) for option in schema["anyOf"]]
    if "$defs" in schema:
        narrow["$defs"] = {name: narrow_schema(part) for name, part in schema["$defs"].items()}
    if "items" in schema:
        narrow["items"] = narrow_schema(schema["items"])
    if schema.get("type") == "object":
        properties = schema.get("properties")
        if not properties:
            raise ValueError("an object without properties admits only {} at a vendor: send it as text")
        narrow["properties"] = {name: narrow_schema(part) for name, part in properties.items()}
        narrow["required"] = list(properties)
        narrow["additionalProperties"] = False
    told = {key: schema[key] for key in schema if key not in _HANDLED | _FOR_THE_PARSER}
    # An empty list is the most frequent fault of a plan, and all three grammars can exclude it.
    if told.get("minItems") in _FEW:
        narrow["minItems"] = told.pop("minItems")
    words = [str(schema["description"])] if "description" in schema else []
    words += [f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in told.items()]
    if words:
        narrow["description"] = "; ".join(words)
    return narrow
