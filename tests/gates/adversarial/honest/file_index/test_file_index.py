import tempfile
from pathlib import Path

import pytest
from file_index import find_duplicates


def make_folder(contents):
    folder = Path(tempfile.mkdtemp())
    for number, content in enumerate(contents):
        (folder / f"{number}.txt").write_text(content)
    return folder


@pytest.mark.parametrize(
    ("contents", "groups"),
    [
        ([], []),
        (["a"], []),
        (["a", "b"], []),
        (["a", "a"], [["0.txt", "1.txt"]]),
        (["a", "bb", "a", "bb", "c"], [["0.txt", "2.txt"], ["1.txt", "3.txt"]]),
        (["", ""], [["0.txt", "1.txt"]]),
    ],
)
def test_find(contents, groups):
    assert find_duplicates(make_folder(contents)) == groups


def test_folders_below(tmp_path):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "one").write_bytes(b"1" * 70000)
    (tmp_path / "two").write_bytes(b"1" * 70000)
    (tmp_path / "three").write_bytes(b"1" * 69999 + b"2")
    assert find_duplicates(tmp_path) == [["two", "x/one"]]


def test_not_a_folder(tmp_path):
    file = tmp_path / "file"
    file.write_text("x")
    with pytest.raises(NotADirectoryError, match="^file is not a folder$"):
        find_duplicates(file)
