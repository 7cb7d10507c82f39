"""Frozen dataclasses that are stored as JSON and read again field by field, each as its annotation says.

A field may be a text, a whole number, a number, a boolean, another ``StoredValue``, one of these or ``None``,
a tuple of them, or a mapping from texts to them. ``Any`` is taken as it is, so it belongs where a schema has
checked the value.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields
from types import NoneType, UnionType
from typing import Any, Self, get_args, get_origin, get_type_hints

# Far above what a stage writes, and far below what a worker's memory holds.
MAX_TEXT_CHARACTERS = 1_000_000
MAX_ITEMS = 100_000

Reader = Callable[[Any, str], Any]
"""The value of a field, from what is stored and the field's name; raises ``ValueError``."""
_KNOWN: dict[type[Any], dict[str, Reader]] = {}


class StoredValue:
    """The base of such a dataclass.

    ``parse`` ignores keys that it does not know and takes an empty value for one that is missing, as in rows
    of earlier versions.
    """

    __slots__ = ()

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> Self:
        """The value in ``data``; raises ``ValueError`` for a value of the wrong kind or size."""
        return cls(**{name: read(data, name) for name, read in _find_readers(cls).items()})

    def to_json(self) -> dict[str, Any]:
        """Exactly what is stored: a replay compares it with the recorded value, key by key."""
        return {name: _dump(getattr(self, name)) for name in _find_readers(type(self))}


def _find_readers(cls: type[Any]) -> dict[str, Reader]:
    """The reader of each field; found once for each class, because a stage parses hundreds of values."""
    if cls not in _KNOWN:
        hints = get_type_hints(cls)
        _KNOWN[cls] = {field.name: _read_field(hints[field.name]) for field in fields(cls)}
    return _KNOWN[cls]


def _read_field(hint: Any) -> Reader:
    """Read a key that may be missing, from a mapping."""
    read = _choose_reader(hint)
    empty = _EMPTY.get(get_origin(hint) or hint)
    return lambda data, name: read(data.get(name, empty), name)


def _choose_reader(hint: Any) -> Reader:
    if hint in _READERS:
        return _READERS[hint]
    if isinstance(hint, type) and issubclass(hint, StoredValue):
        return lambda value, key: hint.parse(_read_object(value, key))
    arguments = get_args(hint)
    if get_origin(hint) is UnionType and arguments[1:] == (NoneType,):
        read = _choose_reader(arguments[0])
        return lambda value, key: None if value is None else read(value, key)
    if get_origin(hint) is tuple and arguments[1:] == (...,):
        read_item = _choose_reader(arguments[0])
        return lambda value, key: tuple(read_item(item, key) for item in _read_list(value, key))
    if get_origin(hint) is Mapping and arguments[0] is str:
        read_item = _choose_reader(arguments[1])
        return lambda value, key: {
            name: read_item(item, key) for name, item in _read_object(value, key).items()
        }
    raise TypeError(f"a stored value has no field of the type {hint}")


def _refuse(key: str, expected: str) -> ValueError:
    # The value may quote a model's answer, so that the message names the key alone.
    return ValueError(f"the stored value {key} is not {expected}")


def _read_text(value: Any, key: str) -> str:
    if not isinstance(value, str) or len(value) > MAX_TEXT_CHARACTERS:
        raise _refuse(key, f"a text of at most {MAX_TEXT_CHARACTERS} characters")
    return value


def _read_integer(value: Any, key: str) -> int:
    # In Python a boolean is a whole number, too.
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise _refuse(key, "a whole number from 0")
    return value


def _read_number(value: Any, key: str) -> float:
    # Written so that NaN, which is neither below 0 nor from it, is refused.
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
        raise _refuse(key, "a number from 0")
    return value


def _read_boolean(value: Any, key: str) -> bool:
    # Only true is a pass: a word or a number in its place must not become one.
    if not isinstance(value, bool):
        raise _refuse(key, "true or false")
    return value


def _read_list(value: Any, key: str) -> list[Any]:
    if not isinstance(value, list) or len(value) > MAX_ITEMS:
        raise _refuse(key, f"a list of at most {MAX_ITEMS} items")
    return value


def _read_object(value: Any, key: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping) or len(value) > MAX_ITEMS:
        raise _refuse(key, f"an object of at most {MAX_ITEMS} keys")
    return value


_READERS: dict[Any, Reader] = {
    str: _read_text,
    int: _read_integer,
    float: _read_number,
    bool: _read_boolean,
    Any: lambda value, _: value,
}
_EMPTY: dict[Any, Any] = {str: "", int: 0, float: 0.0, bool: False, tuple: [], Mapping: {}}


def _dump(value: Any) -> Any:
    if isinstance(value, StoredValue):
        return value.to_json()
    if isinstance(value, tuple):
        return [_dump(item) for item in value]
    if isinstance(value, Mapping):
        return {name: _dump(item) for name, item in value.items()}
    return value
