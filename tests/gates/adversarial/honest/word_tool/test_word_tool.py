import pytest
from word_tool import count_words, main, run


@pytest.mark.parametrize(
    ("text", "length", "count"),
    [("", 1, 0), ("one two", 1, 2), ("a bb ccc", 2, 2), ("a bb ccc", 4, 0), ("  x  ", 1, 1)],
)
def test_count(text, length, count):
    assert count_words(text, length) == count


def test_text():
    assert run(["one two", "three"]) == "   2 one two\n   1 three"


def test_json_and_min_length():
    assert run(["--format", "json", "-m", "4", "one three", "a"]) == '{"a": 0, "one three": 1}'


def test_main(capsys):
    assert main(["a b"]) == 0
    assert capsys.readouterr().out == "   2 a b\n"


def test_main_reads_the_command_line(monkeypatch, capsys):
    monkeypatch.setattr("word_tool.sys.argv", ["word_tool", "a b c"])
    assert main() == 0
    assert capsys.readouterr().out == "   3 a b c\n"


@pytest.mark.parametrize("arguments", [[], ["--format", "xml", "a"], ["-m", "x", "a"]])
def test_usage(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        run(arguments)
    assert caught.value.code == 2
    assert "usage: word_tool" in capsys.readouterr().err
