"""Calls of a block's entry points in a fresh child. Inputs come as JSON, outcomes go back as JSON."""

import asyncio
import dataclasses
import datetime as dt
import decimal
import enum
import importlib
import inspect
import json
import marshal
import os
import sys
import uuid
from collections.abc import Mapping, Set
from pathlib import Path, PurePath
from typing import Any

from gates.harness import import_path
from gates.harness.json_schema import convert_formats
from gates.harness.pytest_run import CodeImporter

_MAX_ITEMS, _MAX_DEPTH = 10_000, 40


class EntryPointCalls:
    """``__call__`` runs in a child: calls one entry point with each input and reports every outcome."""

    def __init__(self, folder: str, name: str) -> None:
        self.folder, self.name = Path(folder), name

    def __call__(self, job: dict[str, Any], report: int) -> None:
        import_path.extend_import_path(self.folder)
        code = marshal.loads(job["code"])  # noqa: S302 - compiled by the planner
        sys.meta_path.insert(0, CodeImporter({self.name: (self.folder / f"{self.name}.py", code)}))
        inputs, schema = json.loads(job["inputs"]), json.loads(job["schema"])
        try:
            module = importlib.import_module(self.name)
            outcomes = [
                _outcome(module, job["call"], convert_formats(schema, value, schema)) for value in inputs
            ]
            text = json.dumps({"outcomes": outcomes})
        except Exception as error:  # noqa: BLE001 - whatever importing the block raises is its own failure
            text = json.dumps({"failed": f"{type(error).__name__}: {error}"[:500]})
        data = text.encode()
        while data:
            data = data[os.write(report, data) :]
        os.close(report)


def _outcome(module: Any, call: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """``{"output": ...}``, ``{"raised": [class names by inheritance], "text": ...}`` or ``{"unfit": why}``."""
    try:
        result = _result(_resolve(module, call), arguments)
    except Exception as error:  # noqa: BLE001 - the contract says which of them are allowed
        names = [
            kind.__name__ for kind in type(error).__mro__ if kind not in (Exception, BaseException, object)
        ]
        return {"raised": names or ["Exception"], "text": str(error)[:300]}
    try:
        output = convert_to_json(result)
        json.dumps(output, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        return {"unfit": str(error)[:300]}
    return {"output": output}


def _resolve(module: Any, call: str) -> Any:
    owner, _, method = call.rpartition(".")
    return getattr(getattr(module, owner)() if owner else module, method)


def _result(function: Any, arguments: dict[str, Any]) -> Any:
    result = function(**arguments)
    if inspect.isawaitable(result):
        return asyncio.run(_awaited(result))
    if inspect.isasyncgen(result):
        return asyncio.run(_listed(result))
    return result


async def _awaited(result: Any) -> Any:
    return await result


async def _listed(result: Any) -> list[Any]:
    return [item async for item in result]


def convert_to_json(value: Any, depth: int = 0) -> Any:  # noqa: C901 - one case for each kind of value
    """The JSON form of a result. Raises ``TypeError`` for what has none, ``ValueError`` for what is too deep or too long."""
    if depth > _MAX_DEPTH:
        raise ValueError("the result is nested too deeply")
    match value:
        case enum.Enum():
            return convert_to_json(value.value, depth + 1)
        case None | bool() | int() | float() | str():
            return value
        case decimal.Decimal() | uuid.UUID() | PurePath():
            return str(value)
        case dt.date() | dt.time():
            return value.isoformat()
        case dt.timedelta():
            return value.total_seconds()
        case Mapping():
            return {_key(key): convert_to_json(item, depth + 1) for key, item in value.items()}
        case Set():
            return sorted(
                (convert_to_json(item, depth + 1) for item in value),
                key=lambda item: json.dumps(item, sort_keys=True),
            )
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            each.name: convert_to_json(getattr(value, each.name), depth + 1)
            for each in dataclasses.fields(value)
        }
    if isinstance(value, (bytes, type)) or not hasattr(value, "__iter__"):
        raise TypeError(f"a result of type {type(value).__name__} has no JSON form")
    items = []
    for item in value:
        items.append(convert_to_json(item, depth + 1))
        if len(items) > _MAX_ITEMS:
            raise ValueError("the result has too many items")
    return items


def _key(key: Any) -> str:
    plain = convert_to_json(key)
    return plain if isinstance(plain, str) else json.dumps(plain)
