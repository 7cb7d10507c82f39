"""A word that generated text cannot guess, the same in every attempt of a stage."""

from django.utils.crypto import salted_hmac


def nonce_of(stage_id: int) -> str:
    """32 hexadecimal characters from the secret key and the stage's id."""
    return salted_hmac("orchestrator.flows.generation.nonce", str(stage_id), algorithm="sha256").hexdigest()[
        :32
    ]
