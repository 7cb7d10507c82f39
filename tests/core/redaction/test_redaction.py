"""Secrets leave a text, harmless lines stay, and no text takes longer than its length is worth."""

import base64
import json
import multiprocessing
import random
import resource
import string

import pytest

from orchestrator.core.redaction import MARK, redact_file, redact_text
from orchestrator.core.redaction.key_formats import KEY_FORMATS

# Everything secret here is drawn by this generator, so that no scanner takes the file for a leak.
_draw = random.Random(20261129)
_ALPHANUMERIC = string.ascii_letters + string.digits


def drawn(length: int, alphabet: str = _ALPHANUMERIC) -> str:
    """A made-up value; it always has a digit and letters of both cases where the alphabet has them."""
    while True:
        value = "".join(_draw.choice(alphabet) for _ in range(length))
        if sum(sign.isdigit() for sign in value) >= min(3, length // 4):
            return value


HEX = "0123456789abcdef"
KEY, PASSWORD, BODY = drawn(40), "tr0ubador" + "7", drawn(64)
PEM = f"-----BEGIN PRIVATE{' '}KEY-----\n{BODY}\n{drawn(64)}\n-----END PRIVATE{' '}KEY-----"
FORMATS = {
    "OpenAI, Anthropic, DeepSeek and OpenRouter": "sk-" + "ant-api03-" + KEY,
    "Google API key": "AIza" + drawn(35),
    "Google API key of 2025": "AQ." + KEY,
    "Google OAuth client secret": "GOCSPX-" + drawn(28),
    "Google OAuth access token": "ya29." + KEY,
    "Groq": "gsk_" + KEY,
    "xAI": "xai-" + KEY,
    "Hugging Face": "hf_" + KEY,
    "Replicate": "r8_" + KEY,
    "Perplexity": "pplx-" + KEY,
    "API token of this service": "blk_" + KEY,
    "GitHub token": "ghp_" + KEY,
    "GitHub fine-grained token": "github_pat_" + KEY,
    "GitLab token": "glpat-" + drawn(20) + ".01." + drawn(9),
    "GitLab runner registration": "GR1348941" + drawn(20),
    "Bitbucket app password": "ATBB" + drawn(32),
    "Atlassian": "ATATT" + KEY,
    "npm": "npm_" + drawn(36),
    "PyPI": "pypi-" + drawn(60),
    "RubyGems": "rubygems_" + drawn(48, HEX),
    "Docker Hub": "dckr_pat_" + drawn(27),
    "AWS access key id": "AKIA" + drawn(16, string.ascii_uppercase + "234567"),
    "DigitalOcean": "dop_v1_" + drawn(64, HEX),
    "HashiCorp Vault": "hvs." + KEY,
    "Terraform Cloud": drawn(14) + ".atlasv1." + drawn(60),
    "Databricks": "dapi" + drawn(32, HEX),
    "Heroku": "HRKU-" + drawn(36),
    "Fly.io": "fm2_" + drawn(60),
    "Cloudflare": "cfut_" + KEY,
    "Supabase": "sbp_" + drawn(40, HEX),
    "PlanetScale": "pscale_tkn_" + KEY,
    "Pulumi": "pul-" + drawn(40, HEX),
    "Doppler": "dp.pt." + KEY,
    "Slack token": "xoxb-" + drawn(12, string.digits) + "-" + drawn(24),
    "Slack app token": "xapp-1-" + KEY,
    "Slack webhook": "https://hooks.slack.com/services/" + drawn(9) + "/" + drawn(9) + "/" + drawn(24),
    "Discord webhook": "https://discord.com/api/webhooks/" + drawn(18, string.digits) + "/" + drawn(68),
    "Telegram bot": drawn(9, string.digits) + ":AA" + drawn(33),
    "Twilio": "SK" + drawn(32, HEX),
    "SendGrid": "SG." + drawn(22) + "." + drawn(43),
    "Mailgun": "key-" + drawn(32, HEX),
    "Mailchimp": drawn(32, HEX) + "-us7",
    "Brevo": "xkeysib-" + drawn(64, HEX) + "-" + drawn(16),
    "Stripe": "rk_" + "live_" + drawn(24),
    "Stripe and standard webhooks": "whsec_" + drawn(32),
    "Square": "sq0atp-" + drawn(22),
    "Shopify": "shpat_" + drawn(32, HEX),
    "New Relic": "NRAK-" + drawn(27, string.ascii_uppercase + string.digits),
    "Grafana": "glsa_" + drawn(32) + "_" + drawn(8, HEX),
    "Sentry token": "sntrys_" + drawn(80),
    "Sentry DSN": "https://" + drawn(32, HEX) + "@o4.ingest.sentry.io/7",
    "Linear": "lin_api_" + KEY,
    "Notion": "ntn_" + KEY,
    "Figma": "figd_" + KEY,
    "Postman": "PMAK-" + drawn(24, HEX) + "-" + drawn(34, HEX),
    "PagerDuty": "u+" + drawn(18),
    "JSON web token": "eyJ" + drawn(20) + "." + drawn(40) + "." + drawn(43),
    "age secret key": "AGE-SECRET-KEY-" + "1" + drawn(58, string.ascii_uppercase + string.digits),
    "Django's generated secret key": "django-insecure-" + drawn(50),
    "private key in DER": "MII" + "EvQ" + "IBADANBgkqhkiG9w0BAQEFAASC" + drawn(80),
    "short private key in DER": "MHcCAQEE" + drawn(60),
    "private key in PEM, as base64": base64.b64encode(PEM.encode()).decode(),
}


@pytest.mark.parametrize("known", KEY_FORMATS, ids=lambda known: known.name)
def test_every_format_is_found_in_code_and_in_prose(known) -> None:
    secret = FORMATS[known.name]
    for path, text in (("a.py", f'client = connect("{secret}")'), ("n.md", f"Use {secret} for now, please.")):
        clean, found = redact_file(path, text)
        assert found >= 1
        # Some formats keep a part that is not secret: the address of a webhook, the host of a DSN.
        assert secret[-30:-1] not in clean
    assert secret[-30:-1] not in redact_text(f"The value\n{secret}\nis ours")[0]


NAMED = {
    "shell": ("a.sh", "export DB_PASSWORD={}"),
    "shell, quoted": ("a.sh", "API_TOKEN='{}'"),
    "shell, next line": ("a.sh", "export API_TOKEN=\\\n    {}"),
    "Dockerfile": ("Dockerfile", "ENV SMTP_PASSWORD {}"),
    "build argument": ("Dockerfile", "ARG REGISTRY_TOKEN={}"),
    "YAML": ("a.yml", "  redisPassword: {}"),
    "YAML, quoted": ("a.yml", 'client_secret: "{}"'),
    "YAML, folded": ("a.yml", "token: >-\n  {}"),
    "YAML, name and value": ("a.yml", "- name: DB_PASSWORD\n  value: {}"),
    "JSON": ("a.json", '{{"db": {{"password": "{}"}}}}'),
    "JSON, name and value": ("a.json", '{{"name": "API_KEY", "value": "{}"}}'),
    "TOML": ("a.toml", 'api_key = "{}"'),
    "INI": ("a.ini", "password = {}"),
    "properties": ("a.properties", "spring.datasource.password={}"),
    "XML element": ("a.xml", "<proxyPassword>{}</proxyPassword>"),
    "XML element with an attribute": ("a.xml", '<password encoding="plain">{}</password>'),
    "XML attributes": ("a.xml", '<add key="Password" value="{}" />'),
    "HCL": ("a.tf", '  master_password = "{}"'),
    "Python": ("a.py", 'connect(user="app", password="{}")'),
    "Python, annotated": ("a.py", 'API_KEY: Final[str] = "{}"'),
    "Python, default of the environment": ("a.py", 'os.environ.setdefault("SECRET_KEY", "{}")'),
    "Python, subscript": ("a.py", 'settings["access_token"] = "{}"'),
    "Go": ("a.go", 'const apiKey = "{}"'),
    "JavaScript": ("a.js", "const clientSecret = '{}';"),
    "Ruby": ("a.rb", "  :password => '{}',"),
    "libpq": ("a.py", 'connect("host=db user=app password={} dbname=x")'),
    "ADO.NET": ("a.json", '"Default": "Server=db;User Id=sa;Password={};Encrypt=true"'),
    "query of an address": ("a.properties", "url=jdbc:postgresql://db/x?user=app&password={}&ssl=true"),
    "address": ("a.yml", "url: postgres://app:{}@db/x"),
    "address without a user": ("a.py", 'BROKER = "redis://:{}@cache:6379/0"'),
    "header": ("n.http", "X-Api-Key: {}"),
    "authorization": ("n.http", "Authorization: Bearer {}"),
    "cookie": ("n.http", "Cookie: theme=dark; sid={}"),
    "curl": ("a.sh", "curl -s -u admin:{} https://example.org/"),
    "mysql": ("a.sh", "mysql -uroot -p{} shop"),
    "redis-cli": ("a.sh", "redis-cli -h cache -a {} ping"),
    "a flag": ("a.sh", "deploy --password {} --fast"),
    "a flag with a sign": ("a.sh", "deploy --api-key={}"),
    "table": ("a.md", "| `DB_PASSWORD` | {} |"),
    "prose": ("a.md", "The staging password is `{}`."),
    "prose, German": ("a.md", "Das Passwort lautet {}"),
    "carriage returns only": ("a.txt", "x\rDB_PASSWORD={}\ry"),
    "no-break space": ("a.md", "password:\u00a0{}"),
    "wide colon": ("a.md", "password\uff1a{}"),
}


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


HARMLESS = [
    ("a.py", 'TOKEN_URL = "https://auth.example.org/oauth2/v2/token"'),
    ("a.py", 'PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher"]'),
    ("a.py", "MAX_TOKENS = 128_000"),
    ("a.py", "TOKEN_LIFETIME = timedelta(days=14)"),
    ("a.py", "token = read_token(request, 16)"),
    ("a.py", "password = form.cleaned_data['password1']"),
    ("a.py", "def login(user: str, password: str | None = None) -> bool: ..."),
    ("a.py", 'async def check_password(raw):\n    """See set_password2()."""'),
    ("a.py", f'commit = "{drawn(40, HEX)}"'),
    ("a.py", 'id = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"'),
    ("a.py", 'fields = ("username", "password1", "password2")'),
    ("a.py", 'API_KEY = os.environ["API_KEY_2"]'),
    ("a.py", 'assert token == "expected_token_value"'),
    ("a.py", 'TOKEN_TYPE = "access_token"'),
    ("a.py", 'raise ValueError("password must contain 12 characters")'),
    ("a.py", 'log.info(f"token: {token} of {user}")'),
    ("a.py", 'algorithm_secret = "hs256"'),
    ("a.lock", f'"integrity": "sha512-{drawn(80)}=="'),
    ("r.txt", f"six==1.17.0 --hash=sha256:{drawn(64, HEX)}"),
    ("a.sh", "API_TOKEN=$CI_TOKEN"),
    ("a.sh", 'PASSWORD="${DB_PASSWORD:-}"'),
    ("a.sh", "TOKEN=$(cat /run/secrets/token1)"),
    ("a.yml", "DB_PASSWORD: ${{ secrets.DB_PASSWORD2 }}"),
    ("a.yml", "password:\n  type: string\n  minLength: 12"),
    ("a.yml", "secretName: app-credentials-v2"),
    ("a.md", "Set `API_KEY=your-api-key-1` first."),
    ("a.md", "postgres://user:password@host:5432/name"),
    ("a.md", "A password has at least 12 characters."),
    ("a.html", '<input type="password" name="password1" id="id_password1">'),
    ("a.ts", 'const tokenExpiry = "30d";'),
    ("a.go", "type PasswordPolicy struct { MinLength8 int }"),
    ("a.py", "https://host.example.org:8080/users/@me"),
]


@pytest.mark.parametrize(("path", "text"), HARMLESS)
def test_harmless_line_stays(path: str, text: str) -> None:
    assert redact_file(path, text) == (text, 0)


def test_text_that_is_not_ascii_keeps_every_character() -> None:
    text = f"naïve - 密码 🔑 password: {PASSWORD} - ende \udcff"
    clean, found = redact_file("a.md", text)
    assert clean == f"naïve - 密码 🔑 password: {MARK} - ende \udcff"
    assert found == 1


def test_redacting_twice_changes_nothing_more() -> None:
    for path, template in NAMED.values():
        once, _ = redact_file(path, template.format(PASSWORD))
        assert redact_file(path, once)[0] == once


# Each repeated to half a megabyte in one line or many: what took minutes with patterns that go back.
ADVERSARIAL = [
    *(
        "password",
        "password=",
        '"password","',
        "password:\n",
        'password="',
        "password=(",
        "password = (\n",
        "password is ",
    ),
    *(
        "password={{",
        "password=a.",
        "password=a(",
        "| password ",
        "<password ",
        "export password ",
        "--password ",
    ),
    # Openings of a long literal, with one kind of quotes inside another.
    *(f"{opening}{'k' * 4200}" for opening in ('password="', "token='", "secret=`", "token=\"'")),
    f'{"token=" * 800}"',
    *(
        "sk-",
        "x://a:",
        "x://",
        "eyJ",
        "eyJaaaaaaaaaaaa.",
        "TOKEN_",
        "A_",
        "-----BEGIN PRIVATE KEY-----",
        "-----BEGIN ",
    ),
    *(
        "-----BEGIN PRIVATE KEY-----\n",
        "Private-Lines: 9999\n",
        '"kty" "d":"',
        "curl -u ",
        "docker login ",
        "cookie=a; ",
    ),
    *("authorization: ", "MIIabcIBA", "LS0tLS1CRUdJTi", '"', "'", "\\", " ", "\t", "\n", "=", "{", "é"),
    *(known.literal.decode() for known in KEY_FORMATS),
]
HALF_MEGABYTE = 512 * 1024
GENEROUS_CPU_SECONDS = 120


def _redact_adversarial() -> None:
    # Not a measurement: the limit only tells linear time from the hours that quadratic time would take.
    resource.setrlimit(resource.RLIMIT_CPU, (GENEROUS_CPU_SECONDS, GENEROUS_CPU_SECONDS))
    for seed in ADVERSARIAL:
        redact_file("a.py", seed * (HALF_MEGABYTE // len(seed)))


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
