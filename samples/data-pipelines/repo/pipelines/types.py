"""The types that suppliers may send."""

TYPES = ("boolean", "int32", "int64", "float64", "decimal", "date", "timestamp", "string")


def is_numeric(name: str) -> bool:
    """Whether a column of this type can be summed."""
    return name in {"int32", "int64", "float64", "decimal"}
