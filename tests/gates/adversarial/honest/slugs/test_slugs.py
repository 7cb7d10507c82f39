import pytest
from slugs import initials, slug


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("Hello, World", "hello-world"),
        ("  Zürich: a Guide!  ", "zurich-a-guide"),
        ("", "untitled"),
        ("!!!", "untitled"),
        ("2024 in 3 parts", "2024-in-3-parts"),
    ],
)
def test_slug(title, expected):
    assert slug(title) == expected


@pytest.mark.parametrize(
    ("limit", "expected"), [(11, "hello-world"), (10, "hello"), (5, "hello"), (4, "unti")]
)
def test_limit(limit, expected):
    assert slug("Hello World", limit) == expected


def test_forty_by_default():
    assert slug("a" * 40) == "a" * 40
    assert slug("a" * 41) == "untitled"


def test_words_after_a_long_one_are_dropped():
    assert slug("one twenty six", 7) == "one"


def test_initials():
    assert initials("ada mary lovelace") == "AML"
    assert initials(" ") == ""
