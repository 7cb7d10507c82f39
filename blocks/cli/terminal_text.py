"""Text of others on a terminal: what could move the cursor or change a title is shown as a question mark."""


def remove_controls(text: str) -> str:
    """``text`` without control codes; line ends and tabs stay."""
    return "".join(sign if sign.isprintable() or sign in "\n\t" else "?" for sign in text)


def make_printable(text: str) -> str:
    """``text`` in one line without control codes."""
    return "".join(sign if sign.isprintable() else "?" for sign in text)
