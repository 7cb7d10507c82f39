"""How long flows take: what bounded an ended one, and what a new one is expected to take."""
