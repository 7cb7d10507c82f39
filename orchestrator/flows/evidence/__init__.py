"""The proof of a block: signed statements, a hash-chained log per repo, and the stores that keep both for
seven years.

``docs/reference/evidence.md`` describes the formats; ``sealing.seal`` is the way in, ``audit.walk`` the
way to see that all still holds.
"""
