"""The shapes of requests are those of the SDKs that are installed."""

from tests.providers.simulator.sdk_shapes import FOLDER, build_shapes, format_shape


def test_the_shapes_are_what_the_sdks_say() -> None:
    # Built here and once: it takes seconds, and every worker reads this file.
    said = {stem: format_shape(shape) for stem, shape in build_shapes().items()}
    written = {path.stem: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")}
    assert written.keys() == said.keys()
    differing = [stem for stem in said if written[stem] != said[stem]]
    assert not differing, (
        "an SDK has changed: run `python -m tests.providers.simulator.sdk_shapes` and read the difference"
    )
