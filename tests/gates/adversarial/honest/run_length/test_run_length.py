import pytest
from run_length import decode_runs, encode_runs


@pytest.mark.parametrize("text", ["", "a", "aab", "abba", "zzzzzz"])
def test_round_trip(text):
    assert decode_runs(encode_runs(text)) == text


def test_known():
    assert encode_runs("aab") == [["a", 2], ["b", 1]]
    assert encode_runs("") == []
    assert decode_runs([["x", 3], ["y", 1]]) == "xxxy"


@pytest.mark.parametrize("count", [0, -1])
def test_refused(count):
    with pytest.raises(ValueError, match="^counts start at 1$"):
        decode_runs([["a", 1], ["a", count]])
