import pytest
from semver_order import Version, bump, compare

ORDERED = [
    "0.1.0",
    "0.2.0-alpha",
    "0.2.0-alpha.1",
    "0.2.0-alpha.2",
    "0.2.0-alpha.10",
    "0.2.0-beta",
    "0.2.0",
    "1.0.0",
    "1.0.10",
]


@pytest.mark.parametrize("index", range(len(ORDERED) - 1))
def test_precedence(index):
    assert compare(ORDERED[index], ORDERED[index + 1]) == -1
    assert compare(ORDERED[index + 1], ORDERED[index]) == 1
    assert compare(ORDERED[index], ORDERED[index]) == 0


@pytest.mark.parametrize("text", ["1", "1.2", "01.2.3", "1.2.3-", "a.b.c", "1.2.3+b!"])
def test_malformed(text):
    with pytest.raises(ValueError, match="is not a semantic version"):
        Version._parse(text)


@pytest.mark.parametrize(
    ("version", "part", "expected"),
    [
        ("1.2.3", "major", "2.0.0"),
        ("1.2.3", "minor", "1.3.0"),
        ("1.2.3", "patch", "1.2.4"),
        ("1.2.3-rc.1", "patch", "1.2.3"),
    ],
)
def test_bump(version, part, expected):
    assert bump(version, part) == expected


def test_unknown_part():
    with pytest.raises(ValueError, match="unknown part 'build'"):
        bump("1.2.3", "build")


def test_text_and_other_types():
    assert str(Version(1, 2, 3, "rc.1")) == "1.2.3-rc.1"
    assert Version(1, 2, 3).__lt__("1.2.4") is NotImplemented
