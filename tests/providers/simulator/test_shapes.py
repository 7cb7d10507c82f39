"""The shapes of requests are those of the SDKs that are installed."""

import pytest

from tests.providers.simulator.sdk_shapes import FOLDER, build_shapes, format_shape

SHAPES = build_shapes()


@pytest.mark.parametrize("stem", SHAPES)
def test_a_shape_is_what_the_sdk_says(stem: str) -> None:
    written = (FOLDER / f"{stem}.json").read_text(encoding="utf-8")
    assert written == format_shape(SHAPES[stem]), (
        "an SDK has changed: run `python -m tests.providers.simulator.sdk_shapes` and read the difference"
    )


def test_no_shape_is_left_over() -> None:
    assert {path.stem for path in FOLDER.glob("*.json")} == set(SHAPES)
