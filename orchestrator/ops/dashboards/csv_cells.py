"""Cells of CSV files that people open in a spreadsheet."""

from typing import Any, Final

_FORMULA_SIGNS: Final = ("=", "+", "-", "@", "\t")


def escape_cell(cell: Any) -> Any:
    """A cell that no spreadsheet takes for a formula: some names are chosen by callers."""
    # Numbers stay numbers: a negative one begins with a minus sign, and is not a formula.
    if isinstance(cell, str) and cell.startswith(_FORMULA_SIGNS):
        return f"'{cell}"
    return "" if cell is None else cell
