from device_report import describe_devices


def _device(name, system, build):
    return {"name": name, "os": system, "build": build}


def test_lines():
    assert describe_devices([_device("a", "linux", 3), _device("b", "bsd", 4)]) == ["a: Linux 3", "b: bsd 4"]
    assert describe_devices([]) == []


def test_old_builds_are_marked():
    devices = [
        _device("a", "bsd", 3),
        _device("b", "bsd", 4),
        _device("c", "linux", 1),
        _device("d", "bsd", 4),
    ]
    assert describe_devices(devices) == ["a: bsd 3 (old)", "b: bsd 4", "c: Linux 1", "d: bsd 4"]
