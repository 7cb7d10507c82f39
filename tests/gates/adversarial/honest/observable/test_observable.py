import pytest
from observable import Bounded, Thermostat


@pytest.mark.parametrize(("target", "fan"), [(5, 0), (30, 3), (20, 1)])
def test_configure(target, fan):
    assert Thermostat().configure(target, fan) == {"target": target, "fan": fan}


@pytest.mark.parametrize(
    ("target", "fan", "message"),
    [
        (4, 0, "target must be between 5 and 30"),
        (31, 0, "target must be between 5 and 30"),
        (20, 4, "fan must be between 0 and 3"),
        (20, -1, "fan must be between 0 and 3"),
    ],
)
def test_bounds(target, fan, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        Thermostat().configure(target, fan)


def test_defaults_and_class_access():
    assert Thermostat().target == 5
    assert Thermostat().fan == 0
    assert isinstance(Thermostat.target, Bounded)


def test_instances_are_separate():
    first, second = Thermostat(), Thermostat()
    first.target = 20
    assert second.target == 5
