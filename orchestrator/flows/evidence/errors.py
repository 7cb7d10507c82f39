"""Why evidence cannot be made, kept or found again. All of it is for operators to mend."""


class EvidenceError(Exception):
    """Evidence is not to be had; the message is for people. ``retryable``: the same may succeed a little later."""

    def __init__(self, code: str, message: str, cure: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.code, self.cure, self.retryable = code, cure, retryable
