"""The parser in many threads at once, with garbage collections in the middle of a tree."""

import gc
import sys
import threading
from pathlib import Path

import pytest

from gates import syntax

SOURCE = Path(syntax.__file__).with_name("contract_checks.py").read_text(encoding="utf-8") * 3


class Ring:
    """Garbage that runs Python when it is collected."""

    def __init__(self) -> None:
        self.own = self

    def __del__(self) -> None:
        for _ in range(30):
            pass


@pytest.fixture
def eager():
    """Switches of threads, and collections, as often as can be."""
    interval, threshold = sys.getswitchinterval(), gc.get_threshold()
    sys.setswitchinterval(1e-6)
    gc.set_threshold(50)
    yield
    sys.setswitchinterval(interval)
    gc.set_threshold(*threshold)


@pytest.mark.slow
def test_threads_do_not_spoil_each_others_trees(eager):
    lengths, errors = [], []

    def work() -> None:
        for _ in range(30):
            [Ring() for _ in range(200)]
            try:
                lengths.append(len(syntax.parse(SOURCE).body))
            except SystemError as error:
                errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert lengths == [len(syntax.parse(SOURCE).body)] * 120
