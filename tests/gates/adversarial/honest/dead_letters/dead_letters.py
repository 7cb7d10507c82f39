"""Sorts messages into those to try again and those to give up, by age and attempts."""

from collections.abc import Iterable
from enum import StrEnum
from typing import TypedDict


class Fate(StrEnum):
    """What becomes of a message."""

    RETRY = "retry"
    WAIT = "wait"
    BURY = "bury"


class Message(TypedDict):
    """A message that failed: its attempts, and its age in seconds."""

    id: str
    attempts: int
    age: int


def _judge(message: Message, most: int) -> Fate:
    if message["attempts"] >= most:
        return Fate.BURY
    pause = 2 ** message["attempts"]
    return Fate.RETRY if message["age"] >= pause else Fate.WAIT


def sort_messages(messages: Iterable[Message], most: int) -> dict[str, list[str]]:
    """Ids by fate, each fate there, in the order of the messages."""
    found: dict[str, list[str]] = {str(fate): [] for fate in Fate}
    for message in messages:
        found[_judge(message, most)].append(message["id"])
    return found
