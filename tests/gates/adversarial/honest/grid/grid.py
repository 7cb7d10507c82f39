"""Points on a grid."""

from dataclasses import dataclass, field


@dataclass(frozen=True, order=True)
class Point:
    """A place."""

    x: int
    y: int

    def moved(self, dx: int = 0, dy: int = 0) -> "Point":
        """The point that lies ``dx``, ``dy`` away."""
        return Point(self.x + dx, self.y + dy)

    def distance(self, other: "Point") -> int:
        """Steps along the grid."""
        return abs(self.x - other.x) + abs(self.y - other.y)


@dataclass
class Path:
    """Places in order."""

    points: list[Point] = field(default_factory=list)

    def __post_init__(self) -> None:
        if len(set(self.points)) < len(self.points):
            raise ValueError("a path crosses itself")

    @property
    def length(self) -> int:
        """Steps from first to last."""
        return sum(here.distance(there) for here, there in zip(self.points, self.points[1:], strict=False))


def step(x: int, y: int, direction: str) -> Point:
    """One step north, south, east or west."""
    dx, dy = {"n": (0, 1), "s": (0, -1), "e": (1, 0), "w": (-1, 0)}[direction]
    return Point(x, y).moved(dx, dy)
