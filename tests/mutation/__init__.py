"""Our own mutation engine over our own code: ``make mutation``."""
