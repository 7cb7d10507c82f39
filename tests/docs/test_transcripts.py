"""How pages are compared with terminals, without a terminal."""

from tests.docs.transcripts import Step, find_difference, mask_line, read_steps

PAGE = """\
Text.

```console
$ blocks init
Prepared /home/me/x: .blocks/config.yml
$ cat a \\
    b
```

1. A step:

   ```console
   $ ls
   ...
   last
   ```
"""


def test_the_steps_of_a_page_are_its_commands_with_what_they_print():
    assert read_steps(PAGE) == [
        Step("blocks init", ("Prepared /home/me/x: .blocks/config.yml",)),
        Step("cat a     b", ()),
        Step("ls", ("...", "last")),
    ]


def test_what_differs_each_time_is_masked():
    assert mask_line("FLOW PASSED task_01m8nv0wnq4jgfmjtg42") == "FLOW PASSED TASK"
    assert mask_line("plan  1.2s   $0.0213  97.2 %") == "plan DURATION USD N %"
    assert mask_line("sealed 2026-11-01T08:30:00Z, entry 3") == "sealed TIME, entry N"
    assert mask_line("key 5f0c1d2e3a4b5c6d7e8f") == "key DIGEST"


def test_a_line_that_is_missing_added_or_changed_is_found():
    assert find_difference(["one 1", "two"], ["one 2", "", "two"]) == ""
    assert "'two'" in find_difference(["one", "two"], ["one"])
    assert "more was printed" in find_difference(["one"], ["one", "two"])
    assert "'three'" in find_difference(["one", "two"], ["one", "three"])


def test_any_lines_are_any_and_what_follows_still_counts():
    assert find_difference(["...", "last"], ["a", "b", "last"]) == ""
    assert find_difference(["first", "..."], ["first", "a", "b"]) == ""
    assert "'last'" in find_difference(["...", "last"], ["a", "b"])
    assert "more was printed" in find_difference(["...", "last"], ["last", "b"])
