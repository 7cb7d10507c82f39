"""Roman numerals."""

_SIGNS = ((10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I"))


def write_roman(number: int) -> str:
    """``number`` from 1 to 39 in Roman signs. Raises ``ValueError`` outside."""
    if not 1 <= number <= 39:
        raise ValueError(f"{number} is outside 1 to 39")
    signs = []
    for value, sign in _SIGNS:
        count, number = divmod(number, value)
        signs.append(sign * count)
    return "".join(signs)
