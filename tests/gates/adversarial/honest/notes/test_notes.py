import json

import pytest
from notes import load, round_trip, save


def test_save(tmp_path):
    path = save(tmp_path, "milk", ["two", "fresh"])
    assert path == tmp_path / "milk.json"
    assert json.loads(path.read_text()) == {"title": "milk", "lines": ["two", "fresh"]}


def test_older_note_is_kept(tmp_path):
    save(tmp_path, "milk", ["old"])
    save(tmp_path, "milk", ["new"])
    assert load(tmp_path / "milk.json") == ["new"]
    assert load(tmp_path / "milk.old.json") == ["old"]
    assert len(list(tmp_path.iterdir())) == 2


def test_missing(tmp_path):
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none.json")


def test_round_trip():
    assert round_trip("käse", ["ein Stück", ""]) == ["ein Stück", ""]
