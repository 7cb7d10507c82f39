"""Calls of a block's entry points in a fresh child. Inputs come as JSON, outcomes go back as JSON."""

import asyncio
import base64
import dataclasses
import datetime as dt
import decimal
import enum
import importlib
import inspect
import json
import os
import sys
import time
import uuid
from collections.abc import Iterable, Mapping, Set
from pathlib import Path, PurePath
from typing import Any

from gates.harness.channel import start_line, write_whole
from gates.harness.code_importer import CodeImporter, load_codes
from gates.harness.conditions import PROGRAM, change_conditions, run_in_thread
from gates.harness.import_path import extend_import_path
from gates.harness.json_schema import convert_formats

_MAX_ITEMS, _MAX_DEPTH = 10_000, 40
_MAX_TEXT = 300
# Processor seconds for the calls that come before those that count.
_EARLIER_SECONDS = 0.1
# Every exception has these; a contract cannot mean them.
_COMMON_BASES = (Exception, BaseException, object)


class EntryPointCalls:
    """The work of a zygote's children: call one entry point with each input and report every outcome."""

    def __init__(self, folder: str, modules: list[str]) -> None:
        self.folder, self.modules = Path(folder), modules
        self.name = modules[0]
        self.report = -1
        self.call = ""
        self.schema: Any = None
        self.inputs: list[Any] = []
        self.rounds = 0
        self.in_thread = False

    def prepare(self, job: dict[str, Any], report: int) -> None:
        """Runs in a child, once."""
        extend_import_path(self.folder)
        conditions = job.get("conditions", [])
        change_conditions(conditions)
        self.in_thread = PROGRAM in conditions
        self.rounds = job.get("rounds", 0)
        CodeImporter(load_codes(self.folder, self.modules, job["code"])).install()
        self.report, self.call = report, job["call"]
        self.inputs, self.schema = json.loads(job["inputs"]), json.loads(job["schema"])

    def run(self) -> None:
        """Write ``{"outcomes": [...]}`` or ``{"failed": why}`` to ``report``, behind a line for each call."""
        if self.in_thread:
            run_in_thread(self._report_calls)
        else:
            self._report_calls()
        os.close(self.report)

    def _report_calls(self) -> None:
        try:
            module = importlib.import_module(self.name)
            builders = self._load_builders(self.schema)
            # What builders make may hold threads and ports, which a child has few of.
            if builders is None:
                self._make_earlier_calls(module, None)
            outcomes = []
            for number in range(len(self.inputs)):
                # Where a call never ends, this is all that is known of it.
                write_whole(self.report, start_line(str(number)))
                outcomes.append(self._call_with(module, builders, number))
            text = json.dumps({"outcomes": outcomes})
        except Exception as error:  # noqa: BLE001 - an error on import is the block's failure
            text = json.dumps({"failed": f"{type(error).__name__}: {error}"[:500]})
        write_whole(self.report, text.encode())

    def _make_earlier_calls(self, module: Any, builders: Any) -> None:
        """The same calls, several times, as long as there is time; who calls has seen each of them end."""
        deadline = time.process_time() + _EARLIER_SECONDS
        for _ in range(self.rounds):
            for number in range(len(self.inputs)):
                if time.process_time() > deadline:
                    return
                self._call_with(module, builders, number)

    def _call_with(self, module: Any, builders: Any, number: int) -> dict[str, Any]:
        arguments = convert_formats(self.schema, self.inputs[number], self.schema)
        built = _build_arguments(self.schema, arguments, builders)
        return _call_once(module, self.call, built, self.schema.get("constructs") is True)

    def _load_builders(self, schema: Any) -> Any:
        """The test file as a module, where a builder is named; pytest is imported for nothing else here."""
        parts = schema.get("properties", {}) if schema.get("constructs") else {"": schema}
        if not any(_list_builders(part) for part in parts.values()):
            return None
        sys.path.insert(0, str(self.folder))
        return importlib.import_module(f"test_{self.name}")


def _list_builders(schema: Any) -> dict[str, str]:
    """Argument to the function of the test file that builds it."""
    properties = schema.get("properties", {}) if isinstance(schema, dict) else {}
    return {
        name: part["builder"]
        for name, part in properties.items()
        if isinstance(part, dict) and isinstance(part.get("builder"), str)
    }


