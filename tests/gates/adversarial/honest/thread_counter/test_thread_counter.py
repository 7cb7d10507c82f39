import pytest
from thread_counter import SharedCounter, count_words


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_count(workers):
    assert count_words(["a b A", "b c", ""], workers) == {"a": 2, "b": 2, "c": 1}


def test_default_and_empty():
    assert count_words([]) == {}


def test_sorted():
    assert list(count_words(["b a"])) == ["a", "b"]


def test_workers():
    with pytest.raises(ValueError, match="^workers must be positive$"):
        count_words([], 0)


def test_add_returns_the_count():
    counter = SharedCounter()
    assert [counter._add("x"), counter._add("x", 5), counter._add("y")] == [1, 6, 1]
