"""The sandbox's start-up as a figure of the gates benchmark."""

from gates.sandbox import run
from gates.sandbox.start import start_milliseconds


def measure(rounds: int = 51) -> dict[str, float]:
    """``sandbox_start_ms_p50``: milliseconds for an empty job in the backend in force, median, everything included."""
    start_milliseconds(run, rounds=3)  # finds the backend and warms the caches
    return {"sandbox_start_ms_p50": round(start_milliseconds(run, rounds), 1)}
