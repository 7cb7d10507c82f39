import pytest
from command_line import read_options


@pytest.mark.parametrize(
    ("words", "limit", "level"),
    [
        (["x"], 10, 0),
        (["x", "--limit", "3", "-vvv"], 3, 2),
        (["x", "--verbose"], 10, 1),
        (["--limit", "1", "x", "-vv"], 1, 2),
    ],
)
def test_options(words, limit, level):
    assert read_options(words) == {"path": "x", "limit": limit, "level": level}


@pytest.mark.parametrize("words", [[], ["x", "y"], ["x", "--limit", "many"]])
def test_no_command_line(words):
    with pytest.raises(ValueError, match="^not a command line$"):
        read_options(words)


def test_limit_is_positive():
    with pytest.raises(ValueError, match="^limit 0 is not positive$"):
        read_options(["x", "--limit", "0"])
