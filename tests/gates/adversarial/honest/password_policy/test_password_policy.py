import pytest
from password_policy import check, hash_password, verify


@pytest.mark.parametrize(
    ("password", "broken"),
    [
        ("Passw0rd", []),
        ("short1A", ["length"]),
        ("PASSW0RD", ["lower"]),
        ("passw0rd", ["upper"]),
        ("Password", ["digit"]),
        ("", ["length", "digit", "upper", "lower"]),
    ],
)
def test_check(password, broken):
    assert check(password) == broken


def test_hash_is_known():
    assert hash_password("secret", b"salt", 1) == (
        "1$73616c74$" + "38df428b309308e48c3687e7f90bda0e9cf253568c21ec754a0e076ab4ab6423"
    )


def test_verify():
    stored = hash_password("secret", b"\x00\x01", 2)
    assert stored.startswith("2$0001$")
    assert verify("secret", stored) is True
    assert verify("Secret", stored) is False


def test_default_iterations():
    assert hash_password("a", b"b").startswith("1000$62$")


@pytest.mark.parametrize("stored", ["", "a$b", "x$00$00", "1$zz$00", "0$00$00"])
def test_malformed(stored):
    assert verify("secret", stored) is False
