"""Made-up secrets, harmless lines and hostile texts: what the tests of redaction and its benchmark read."""

import base64
import random
import string
from collections.abc import Iterator

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
    "Azure OpenAI": drawn(52) + "JQQJ99" + drawn(26),
    "Amazon Bedrock": "ABSK" + drawn(120),
    "Amazon Bedrock, short-lived": "bedrock-api-key-" + KEY,
    "Fireworks, Together, Jina and Weights & Biases": "tgp_v1_" + KEY,
    "NVIDIA": "nvapi-" + drawn(64),
    "Pinecone": "pcsk_" + drawn(60),
    "LangSmith": "lsv2_pt_" + drawn(32, HEX) + "_" + drawn(10, HEX),
    "Tavily": "tvly-dev-" + drawn(32),
    "ElevenLabs": "sk_" + drawn(48, HEX),
    "Cerebras": "csk-" + drawn(48, HEX),
    "Firecrawl": "fc-" + drawn(32, HEX),
    "Cursor, RunPod and PostHog": "crsr_" + drawn(64, HEX),
    "Modal": "as-" + drawn(22),
    "fal.ai": "3f0c1a52-7b1d-4f0e-9a51-0c8d5f3e2b7a:" + drawn(32, HEX),
    "GitHub installation token of before 2021": "v1." + drawn(40, HEX),
    "Azure DevOps": drawn(76) + "AZDO" + drawn(4),
    "CircleCI and Buildkite": "bkua_" + drawn(40, HEX),
    "SonarQube, Sourcegraph, Prefect and dbt": "squ_" + drawn(40, HEX),
    "Snyk": "snyk_uat." + drawn(8, HEX) + "." + drawn(90),
    "Harness": "pat." + drawn(22) + "." + drawn(24, HEX) + "." + drawn(20),
    "Octopus Deploy": "API-" + drawn(26, string.ascii_uppercase + string.digits),
    "crates.io": "cio" + drawn(32),
    "NuGet": "oy2" + drawn(43, string.ascii_lowercase + string.digits),
    "JFrog": "AKCp" + drawn(69),
    "JFrog reference token": "cmVmdGtu" + drawn(56),
    "Clojars and Deno": "CLOJARS_" + drawn(60, HEX),
    "Entra client secret": "abc8Q~" + drawn(34),
    "Alibaba Cloud": "LTAI" + drawn(20),
    "Tencent Cloud": "AKID" + drawn(32),
    "Yandex Cloud": "AQVN" + drawn(36),
    "Scaleway": "SCW" + drawn(17, string.ascii_uppercase + string.digits),
    "Cloudflare origin": "v1.0-" + drawn(24, HEX) + "-" + drawn(146, HEX),
    "Netlify, Neon, Render and Vercel": "nfp_" + drawn(36),
    "Vercel Blob": "vercel_blob_rw_" + drawn(16) + "_" + drawn(30),
    "Confluent": "cflt" + drawn(60),
    "Tailscale": "tskey-auth-" + drawn(12) + "CNTRL-" + drawn(32),
    "Dynatrace": "dt0c01."
    + drawn(24, string.ascii_uppercase + "234567")
    + "."
    + drawn(64, string.ascii_uppercase + "234567"),
    "1Password service account": "ops_eyJ" + drawn(90),
    "1Password secret key": "A3-ABC123" + "-A1B2C" * 5,
    "Teams webhook": "https://a.webhook.office.com/webhookb2/1@2/IncomingWebhook/" + drawn(32, HEX),
    "Zapier webhook": "https://hooks.zapier.com/hooks/catch/123456/" + drawn(31, HEX),
    "Discord bot": "MTA" + drawn(21) + "." + drawn(6) + "." + drawn(38),
    "Mailgun key of 2024": drawn(32, HEX) + "-" + drawn(8, HEX) + "-" + drawn(8, HEX),
    "Resend": "re_" + drawn(8) + "_" + drawn(24),
    "MailerSend": "mlsn." + drawn(64, HEX),
    "Klaviyo and ClickUp": "pk_" + drawn(34, HEX),
    "HubSpot, Plaid and LaunchDarkly": "pat-na1-3f0c1a52-7b1d-4f0e-9a51-" + drawn(12, HEX),
    "PayPal and Braintree": "access_token$production$" + drawn(16, HEX) + "$" + drawn(32, HEX),
    "Razorpay, Shippo and Duffel": "shippo_live_" + drawn(40, HEX),
    "Mollie and Lob": "live_" + drawn(30),
    "Paddle": "pdl_live_apikey_" + KEY,
    "Flutterwave": "FLWSECK-" + drawn(32, HEX) + "-X",
    "Adyen": "AQEhhm" + drawn(90),
    "EasyPost": "EZAK" + drawn(54),
    "Airtable": "pat" + drawn(14) + "." + drawn(64, HEX),
    "Contentful": "CFPAT-" + drawn(43),
    "Typeform, Honeycomb, ReadMe, Retool and Zuplo": "tfp_" + drawn(44),
    "Dropbox": "sl.u." + drawn(130),
    "Frame.io": "fio-u-" + drawn(64),
    "MaxMind": drawn(6) + "_" + drawn(29) + "_mmk",
    "Facebook": "EAAM" + drawn(150),
    "signature of an address that was signed": "https://a.example.org/f?sig=" + KEY,
    "hash of a password": "$2y$10$" + drawn(53),
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


def list_secrets() -> Iterator[tuple[str, str, str]]:
    """Path, text and the secret in it: each format in code and in prose, and each form of naming a value."""
    for secret in FORMATS.values():
        # Some formats keep a part that is not secret, so the end is what must not stay.
        yield "a.py", f'client = connect("{secret}")', secret[-30:-1]
        yield "n.md", f"Use {secret} for now, please.", secret[-30:-1]
    for path, template in NAMED.values():
        for secret in (PASSWORD, KEY):
            yield path, template.format(secret), secret
