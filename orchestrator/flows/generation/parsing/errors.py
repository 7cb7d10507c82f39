"""Why an answer could not be used, for the model and for people."""


class AnswerUnreadable(Exception):
    """An answer that is not what was asked for.

    ``code`` is stable (``answer:...``); ``repair`` is one sentence that tells the model what to do differently; ``cure``
    tells a person.
    """

    cure = "Retry the flow; if the same model answers like this again, choose another one for this stage with `blocks config set`."

    def __init__(self, code: str, message: str, repair: str) -> None:
        super().__init__(message)
        self.code, self.repair = code, repair
