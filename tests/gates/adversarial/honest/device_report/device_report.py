"""Describes devices; words of the domain such as ``os`` are ordinary attributes."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Device:
    """A device and its operating system."""

    name: str
    os: str
    build: int

    def _is_older(self, other: "Device") -> bool:
        return self.os == other.os and self.build < other.build


def describe_devices(devices: list[dict[str, object]]) -> list[str]:
    """One line for each device; those with an older build of the same system are marked."""
    found = [Device(str(each["name"]), str(each["os"]), int(each["build"])) for each in devices]
    lines = []
    for device in found:
        match device:
            case Device(os="linux"):
                system = "Linux"
            case Device(os=other):
                system = other
        mark = " (old)" if any(device._is_older(other) for other in found) else ""
        lines.append(f"{device.name}: {system} {device.build}{mark}")
    return lines
