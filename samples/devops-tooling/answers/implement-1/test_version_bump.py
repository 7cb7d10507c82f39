"""Next release: parsing of messages, the part to raise, the changelog, refusals."""

import pytest

from version_bump import Commit, Release, next_release, parse


@pytest.mark.parametrize(
    ("message", "commit"),
    [
        ("feat: add export", Commit("feat", "", "add export", "")),
        ("fix(api/v2): close file", Commit("fix", "api/v2", "close file", "")),
        ("feat!: drop csv", Commit("feat", "", "drop csv", "drop csv")),
        ("fix(a_b.c-d)!: x", Commit("fix", "a_b.c-d", "x", "x")),
        ("docs: typo  ", Commit("docs", "", "typo", "")),
        ("feat: a\n\nbody\n\nBREAKING CHANGE: b is gone", Commit("feat", "", "a", "b is gone")),
        ("feat!: a\nBREAKING-CHANGE: first\nBREAKING CHANGE: second", Commit("feat", "", "a", "first")),
        ("feat: a\r\nBREAKING CHANGE: b\r", Commit("feat", "", "a", "b")),
        ("feat: a\nno BREAKING CHANGE: b", Commit("feat", "", "a", "")),
    ],
)
def test_messages_that_follow_the_convention(message, commit):
    assert parse(message) == commit


@pytest.mark.parametrize(
    "message",
    ["", "add export", "feat add", "feat:add", "feat:  ", "Feat: add", "feat(): add", "feat(A): add", "\nfeat: add", "BREAKING CHANGE: x"],
)
def test_messages_that_do_not(message):
    assert parse(message) is None


@pytest.mark.parametrize(
    ("messages", "bump", "version"),
    [
        ([], "none", "1.4.2"),
        (["docs: a", "chore: b"], "none", "1.4.2"),
        (["fix: a"], "patch", "1.4.3"),
        (["perf: a"], "patch", "1.4.3"),
        (["revert: a"], "patch", "1.4.3"),
        (["fix: a", "feat: b", "fix: c"], "minor", "1.5.0"),
        (["feat: a", "docs!: b"], "major", "2.0.0"),
        (["chore: a\nBREAKING CHANGE: b"], "major", "2.0.0"),
    ],
)
def test_the_largest_change_decides(messages, bump, version):
    release = next_release("1.4.2", messages)
    assert (release.bump, release.version) == (bump, version)


@pytest.mark.parametrize(
    ("current", "message", "version"),
    [("0.3.1", "feat!: a", "0.4.0"), ("0.3.1", "feat: a", "0.4.0"), ("0.3.1", "fix: a", "0.3.2"), ("1.0.0", "feat!: a", "2.0.0")],
)
def test_before_one_a_breaking_change_raises_the_minor_part(current, message, version):
    assert next_release(current, [message]).version == version


def test_messages_without_a_convention_are_counted():
    assert next_release("1.0.0", ["wip", "fix: a", "Merge branch"]) == Release("1.0.1", "patch", "## 1.0.1\n\n### Fixes\n\n- a\n", 2)


def test_without_a_release_there_is_no_changelog():
    assert next_release("1.0.0", ["docs: a"]).changelog == ""


def test_the_whole_changelog():
    messages = ["revert: z", "perf: faster", "fix(io): close", "docs: no", "feat: b", "feat(api)!: a", "fix: x\nBREAKING CHANGE: y"]
    assert next_release("1.0.0", messages).changelog == (
        "## 2.0.0\n"
        "\n### Breaking changes\n\n- **api:** a\n- y\n"
        "\n### Features\n\n- b\n- **api:** a\n"
        "\n### Fixes\n\n- **io:** close\n- x\n"
        "\n### Performance\n\n- faster\n"
        "\n### Reverts\n\n- z\n"
    )


@pytest.mark.parametrize("version", ["", "1.2", "v1.2.3", "1.2.3.4", "01.2.3", "1.02.3", "1.2.03", "1.2.3-rc1", "1.2.3\n", "1.2.1000000"])
def test_what_is_no_version_is_refused(version):
    with pytest.raises(ValueError, match="^not a version: "):
        next_release(version, [])


@pytest.mark.parametrize(
    ("current", "message", "part"),
    [("999999.0.0", "fix!: a", "major"), ("1.999999.0", "feat: a", "minor"), ("1.0.999999", "fix: a", "patch")],
)
def test_parts_that_would_grow_too_large_are_refused(current, message, part):
    with pytest.raises(ValueError, match=f"^{current}: cannot raise the {part} part above 999999$"):
        next_release(current, [message])


def test_the_largest_part_is_reached():
    assert next_release("1.0.999998", ["fix: a"]).version == "1.0.999999"
