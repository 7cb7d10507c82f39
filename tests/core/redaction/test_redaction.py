"""Secrets leave a text, harmless lines stay, and no text takes longer than its length is worth."""

import json
import multiprocessing
import resource

import pytest

from orchestrator.core.redaction import MARK, redact_file, redact_text
from orchestrator.core.redaction.key_formats import KEY_FORMATS
from tests.core.redaction.corpus import (
    ADVERSARIAL,
    BODY,
    FORMATS,
    HARMLESS,
    KEY,
    NAMED,
    PASSWORD,
    PEM,
    WRITTEN,
    drawn,
)


@pytest.mark.parametrize("known", KEY_FORMATS, ids=lambda known: known.name)
def test_every_format_is_found_in_code_and_in_prose(known) -> None:
    secret = FORMATS[known.name]
    for path, text in (("a.py", f'client = connect("{secret}")'), ("n.md", f"Use {secret} for now, please.")):
        clean, found = redact_file(path, text)
        assert found >= 1
        # Some formats keep a part that is not secret: the address of a webhook, the host of a DSN.
        assert secret[-30:-1] not in clean
    assert secret[-30:-1] not in redact_text(f"The value\n{secret}\nis ours")[0]


@pytest.mark.parametrize("form", NAMED)
@pytest.mark.parametrize("secret", [PASSWORD, KEY, drawn(12)])
def test_value_behind_a_name_is_found(form: str, secret: str) -> None:
    path, template = NAMED[form]
    text = template.format(secret)
    clean, found = redact_file(path, text)
    assert secret not in clean, clean
    assert MARK in clean
    assert found == 1
    assert secret not in redact_text(text)[0]


@pytest.mark.parametrize(("path", "template"), WRITTEN)
@pytest.mark.parametrize("secret", [PASSWORD, KEY])
def test_value_is_found_as_each_language_writes_it(path: str, template: str, secret: str) -> None:
    text = template.format(secret)
    assert secret not in redact_file(path, text)[0]
    assert secret not in redact_text(text)[0]


@pytest.mark.parametrize("secret", ["a$b7c!d9e", "two(7)parens", "less<7>more9", "semi;colon7x", "at@sign77"])
def test_quoted_password_may_have_any_sign(secret: str) -> None:
    assert secret not in redact_file("a.py", f'DB_PASSWORD = "{secret}"')[0]


@pytest.mark.parametrize("secret", ["with@sign7", "with/slash7", "with:colon7"])
def test_password_of_an_address_may_be_unescaped(secret: str) -> None:
    clean, _ = redact_file("a.yml", f"db: postgres://app:{secret}@db.example.org/x")
    assert clean == f"db: postgres://app:{MARK}@db.example.org/x"


def test_value_of_several_literals_is_one_secret() -> None:
    first, second = drawn(12), drawn(20)
    clean, found = redact_file("a.py", f'api_key = (\n    "{first}"\n    "{second}"\n)')
    assert first not in clean
    assert second not in clean
    assert found == 1


WRAPPED = {
    "plain": PEM,
    "Windows line ends": PEM.replace("\n", "\r\n"),
    "indented": "key: |\n" + "\n".join(f"    {line}" for line in PEM.split("\n")),
    "JSON": json.dumps({"private_key": PEM}),
    "joined literals": "KEY = (\n" + "\n".join(f'    "{line}\\n"' for line in PEM.split("\n")) + "\n)",
    "OpenSSH": PEM.replace("PRIVATE", "OPENSSH PRIVATE"),
    "encrypted": PEM.replace("PRIVATE", "ENCRYPTED PRIVATE"),
    "PGP": PEM.replace("PRIVATE KEY", "PGP PRIVATE KEY BLOCK"),
    "cut off": PEM.rsplit("\n", 1)[0],
}


@pytest.mark.parametrize("wrapping", WRAPPED)
def test_private_key_is_found_in_every_wrapping(wrapping: str) -> None:
    clean, found = redact_file("k.txt", f"before\n{WRAPPED[wrapping]}\nlast line, kept.\n")
    assert BODY not in clean
    assert clean.startswith("before\n")
    assert clean.endswith("last line, kept.\n")
    assert found == 1


def test_putty_and_json_web_keys_are_found() -> None:
    putty = f"PuTTY-User-Key-File-3: ssh-ed25519\nPrivate-Lines: 2\n{BODY}\n{KEY}\nPrivate-MAC: x\n"
    assert redact_file("k.ppk", putty)[0] == (
        f"PuTTY-User-Key-File-3: ssh-ed25519\nPrivate-Lines: 2\n{MARK}\nPrivate-MAC: x\n"
    )
    clean, _ = redact_file("k.json", json.dumps({"kty": "RSA", "n": BODY, "d": KEY}))
    assert KEY not in clean


@pytest.mark.parametrize(("path", "text"), HARMLESS)
def test_harmless_line_stays(path: str, text: str) -> None:
    assert redact_file(path, text) == (text, 0)


def test_text_that_is_not_ascii_keeps_every_character() -> None:
    text = f"naïve - 密码 🔑 password: {PASSWORD} - ende \udcff"
    clean, found = redact_file("a.md", text)
    assert clean == f"naïve - 密码 🔑 password: {MARK} - ende \udcff"
    assert found == 1


@pytest.mark.parametrize(
    "code", ["password = {}", "API_KEY={} ", "login(password={})", "x = {{'password': {}}}"]
)
def test_code_inside_json_leaves_json_that_can_be_read(code: str) -> None:
    text = json.dumps({"source": [code.format(f'"{PASSWORD}"'), "next"], "more": 1})
    clean, found = redact_text(text)
    assert found == 1
    assert json.loads(clean) == {"source": [code.format(f'"{MARK}"'), "next"], "more": 1}


def test_redacting_twice_changes_nothing_more() -> None:
    for path, template in NAMED.values():
        once, _ = redact_file(path, template.format(PASSWORD))
        assert redact_file(path, once)[0] == once


LINE_BYTES = 64 * 1024
GENEROUS_CPU_SECONDS = 30


def _redact_adversarial() -> None:
    # Not a measurement: the limit only tells linear time from the minutes that a single line would take in
    # quadratic time.
    resource.setrlimit(resource.RLIMIT_CPU, (GENEROUS_CPU_SECONDS, GENEROUS_CPU_SECONDS))
    for seed in ADVERSARIAL:
        redact_file("a.py", seed * (LINE_BYTES // len(seed)))


@pytest.mark.slow
def test_no_line_takes_longer_than_its_length_is_worth() -> None:
    child = multiprocessing.get_context("fork").Process(target=_redact_adversarial)
    child.start()
    child.join(GENEROUS_CPU_SECONDS * 4)
    if child.is_alive():
        child.kill()
    assert child.exitcode == 0


@pytest.mark.parametrize("length", [4095, 4096, 4097, 8193, 40_000])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("DB_PASSWORD=", "\nPORT=1\n"),
        ("https://example.org/?token=", "&page=2\n"),
        ('password: "', '", port: 1\n'),
        ('password = """', '"""\nport = 1\n'),
        # Nothing closes it: its line ends it.
        ("password = '", "\nport = 1\n"),
    ],
)
def test_the_whole_of_a_long_value_goes(before: str, after: str, length: int) -> None:
    assert redact_text(f"{before}{drawn(length)}{after}")[0] == f"{before}{MARK}{after}"


def test_the_examples_cover_every_format() -> None:
    assert set(FORMATS) == {known.name for known in KEY_FORMATS}
