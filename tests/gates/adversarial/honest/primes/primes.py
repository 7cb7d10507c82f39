"""Prime factors."""


def factors(number: int) -> list[int]:
    """Prime factors of ``number`` in rising order, repeated as often as they divide it."""
    if number < 1:
        raise ValueError("number must be at least 1")
    found = []
    divisor = 2
    while divisor * divisor <= number:
        while number % divisor == 0:
            found.append(divisor)
            number //= divisor
        divisor += 1
    if number > 1:
        found.append(number)
    return found


def is_prime(number: int) -> bool:
    """Whether ``number`` is prime."""
    return number > 1 and factors(number) == [number]
