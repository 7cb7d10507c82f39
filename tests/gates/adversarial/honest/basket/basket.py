"""A shopping basket."""


class Basket:
    """Counts articles and prices them in cents."""

    def __init__(self) -> None:
        self.items: dict[str, int] = {}

    def add(self, article: str, count: int = 1) -> int:
        """Add articles; returns how many there are now."""
        if count < 1:
            raise ValueError("count must be positive")
        self.items[article] = self.items.get(article, 0) + count
        return self.items[article]

    def remove(self, article: str) -> None:
        """Take out every one of an article."""
        if article not in self.items:
            raise KeyError(article)
        del self.items[article]

    def total(self, prices: dict[str, int]) -> int:
        """Cents for the whole; every tenth piece of an article is free."""
        cents = 0
        for article, count in self.items.items():
            cents += prices[article] * (count - count // 10)
        return cents

    def __len__(self) -> int:
        return sum(self.items.values())
