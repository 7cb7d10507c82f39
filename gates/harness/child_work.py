"""What the children of a zygote do: run the tests, or call an entry point."""

from typing import Any

from gates.harness.entry_points import EntryPointCalls
from gates.harness.pytest_run import PytestRun


class ChildWork:
    """The work of one child, by its job.

    ``with_tests`` prepares a session of pytest, once for all children.
    """

    def __init__(self, folder: str, name: str, *, with_tests: bool) -> None:
        self.calls = EntryPointCalls(folder, name)
        self.tests = PytestRun(folder, name) if with_tests else None

    def __call__(self, job: dict[str, Any], report: int) -> None:
        if "call" in job:
            self.calls(job, report)
        elif self.tests:
            self.tests(job, report)
