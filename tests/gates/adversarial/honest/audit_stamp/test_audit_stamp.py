from datetime import UTC, datetime, timedelta

from audit_stamp import Record, Trail, describe

NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)


def test_time_comes_from_the_clock():
    moments = iter([NOON, NOON + timedelta(seconds=1)])
    trail = Trail(lambda: next(moments))
    first, second = trail._write("ann", "login"), trail._write("bob", "logout")
    assert (first.at, second.at) == (NOON, NOON + timedelta(seconds=1))
    assert (first.actor, first.action) == ("ann", "login")
    assert trail._by("ann") == [first]
    assert trail._by("cy") == []


def test_identifiers_differ():
    trail = Trail()
    assert trail._write("a", "x").id != trail._write("a", "x").id


def test_default_time_is_now():
    before = datetime.now(UTC)
    record = Record(actor="a", action="b")
    assert before <= record.at <= datetime.now(UTC)
    assert before <= Trail()._write("a", "b").at <= datetime.now(UTC)


def test_describe():
    assert describe("ann", ["in", "out"]) == ["ann: in", "ann: out"]
    assert describe("ann", []) == []
    assert describe("system", ["x"]) == ["system: x", "system: logged x"]
