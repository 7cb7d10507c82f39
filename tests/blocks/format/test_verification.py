"""A sealed block against every single change: each is found, and the right file named."""

import base64
import json
import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from blocks.format import archive
from blocks.format.canonical import dump_json
from blocks.format.errors import FormatError
from blocks.format.keys import Keys, read_public_key
from blocks.format.limits import MAX_STATEMENT_BYTES
from blocks.format.verification import verify_block
from orchestrator.flows.evidence import keys, sealing
from tests.flows.evidence.subjects import SUBJECT

pytestmark = pytest.mark.django_db
LOG, SUMMARY = "attestations/log-entry.dsse.json", "attestations/verification-summary.dsse.json"


def wrong(files: dict[str, bytes], trusted: Keys) -> set[str]:
    """The paths that are named as wrong."""
    return {problem.path for problem in verify_block(files, trusted).problems}


def resigned(block: dict[str, bytes], path: str, change: Callable[[dict], None]) -> dict[str, bytes]:
    """The envelope at ``path`` with its payload changed, under its old signature."""
    envelope = json.loads(block[path])
    payload = json.loads(base64.b64decode(envelope["payload"]))
    change(payload)
    envelope["payload"] = base64.b64encode(dump_json(payload)).decode()
    return block | {path: dump_json(envelope) + b"\n"}


def flipped(content: bytes, place: int, bit: int) -> bytes:
    return content[:place] + bytes([content[place] ^ (1 << bit)]) + content[place + 1 :]


def test_an_untouched_block_holds(block, trusted):
    report = verify_block(block, trusted)
    assert report.ok
    assert report.problems == []
    assert (report.block, report.repo, report.flow) == ("compliance/ratio", "compliance-service", "task_1")
    assert report.gates == {"coverage": "PASSED", "review": "PASSED"}
    assert (report.sequence, report.verdict) == (1, "PASSED")


@pytest.mark.parametrize("step", [7, pytest.param(1, marks=pytest.mark.slow)])
def test_every_byte_flipped_is_found_and_the_file_named(block, trusted, opened_once, step):
    chance = random.Random(7)
    for path, content in block.items():
        for place in range(0, len(content), step):
            changed = block | {path: flipped(content, place, chance.randrange(8))}
            assert wrong(changed, trusted) == {path}, (path, place)
    assert opened_once.keys() == {
        content for path, content in block.items() if path.startswith("attestations/")
    }


def test_every_kind_of_byte_of_an_archive_is_guarded(block, trusted):
    packed = archive.pack(block)
    assert archive.read(packed) == archive.Archive(block, damage="")
    chance = random.Random(11)
    ends = [*range(40), *range(len(packed) - 40, len(packed)), *chance.sample(range(len(packed)), 300)]
    assert all(not _archive_holds(flipped(packed, place, chance.randrange(8)), trusted) for place in ends)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_byte_of_an_archive_flipped_is_found(block, trusted):
    packed = archive.pack(block)
    assert [
        place for place in range(len(packed)) if _archive_holds(flipped(packed, place, place % 8), trusted)
    ] == []


def _archive_holds(packed: bytes, trusted: Keys) -> bool:
    try:
        found = archive.read(packed)
    except FormatError:
        return False
    return not found.damage and verify_block(found.files, trusted).ok


def test_a_changed_file_in_an_archive_is_named(block, trusted):
    packed = archive.pack(block)
    place = packed.index(b"def test_x")
    found = archive.read(flipped(packed, place, 0))
    assert found.damage
    assert wrong(dict(found.files), trusted) == {"test_ratio.py"}


def test_every_file_missing_and_any_added_is_named(block, trusted):
    for path in block:
        if path != LOG:
            assert path in wrong(
                {name: content for name, content in block.items() if name != path}, trusted
            ), path
    assert wrong({name: content for name, content in block.items() if name != LOG}, trusted) == {LOG}
    for path in (
        "conftest.py",
        "evidence/coverage/more.json",
        "attestations/more.txt",
        "__pycache__/ratio.pyc",
    ):
        assert wrong(block | {path: b""}, trusted) == {path}
    twin = "attestations/test-result.other.dsse.json"
    assert wrong(block | {twin: block["attestations/test-result.review.dsse.json"]}, trusted) == {twin}


