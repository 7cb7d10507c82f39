"""Text of others on a terminal or in the log of a job: what could steer either is taken apart."""

import os


def remove_controls(text: str) -> str:
    """``text`` without control codes; line ends and tabs stay."""
    return "".join(sign if sign.isprintable() or sign in "\n\t" else "?" for sign in text)


def make_printable(text: str) -> str:
    """``text`` in one line without control codes."""
    return "".join(sign if sign.isprintable() else "?" for sign in text)


def clean_output(text: str) -> str:
    """``text`` as it may be printed: without control codes, and without what GitHub's runner takes for its
    commands, as it reads the log of a step.

    A line of a longer text may be wrapped anywhere, so the signs are parted wherever they are; elsewhere they
    stay together.
    """
    shown = remove_controls(text)
    if os.environ.get("GITHUB_ACTIONS") != "true":
        return shown
    return shown.replace("::", ": :").replace("##[", "## [")