def _build_arguments(schema: Any, value: dict[str, Any], builders: Any) -> dict[str, Any]:
    """``value`` with what the test file builds from it, at the top of the arguments."""
    if isinstance(schema, dict) and schema.get("constructs"):
        parts = schema["properties"]
        return {name: _build_arguments(parts[name], value[name], builders) for name in value}
    built = _list_builders(schema)
    return {
        name: getattr(builders, built[name])(item) if name in built else item for name, item in value.items()
    }


def _call_once(module: Any, call: str, arguments: dict[str, Any], constructs: bool) -> dict[str, Any]:
    """``{"output": ...}``, ``{"raised": [class names, own first], "text": ...}`` or ``{"unfit": why}``."""
    try:
        made_with = arguments["construct"] if constructs else {}
        function = _find_function(module, call, made_with)
        result = _run_function(function, arguments["arguments"] if constructs else arguments)
    except Exception as error:  # noqa: BLE001 - the contract says which of them are allowed
        names = [kind.__name__ for kind in type(error).__mro__ if kind not in _COMMON_BASES]
        return {"raised": names or ["Exception"], "text": str(error)[:_MAX_TEXT]}
    try:
        output = convert_to_json(result)
        # NaN and Infinity are numbers in Python and nothing in JSON.
        json.dumps(output, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        return {"unfit": str(error)[:_MAX_TEXT]}
    return {"output": output}


def _find_function(module: Any, call: str, made_with: dict[str, Any]) -> Any:
    """``function``, or ``Class.method`` of an object that was built with ``made_with``."""
    owner, _, name = call.rpartition(".")
    holder = getattr(module, owner)(**made_with) if owner else module
    return getattr(holder, name)


def _run_function(function: Any, arguments: dict[str, Any]) -> Any:
    result = _call_function(function, arguments)
    if inspect.isawaitable(result):
        return asyncio.run(_wait_for(result))
    if inspect.isasyncgen(result):
        return asyncio.run(_collect_items(result))
    return result


def _call_function(function: Any, arguments: dict[str, Any]) -> Any:
    """Call ``function`` by position where it may be: dispatch by type looks at the first argument only."""
    try:
        bound = inspect.signature(function).bind(**arguments)
    except (TypeError, ValueError):
        # No signature, or one that they do not fit: the call itself says what is wrong.
        return function(**arguments)
    return function(*bound.args, **bound.kwargs)


async def _wait_for(result: Any) -> Any:
    return await result


async def _collect_items(result: Any) -> list[Any]:
    return [item async for item in result]


def convert_to_json(value: Any, depth: int = 0) -> Any:  # noqa: C901 - one case for each kind of value
    """The JSON form of a result.

    Raises ``TypeError`` for what has none, ``ValueError`` for what is too deep or too long.
    """
    if depth > _MAX_DEPTH:
        raise ValueError("the result is nested too deeply")
    match value:
        # First of all, because an enum may also be a number or a text.
        case enum.Enum():
            return convert_to_json(value.value, depth + 1)
        case None | bool() | int() | float() | str():
            return value
        case bytes() | bytearray():
            return base64.b64encode(value).decode()
        case decimal.Decimal() | uuid.UUID() | PurePath():
            return str(value)
        case dt.date() | dt.time():
            return value.isoformat()
        case dt.timedelta():
            return value.total_seconds()
        case Mapping():
            return {_convert_key(key): convert_to_json(item, depth + 1) for key, item in value.items()}
        case Set():
            items = [convert_to_json(item, depth + 1) for item in value]
            # A set has no order; sorted, the same set gives the same JSON.
            return sorted(items, key=lambda item: json.dumps(item, sort_keys=True))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value)]
        return {name: convert_to_json(getattr(value, name), depth + 1) for name in names}
    if isinstance(value, type) or not hasattr(value, "__iter__"):
        raise TypeError(f"a result of type {type(value).__name__} has no JSON form")
    return _convert_items(value, depth)


def _convert_items(values: Iterable[Any], depth: int) -> list[Any]:
    items = []
    for item in values:
        items.append(convert_to_json(item, depth + 1))
        # Counted here, because a generator may never end.
        if len(items) > _MAX_ITEMS:
            raise ValueError("the result has too many items")
    return items


def _convert_key(key: Any) -> str:
    plain = convert_to_json(key)
    return plain if isinstance(plain, str) else json.dumps(plain)
