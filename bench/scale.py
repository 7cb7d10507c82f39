"""How much a benchmark does: all of it, or the small form that the test suite runs in seconds.

The small form (``python -m bench NAME --small``) runs every arm once with tiny sizes, to show that the
benchmark still works. Its figures say nothing about speed, so only goals that hold at every size are judged,
and ``bench/results`` is left alone. A peer takes part where its environment is built already.
"""

import os
from typing import TypeVar

Size = TypeVar("Size")

# Set by ``python -m bench --small`` for the processes that it starts, and read nowhere else.
SMALL = os.environ.get("BENCH_SMALL", "") not in {"", "0"}


def choose_size(full: Size, small: Size) -> Size:
    """``small`` in the small form, ``full`` otherwise."""
    return small if SMALL else full
