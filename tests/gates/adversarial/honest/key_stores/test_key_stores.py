import pytest
from key_stores import DictStore, ListStore


@pytest.fixture(params=[ListStore, DictStore])
def store(request):
    return request.param()


def test_store(store):
    assert store.get("a") == -1
    assert store.put("a", 1) == 1
    assert store.put("a", 2) == 1
    assert store.put("b", 3) == 2
    assert (store.get("a"), store.get("b"), store.get("c", 0)) == (2, 3, 0)
