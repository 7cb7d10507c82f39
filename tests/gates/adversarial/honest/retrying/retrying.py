"""Numbers read from text, with errors that say what is wrong."""


class Malformed(ValueError):
    """Text that is no number."""

    def __init__(self, text: str, position: int) -> None:
        super().__init__(f"{text!r} at {position}")
        self.position = position


class TooMany(Malformed):
    """More than may be wrong."""


def parse(lines: list[str], tolerate: int = 0) -> list[int]:
    """Numbers of ``lines``; up to ``tolerate`` malformed ones are left out, the next one raises."""
    numbers = []
    wrong = 0
    for position, line in enumerate(lines, 1):
        try:
            numbers.append(int(line.strip()))
        except ValueError as error:
            wrong += 1
            if wrong > tolerate:
                kind = TooMany if tolerate else Malformed
                raise kind(line, position) from error
    return numbers
