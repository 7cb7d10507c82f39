import pytest
from tiny_tokenizer import ParseError, Token, _tokenize, evaluate


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("8 / 4 / 2", 1),
        ("-3 + 5", 2),
        ("2 * -3", -6),
        ("1.5 * 2", 3),
        ("7 - 2 - 1", 4),
    ],
)
def test_evaluate(text, value):
    assert evaluate(text) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "unexpected 'end' at 0"),
        ("1 +", "unexpected 'end' at 3"),
        ("(1", r"missing \)"),
        ("1 2", "unexpected '2' at 2"),
        ("a", "unexpected 'a' at 0"),
        ("*2", r"unexpected '\*' at 0"),
    ],
)
def test_malformed(text, message):
    with pytest.raises(ParseError, match=f"^{message}$"):
        evaluate(text)


def test_division_by_zero():
    with pytest.raises(ZeroDivisionError):
        evaluate("1 / 0")


def test_tokens():
    assert list(_tokenize("12*\t3")) == [
        Token("NUMBER", "12", 0),
        Token("OP", "*", 2),
        Token("NUMBER", "3", 4),
    ]
