import pytest

from pipelines.contract import Column, read_contract


def test_columns_in_order():
    text = '[[columns]]\nname = "id"\ntype = "int64"\n[[columns]]\nname = "note"\ntype = "string"\nnullable = true\n'
    assert read_contract(text) == (Column("id", "int64"), Column("note", "string", True))


def test_unknown_type():
    with pytest.raises(ValueError, match="unknown type 'blob'"):
        read_contract('[[columns]]\nname = "id"\ntype = "blob"\n')
