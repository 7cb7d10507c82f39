import pytest
from customer_models import Customer, ValidationError, deactivate, normalise

ADDRESS = {"street": "Main 1", "city": "Bern", "postcode": "3000"}


def test_normalise():
    assert normalise(
        {"name": " Ann ", "email": "ANN@Example.org", "tags": ["b", "a", "b"], "address": ADDRESS}
    ) == {
        "name": "Ann",
        "email": "ann@example.org",
        "tags": ("a", "b"),
        "address": ADDRESS,
        "active": True,
    }


def test_defaults():
    assert normalise({"name": "Bo", "email": "b@c.de"}) == {
        "name": "Bo",
        "email": "b@c.de",
        "tags": (),
        "address": None,
        "active": True,
    }


@pytest.mark.parametrize(
    ("data", "errors"),
    [
        ({}, {"name": "is missing", "email": "is not an address"}),
        ({"name": "A", "email": "a@b"}, {"email": "is not an address"}),
        ({"name": "  ", "email": "a@b.ch"}, {"name": "is missing"}),
    ],
)
def test_errors(data, errors):
    with pytest.raises(ValidationError) as caught:
        normalise(data)
    assert caught.value.errors == errors


def test_message_is_sorted():
    with pytest.raises(ValidationError, match="^email: is not an address; name: is missing$"):
        normalise({})


def test_deactivate():
    found = deactivate({"name": "A", "email": "a@b.ch", "address": ADDRESS})
    assert found["active"] is False
    assert found["address"] is None
    assert found["name"] == "A"


def test_equality_ignores_active():
    assert Customer("A", "a@b.ch", active=False) == Customer("A", "a@b.ch")
