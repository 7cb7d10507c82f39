import pytest
from webhook_signer import SignatureError, sign, verify

BODY = {"b": 1, "a": "ü"}


def test_known_signature():
    assert sign(BODY, "k", 100) == sign({"a": "ü", "b": 1}, "k", 100)
    assert sign({}, "k", 1) == "t=1,v1=PdSbJZPQ-aNJ6eccS94-K4YsK-QAP-m0uoEzICkxAVg"


@pytest.mark.parametrize(("now", "age"), [(100, 0), (150, 50), (400, 300)])
def test_verify(now, age):
    assert verify(BODY, "k", sign(BODY, "k", 100), now) == age


@pytest.mark.parametrize(
    ("body", "key", "now", "message"),
    [
        ({"a": "u", "b": 1}, "k", 100, "wrong signature"),
        (BODY, "other", 100, "wrong signature"),
        (BODY, "k", 401, "too old"),
        (BODY, "k", 99, "too old"),
    ],
)
def test_refused(body, key, now, message):
    with pytest.raises(SignatureError, match=f"^{message}$"):
        verify(body, key, sign(BODY, "k", 100), now)


@pytest.mark.parametrize("header", ["", "v1=x", "t=x,v1=y", "nonsense"])
def test_malformed(header):
    with pytest.raises(SignatureError, match="^malformed header$"):
        verify(BODY, "k", header, 100)


def test_tolerance():
    assert verify(BODY, "k", sign(BODY, "k", 100), 105, tolerance=5) == 5
    with pytest.raises(SignatureError):
        verify(BODY, "k", sign(BODY, "k", 100), 106, tolerance=5)
