import pytest
from frame_codec import pack_frame, unpack_frame


def test_known_frame():
    assert pack_frame(b"abc") == b"\x00\x03abc\x35\x24\x41\xc2"
    assert pack_frame(b"") == bytes(6)


@pytest.mark.parametrize("data", [b"", b"a", b"abc" * 100])
def test_round_trip(data):
    assert unpack_frame(pack_frame(data)) == data


@pytest.mark.parametrize("frame", [b"", b"12345"])
def test_too_short(frame):
    with pytest.raises(ValueError, match="^too short for a frame$"):
        unpack_frame(frame)


@pytest.mark.parametrize(
    "frame", [b"\x00\x04abc\x35\x24\x41\xc2", b"\x00\x03abd\x35\x24\x41\xc2", b"\x01" + bytes(5)]
)
def test_damaged(frame):
    with pytest.raises(ValueError, match="^damaged frame$"):
        unpack_frame(frame)
