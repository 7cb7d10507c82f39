import pytest
from simple_cli import main


@pytest.fixture
def run(tmp_path, capsys):
    def call(*arguments):
        code = main(["--file", str(tmp_path / "todo.json"), *arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def test_life_of_a_list(run):
    assert run("list") == (0, "", "")
    assert run("add", "milk") == (0, "added milk\n", "")
    assert run("add", "bread") == (0, "added bread\n", "")
    assert run("done", "2") == (0, "", "")
    assert run("list") == (0, "1. [ ] milk\n2. [x] bread\n", "")


@pytest.mark.parametrize("number", ["0", "2", "-1"])
def test_no_such_item(run, number):
    run("add", "milk")
    assert run("done", "--", number) == (1, "", f"no item {number}\n")


def test_default_file(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["add", "x"]) == 0
    assert (tmp_path / "todo.json").read_text() == '[\n  {\n    "title": "x",\n    "done": false\n  }\n]'


@pytest.mark.parametrize("arguments", [[], ["nothing"], ["done", "x"]])
def test_usage(arguments):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
