"""A sealed block cut, lengthened, packed otherwise, mixed with others, or replayed whole: each is found,
and said where.
"""

import base64
import gzip
import io
import json
import resource
import struct
import tarfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from blocks.cli import catalog
from blocks.cli.errors import Failure
from blocks.cli.expectations import Expectations, compare_report, parse_expectations
from blocks.format import archive
from blocks.format.canonical import dump_json
from blocks.format.errors import FormatError
from blocks.format.keys import Keys, read_public_key
from blocks.format.limits import MAX_BLOCK_BYTES
from blocks.format.verification import VerificationReport, verify_block
from orchestrator.flows.evidence import keys, sealing
from tests.blocks.format.test_verification import wrong
from tests.flows.evidence.subjects import SUBJECT

pytestmark = pytest.mark.django_db
LOG, SUMMARY = "attestations/log-entry.dsse.json", "attestations/verification-summary.dsse.json"
REVIEW = "attestations/test-result.review.dsse.json"


def finding(packed: bytes, trusted: Keys) -> str:
    """What is found wrong with an archive; empty where it holds."""
    try:
        found = archive.read(packed)
    except FormatError as error:
        return str(error)
    problems = verify_block(found.files, trusted).problems
    return problems[0].what if problems else found.damage


def tar(*members: tuple[tarfile.TarInfo, bytes], form: int = tarfile.USTAR_FORMAT) -> bytes:
    """An archive of ``members`` as they are, packed as ours are."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as made:
        for entry, content in members:
            made.addfile(entry, io.BytesIO(content))
    return archive.wrap_gzip(buffer.getvalue())


def member(name: str, content: bytes = b"", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.mtime = len(content), 0o644, 0
    for field, value in fields.items():
        setattr(entry, field, value)
    return entry, content


def sparse(name: str, size: int) -> bytes:
    """A few hundred bytes that say they are a file of ``size`` (GNU sparse 1.0)."""
    headers = {"major": "1", "minor": "0", "name": name, "realsize": str(size)}
    return tar(
        member(
            name,
            b"0\n".ljust(512, b"\0"),
            pax_headers={f"GNU.sparse.{key}": value for key, value in headers.items()},
        ),
        form=tarfile.PAX_FORMAT,
    )


@pytest.mark.parametrize("step", [7, pytest.param(1, marks=pytest.mark.slow)])
def test_every_file_cut_at_every_length_is_named(block, trusted, opened_once, step):
    for path, content in block.items():
        for length in range(0, len(content), step):
            assert wrong(block | {path: content[:length]}, trusted) == {path}, (path, length)


def test_a_byte_put_in_or_appended_anywhere_is_named(block, trusted, opened_once):
    for path, content in block.items():
        for place in range(0, len(content) + 1, 7):
            changed = block | {path: content[:place] + b"a" + content[place:]}
            assert wrong(changed, trusted) == {path}, (path, place)
        assert wrong(block | {path: content + b"\n"}, trusted) == {path}


def test_an_archive_cut_at_any_length_is_found(block, trusted, opened_once):
    packed = archive.pack(block)
    blocks = {place + off for place in range(0, len(packed), 512) for off in (-1, 0, 1, 15)}
    lengths = {
        length
        for length in blocks | set(range(40)) | set(range(len(packed) - 40, len(packed)))
        if 0 <= length < len(packed)
    }
    assert [length for length in sorted(lengths) if not finding(packed[:length], trusted)] == []
    assert (
        finding(packed[:-1], trusted)
        == f"the archive is cut off: it ends after {len(packed) - 1:,} of {len(packed):,} bytes"
    )


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_an_archive_cut_at_every_length_is_found(block, trusted, opened_once):
    packed = archive.pack(block)
    assert [length for length in range(len(packed)) if not finding(packed[:length], trusted)] == []


def test_bytes_put_into_an_archive_or_behind_it_are_found(block, trusted, opened_once):
    packed = archive.pack(block)
    for place in (*range(40), *range(40, len(packed), 97), *range(len(packed) - 40, len(packed) + 1)):
        assert finding(packed[:place] + b"\0" + packed[place:], trusted), place
    assert finding(packed + b"ab", trusted) == "2 bytes were appended to the archive"
    assert finding(packed + packed, trusted)
    assert "from byte 4 on" in finding(packed[:4] + b"\1" + packed[5:], trusted)


def test_members_in_another_order_or_twice_are_found(block, trusted):
    files = [member(path, content) for path, content in sorted(block.items())]
    assert tar(*files) == archive.pack(block)
    assert "was changed, from byte" in finding(tar(*reversed(files)), trusted)
    for twin in (files[-1], member("ratio.py", b"x = 2\n")):
        assert "is there twice" in finding(tar(*files, twin), trusted)


@pytest.mark.parametrize(
    ("odd", "what"),
    [
        (member("x.py", type=tarfile.SYMTYPE, linkname="/etc/passwd"), "'x.py' in it is a link"),
        (member("x.py", type=tarfile.LNKTYPE, linkname="ratio.py"), "'x.py' in it is a link"),
        (member("x", type=tarfile.FIFOTYPE), "'x' in it is not a plain file"),
        (member("x", type=tarfile.CHRTYPE), "'x' in it is not a plain file"),
        (member("x", type=tarfile.DIRTYPE), "'x' in it is not a plain file"),
        (member("/tmp/x.py", b"1"), "'/tmp/x.py' in it is not a path inside the block"),
        (member("../x.py", b"1"), "'../x.py' in it is not a path inside the block"),
        (member("attestations/../ratio.py", b"1"), "in it is not a path inside the block"),
        (member("./ratio.py", b"1"), "in it is not a path inside the block"),
        (member("a\\..\\x.py", b"1"), "in it is not a path inside the block"),
    ],
)
def test_what_is_not_a_plain_file_inside_is_refused_by_name(block, trusted, odd, what):
    packed = tar(*(member(path, content) for path, content in sorted(block.items())), odd)
    assert what in finding(packed, trusted)


def test_a_bomb_does_not_go_off(block, trusted):
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, hard))
    try:
        for size in (1 << 33, 1 << 60):
            assert "is not a plain file" in finding(sparse("ratio.py", size), trusted)
            with pytest.raises(Failure, match="is not a plain file"):
                catalog.unpack_block(sparse("ratio.py", size))
        with pytest.raises(FormatError, match="it is over 64 MB"):
            archive.read(b"\0" * (MAX_BLOCK_BYTES + 1))
        claims = tar(member("ratio.py", b"x" * 512)).replace(b"00000001000\0", b"77777777777\0", 1)
        assert "tar cannot be read" in finding(claims, trusted)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def test_compressed_data_is_not_even_opened(block, trusted):
    assert finding(gzip.compress(b"\0" * 10_000_000), trusted)
    assert finding(struct.pack("<Q", 0), trusted) == "it is not a sealed block"


def test_a_gate_left_out_is_named_also_where_the_manifest_hides_it(block, trusted):
    without = {path: content for path, content in block.items() if path != REVIEW}
    assert wrong(without, trusted) == {REVIEW}
    manifest = json.loads(block["manifest.json"])
    manifest["gates"] = [gate for gate in manifest["gates"] if gate["gate"] != "review"]
    hidden = without | {"manifest.json": json.dumps(manifest, indent=2, sort_keys=True).encode() + b"\n"}
    assert {REVIEW, "manifest.json"} <= wrong(hidden, trusted)


def test_a_log_entry_cut_off_or_taken_from_elsewhere_is_named(block, trusted):
    again = sealing.seal(replace(SUBJECT, summary="Sealed again.")).files
    assert wrong({path: content for path, content in block.items() if path != LOG}, trusted) == {LOG}
    assert wrong(block | {LOG: b""}, trusted) == {LOG}
    assert LOG in wrong(block | {LOG: again[LOG]}, trusted)


@pytest.mark.parametrize("mode", ["strict", "advisory"])
def test_a_verdict_that_was_not_a_pass_cannot_be_passed_off_as_one(settings, tmp_path, mode):
    settings.STATE_DIR = tmp_path / "state"
    gates = (replace(SUBJECT.gates[0], verdict="failed"), SUBJECT.gates[1])
    lax = replace(SUBJECT, verified=False, gates=gates, policy=SUBJECT.policy | {"mode": mode})
    failed, passed = dict(sealing.seal(lax).files), sealing.seal(replace(SUBJECT, flow_id="task_2")).files
    trusted = dict([read_public_key(keys.current_key().public_pem.encode())])
    assert verify_block(failed, trusted).verdict == "FAILED"
    for path in (SUMMARY, "attestations/test-result.coverage.dsse.json", "manifest.json"):
        report = verify_block(failed | {path: passed[path]}, trusted)
        assert not report.ok
        assert path in {problem.path for problem in report.problems}
    envelope = json.loads(failed[SUMMARY])
    claim = base64.b64decode(envelope["payload"]).replace(b'"FAILED"', b'"PASSED"')
    envelope["payload"] = base64.b64encode(claim).decode()
    forged = failed | {SUMMARY: dump_json(envelope) + b"\n"}
    assert SUMMARY in wrong(forged, trusted)


@pytest.fixture
def older(block, trusted) -> Callable[[Expectations], VerificationReport]:
    """The older of two blocks of one name, checked against what somebody expects."""
    sealing.seal(replace(SUBJECT, flow_id="task_2", sealed_at=datetime(2026, 3, 1, tzinfo=UTC)))

    def check(wanted: Expectations) -> VerificationReport:
        report = verify_block(block, trusted)
        compare_report(report, wanted)
        return report

    return check


def test_an_older_block_replayed_whole_is_found_by_what_was_expected(older):
    assert older(Expectations()).ok
    for wanted, what in (
        (Expectations(flow="task_2"), "belongs to the flow task_1, expected was task_2"),
        (Expectations(repo="other"), "belongs to the repo compliance-service, expected was other"),
        (
            Expectations(block="compliance/rate"),
            "belongs to the block compliance/ratio, expected was compliance/rate",
        ),
        (Expectations(digest="0" * 64), "expected was 0000"),
        (Expectations(not_before_entry=2), "is entry 1 of the log, expected was 2 or later"),
        (
            Expectations(not_before=datetime(2026, 2, 1, tzinfo=UTC)),
            "2026-01-02T00:00:00Z, expected was 2026-02-01T00:00:00Z or later",
        ),
    ):
        found = older(wanted)
        assert not found.ok
        assert [what in problem.what for problem in found.problems] == [True], found.problems


def test_the_block_that_is_expected_holds(older):
    digest = older(Expectations()).digest
    wanted = parse_expectations(
        flow="task_1",
        repo="compliance-service",
        block="compliance/ratio",
        digest=f"sha256:{digest.upper()}",
        not_before_entry=1,
        not_before="2026-01-02",
    )
    assert older(wanted).ok


def test_what_is_not_proved_is_never_as_expected(block, trusted):
    report = verify_block({"manifest.json": block["manifest.json"]}, trusted)
    compare_report(
        report, Expectations(flow="task_1", not_before_entry=1, not_before=datetime(2020, 1, 1, tzinfo=UTC))
    )
    said = [problem.what for problem in report.problems]
    assert "belongs to the flow (not proved), expected was task_1" in said
    assert "has no proved entry of the log, expected was 1 or later" in said
    assert "was sealed (not proved), expected was 2020-01-01T00:00:00Z or later" in said


@pytest.mark.parametrize(
    "words", [["--digest", "abc"], ["--not-before", "yesterday"], ["--not-before-entry", "-1"]]
)
def test_a_malformed_expectation_is_wrong_usage(offline, tmp_path, words):
    found = offline("verify", "attestation", str(tmp_path), *words)
    assert found.returncode == 2
    assert words[0] in found.stderr


def written(files: dict[str, bytes], folder: Path) -> Path:
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


def test_a_block_that_brings_its_own_key_is_not_believed(settings, offline, tmp_path):
    settings.STATE_DIR = tmp_path / "forger"
    pem = keys.current_key().public_pem.encode()
    own = {".blocks/keys/forger.pem": pem, ".blocks/config.yml": b"repo: compliance-service\n"}
    forged = sealing.seal(replace(SUBJECT, files={**SUBJECT.files, **own})).files
    found = offline("verify", "attestation", str(written(dict(forged), tmp_path / "forged")))
    assert found.returncode == 2
    assert "No key is trusted here" in found.stderr


def test_keys_pinned_here_go_before_those_that_came_with_the_block(block, settings, offline, work, tmp_path):
    pem = keys.current_key().public_pem.encode()
    written({".blocks/config.yml": b"repo: compliance-service\n", ".blocks/keys/ours.pem": pem}, work)
    settings.STATE_DIR = tmp_path / "forger"
    forged = dict(sealing.seal(SUBJECT).files)
    sent = {
        ".blocks/config.yml": b"repo: x\n",
        ".blocks/keys/forger.pem": keys.current_key().public_pem.encode(),
    }
    around = written(sent, tmp_path / "sent")
    found = offline("verify", "attestation", str(written(forged, around / "ratio")))
    assert found.returncode == 1
    assert "which is not among those trusted" in found.stdout
    assert offline("verify", "attestation", str(written(block, work / "ratio"))).returncode == 0


def test_the_output_says_which_block_it_is_about(block, offline, work, tmp_path):
    (tmp_path / "key.pem").write_bytes(keys.current_key().public_pem.encode())
    folder = str(written(block, work / "ratio"))
    check = ("verify", "attestation", folder, "--key", str(tmp_path / "key.pem"))
    found = offline(*check)
    lines = dict(line.split(maxsplit=1) for line in found.stdout.splitlines())
    assert lines["Flow"] == "task_1"
    assert (lines["Repo"], lines["Block"]) == ("compliance-service", "compliance/ratio")
    assert lines["Sealed"] == "2026-01-02T00:00:00Z, by the service's clock"
    assert lines["From"] == SUBJECT.origin
    assert lines["Log"].startswith("entry 1, hash ")
    assert "An older block would hold too." in found.stdout
    document = json.loads(offline(*check, "--json", "--not-before-entry", "1").stdout)
    assert document["origin"] == SUBJECT.origin
    assert document["sealed_at"] == "2026-01-02T00:00:00Z"
    assert offline(*check, "--digest", document["manifest_sha256"]).returncode == 0
    replayed = offline(*check, "--flow", "task_2")
    assert replayed.returncode == 1
    assert "WRONG  manifest.json: belongs to the flow task_1, expected was task_2" in replayed.stdout
    assert replayed.stdout.endswith("NOT TO BE TRUSTED: 1 finding.\n")
