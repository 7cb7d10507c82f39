import pytest

from release.git import messages
from release.tags import latest


def test_versions_are_no_text():
    assert latest(["v1.9.0", "v1.10.0", "nightly"]) == "1.10.0"


def test_no_version():
    with pytest.raises(ValueError, match="no tag is a version"):
        latest(["nightly"])


def test_oldest_first():
    assert messages("b\n\0a\n\0") == ["a", "b"]
