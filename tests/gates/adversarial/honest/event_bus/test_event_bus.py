from event_bus import Bus


def make_handler(size):
    """A handler that keeps the last payloads."""
    kept = []
    return lambda payload: kept.append(payload % size)


def test_bus():
    bus, got = Bus(), []
    assert bus.subscribe("a", got.append) == 1
    assert bus.subscribe("a", lambda payload: got.append(payload * 2)) == 2
    assert bus.subscribe("b", got.append) == 1
    assert bus.publish("a", 3) == 2
    assert got == [3, 6]
    assert bus.publish("c", 1) == 0
    assert bus.publish("b", 9) == 1
    assert got == [3, 6, 9]


def test_a_handler_may_subscribe():
    bus = Bus()
    bus.subscribe("a", lambda payload: bus.subscribe("a", print))
    assert bus.publish("a", 1) == 1
    assert make_handler(2)(3) is None
