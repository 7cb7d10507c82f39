"""What git says when a server asks who it is. Without tables, so that a clone needs none."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class CloneCredential:
    """A user name, and a secret that is never shown."""

    username: str
    secret: str = field(repr=False)
