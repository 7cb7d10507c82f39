from audit_chain import chain_entries, find_break

DIGEST = "693db89eb42457a49e12fcb0e2f7fec77da2caacf2e49c2f76837fbd19a8e446"


def test_a_digest_depends_on_what_is_before():
    one, two = chain_entries(["a"]), chain_entries(["a", "a"])
    assert two[0] == one[0]
    assert two[1]["digest"] != two[0]["digest"]
    assert [len(entry["digest"]) for entry in two] == [64, 64]
    assert [entry["text"] for entry in two] == ["a", "a"]
    assert chain_entries([]) == []


def test_known_digest():
    assert chain_entries(["x"])[0]["digest"] == DIGEST


def test_an_unbroken_chain():
    assert find_break(chain_entries(["a", "b", "c"])) == -1
    assert find_break([]) == -1


def test_the_first_break():
    entries = chain_entries(["a", "b", "c"])
    entries[1]["text"] = "x"
    assert find_break(entries) == 1
    entries[0]["digest"] = "0" * 64
    assert find_break(entries) == 0
    assert find_break(chain_entries(["a", "b"])[1:]) == 0