def test_statements_of_another_block_are_not_taken_for_its_own(block, trusted):
    other = sealing.seal(
        replace(SUBJECT, flow_id="task_2", files={**SUBJECT.files, "ratio.py": b"x = 2\n"})
    ).files
    for path in (path for path in block if path.startswith("attestations/")):
        assert path in wrong(block | {path: other[path]}, trusted), path
    assert "ratio.py" in wrong(block | {"ratio.py": other["ratio.py"]}, trusted)
    assert wrong(dict(other), trusted) == set()


def test_swapping_two_files_is_found(block, trusted):
    swapped = block | {"ratio.py": block["README.md"], "README.md": block["ratio.py"]}
    assert wrong(swapped, trusted) == {"ratio.py", "README.md"}


def test_another_key_is_not_trusted(block, tmp_path, settings):
    settings.STATE_DIR = tmp_path / "another"
    stranger = dict([read_public_key(keys.current_key().public_pem.encode())])
    assert {path for path in block if path.startswith("attestations/")} <= wrong(block, stranger)
    assert wrong(block, {}) >= {"attestations/"}


def test_a_block_that_did_not_pass_holds_but_is_not_ok(settings, tmp_path):
    settings.STATE_DIR = tmp_path / "state"
    gates = (replace(SUBJECT.gates[0], verdict="failed"), SUBJECT.gates[1])
    files = dict(sealing.seal(replace(SUBJECT, verified=False, gates=gates)).files)
    report = verify_block(files, dict([read_public_key(keys.current_key().public_pem.encode())]))
    assert report.problems == []
    assert report.verdict == "FAILED"
    assert not report.ok


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda raw: raw[:-1], id="no newline"),
        pytest.param(lambda raw: raw + b"\n", id="another newline"),
        pytest.param(lambda raw: b" " + raw, id="a space before"),
        pytest.param(lambda raw: raw.replace(b'":"', b'": "', 1), id="a space within"),
        pytest.param(
            lambda raw: json.dumps(dict(reversed(json.loads(raw).items()))).encode() + b"\n", id="order"
        ),
        pytest.param(lambda raw: raw.replace(b"{", b'{"more":1,', 1), id="an unknown field"),
        pytest.param(
            lambda raw: raw.replace(b'{"payload":', b'{"payload":"","payload":', 1), id="a field twice"
        ),
        pytest.param(lambda raw: raw.replace(b"==", b"", 1), id="no padding"),
        pytest.param(lambda raw: raw.replace(b"payloadType", b"\\u0070ayloadType", 1), id="an escape"),
        pytest.param(lambda raw: b"[" * 100_000, id="depth"),
        pytest.param(lambda raw: b"\xff" + raw, id="not UTF-8"),
        pytest.param(lambda raw: b"\xef\xbb\xbf" + raw, id="byte order mark"),
        pytest.param(lambda raw: b"", id="empty"),
        pytest.param(lambda raw: b"NaN\n", id="no number"),
        pytest.param(
            lambda raw: raw.replace(b'"signatures":[', b'"signatures":[{"keyid":"","sig":""},', 1),
            id="two signatures",
        ),
        pytest.param(lambda raw: b'"' + b"a" * MAX_STATEMENT_BYTES + b'"', id="size"),
    ],
)
def test_an_envelope_in_another_dress_is_refused(block, trusted, change):
    for path in (LOG, SUMMARY):
        assert wrong(block | {path: change(block[path])}, trusted) == {path}


def test_a_payload_changed_under_its_signature_is_refused(block, trusted):
    assert wrong(
        resigned(block, SUMMARY, lambda payload: payload["predicate"].update(timeVerified="now")), trusted
    ) == {SUMMARY}


def test_converted_line_ends_are_named_as_such_in_every_file(block, trusted):
    for path, content in block.items():
        if b"\n" in content:
            (problem, *more) = verify_block(block | {path: content.replace(b"\n", b"\r\n")}, trusted).problems
            assert (problem.path, more) == (path, [])
            assert "had its line ends converted by a checkout" in problem.what
            assert "`blocks init`" in problem.what
    # Not where more was changed than that.
    changed = verify_block(block | {"ratio.py": block["ratio.py"].replace(b"\n", b"\r\n ")}, trusted).problems
    assert "was changed" in changed[0].what
