"""Secrets that are recognised by their own format, wherever they are.

Each line of the table is a vendor's format, with a literal that every match contains: most texts contain
none of the literals, and looking for a literal costs much less than running a pattern. Formats were last
compared with the vendors' documentation in November 2026.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

import re2

from orchestrator.core.redaction.spans import Span


class KeyFormat(NamedTuple):
    """The known form of one kind of key.

    ``literal`` is in every match of ``pattern``. Where the pattern has a group, the group is the secret.
    """

    name: str
    literal: bytes
    pattern: str


# In every pattern the run of characters at the end is open: formats grow longer, and a rest that stays
# would be a leak.
KEY_FORMATS: Final = (
    # The three model vendors, and others that speak their protocols.
    KeyFormat("OpenAI, Anthropic, DeepSeek and OpenRouter", b"sk-", r"\bsk-[A-Za-z0-9_-]{16,}"),
    KeyFormat("Google API key", b"AIza", r"AIza[A-Za-z0-9_-]{30,}"),
    KeyFormat("Google API key of 2025", b"AQ.", r"\bAQ\.[A-Za-z0-9_-]{30,}"),
    KeyFormat("Google OAuth client secret", b"GOCSPX-", r"GOCSPX-[A-Za-z0-9_-]{20,}"),
    KeyFormat("Google OAuth access token", b"ya29.", r"\bya29\.[A-Za-z0-9_-]{20,}"),
    KeyFormat("Groq", b"gsk_", r"\bgsk_[A-Za-z0-9]{20,}"),
    KeyFormat("xAI", b"xai-", r"\bxai-[A-Za-z0-9_-]{20,}"),
    KeyFormat("Hugging Face", b"hf_", r"\bhf_[A-Za-z0-9]{20,}"),
    KeyFormat("Replicate", b"r8_", r"\br8_[A-Za-z0-9]{20,}"),
    KeyFormat("Perplexity", b"pplx-", r"\bpplx-[A-Za-z0-9]{20,}"),
    KeyFormat("Azure OpenAI", b"JQQJ99", r"\b[A-Za-z0-9]{40,60}JQQJ99[A-Za-z0-9]{20,}"),
    KeyFormat("Amazon Bedrock", b"ABSK", r"\bABSK[A-Za-z0-9+/=]{60,}"),
    KeyFormat("Amazon Bedrock, short-lived", b"bedrock-api-key-", r"\bbedrock-api-key-[A-Za-z0-9+/=_-]{20,}"),
    KeyFormat(
        "Fireworks, Together, Jina and Weights & Biases",
        b"_",
        r"\b(?:fw|tgp_v1|jina|wandb_v1)_[A-Za-z0-9]{20,}[A-Za-z0-9_-]*",
    ),
    KeyFormat("NVIDIA", b"nvapi-", r"\bnvapi-[A-Za-z0-9_-]{40,}"),
    KeyFormat("Pinecone", b"pcsk_", r"\bpcsk_[A-Za-z0-9_]{40,}"),
    KeyFormat("LangSmith", b"lsv2_", r"\blsv2_[a-z]{2}_[A-Za-z0-9_]{30,}"),
    KeyFormat("Tavily", b"tvly-", r"\btvly-(?:[a-z]+-)?[A-Za-z0-9]{20,}"),
    KeyFormat("ElevenLabs", b"sk_", r"\bsk_[0-9a-f]{40,}"),
    KeyFormat("Cerebras", b"csk-", r"\bcsk-[a-z0-9]{40,}"),
    KeyFormat("Firecrawl", b"fc-", r"\bfc-[0-9a-f]{32}\b"),
    KeyFormat("Cursor, RunPod and PostHog", b"_", r"\b(?:crsr|rpa|ph[xs])_[A-Za-z0-9]{30,}"),
    KeyFormat("Modal", b"-", r"\ba[ks]-[A-Za-z0-9]{22}\b"),
    KeyFormat(
        "fal.ai",
        b":",
        r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}:[0-9a-f]{32}\b",
    ),
    # This project's own tokens.
    KeyFormat("API token of this service", b"blk_", r"\bblk_[A-Za-z0-9_-]{20,}"),
    # Code hosts and CI.
    KeyFormat("GitHub token", b"gh", r"\bgh[a-z]_[A-Za-z0-9_.-]{20,}"),
    KeyFormat("GitHub fine-grained token", b"github_pat_", r"\bgithub_pat_[A-Za-z0-9_]{20,}"),
    KeyFormat("GitLab token", b"gl", r"\bgl[a-z]{2,6}-[A-Za-z0-9_.=-]{16,}"),
    KeyFormat("GitLab runner registration", b"GR1348941", r"\bGR1348941[A-Za-z0-9_-]{16,}"),
    KeyFormat("Bitbucket app password", b"ATBB", r"\bATBB[A-Za-z0-9_=-]{20,}"),
    KeyFormat("Atlassian", b"ATATT", r"\bATATT[A-Za-z0-9_=-]{20,}"),
    KeyFormat("GitHub installation token of before 2021", b"v1.", r"\bv1\.[0-9a-f]{40}\b"),
    KeyFormat("Azure DevOps", b"AZDO", r"\b[A-Za-z0-9]{70,80}AZDO[A-Za-z0-9]{4,}"),
    KeyFormat("CircleCI and Buildkite", b"_", r"\b(?:CCIPAT|CCIPRJ|bkua)_[A-Za-z0-9]{20,}[A-Za-z0-9_]*"),
    KeyFormat(
        "SonarQube, Sourcegraph, Prefect and dbt",
        b"_",
        r"\b(?:sq[pua]|sgp|pn[ub]|dbt[cu])_[A-Za-z0-9]{30,}[A-Za-z0-9_]*",
    ),
    KeyFormat("Snyk", b"snyk_", r"\bsnyk_[a-z]{2,4}\.[0-9a-f]{8}\.[A-Za-z0-9_.-]{40,}"),
    KeyFormat("Harness", b"pat.", r"\bpat\.[A-Za-z0-9_-]{20,}\.[0-9a-f]{20,}\.[A-Za-z0-9]{16,}"),
    KeyFormat("Octopus Deploy", b"API-", r"\bAPI-[A-Z0-9]{26,}\b"),
    # Package registries.
    KeyFormat("npm", b"npm_", r"\bnpm_[A-Za-z0-9]{30,}"),
    KeyFormat("PyPI", b"pypi-", r"\bpypi-[A-Za-z0-9_-]{40,}"),
    KeyFormat("RubyGems", b"rubygems_", r"\brubygems_[A-Za-z0-9]{30,}"),
    KeyFormat("Docker Hub", b"dckr_", r"\bdckr_[a-z]+_[A-Za-z0-9_-]{20,}"),
    KeyFormat("crates.io", b"cio", r"\bcio[A-Za-z0-9]{32}\b"),
    KeyFormat("NuGet", b"oy2", r"\boy2[a-z0-9]{43}\b"),
    KeyFormat("JFrog", b"A", r"\bAKCp[A-Za-z0-9]{60,}"),
    KeyFormat("JFrog reference token", b"cmVmdGtu", r"\bcmVmdGtu[A-Za-z0-9]{40,}"),
    KeyFormat("Clojars and Deno", b"_", r"\b(?:CLOJARS|dd[po])_[A-Za-z0-9]{30,}"),
    # Clouds and infrastructure.
    KeyFormat("AWS access key id", b"A", r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b"),
    KeyFormat("DigitalOcean", b"_v1_", r"\bdo[a-z]_v1_[a-f0-9]{32,}"),
    KeyFormat("HashiCorp Vault", b"hv", r"\bhv[a-z]\.[A-Za-z0-9_-]{20,}"),
    KeyFormat("Terraform Cloud", b".atlasv1.", r"[A-Za-z0-9]{10,}\.atlasv1\.[A-Za-z0-9_-]{20,}"),
    KeyFormat("Databricks", b"dapi", r"\bdapi[a-f0-9]{32,}(?:-\d+)?"),
    KeyFormat("Heroku", b"HRKU-", r"\bHRKU-[A-Za-z0-9_-]{20,}"),
    KeyFormat("Fly.io", b"fm", r"\bfm[12][a-z]?_[A-Za-z0-9+/=_-]{40,}"),
    KeyFormat("Cloudflare", b"cf", r"\bcf(?:ut|at|ort)_[A-Za-z0-9_-]{30,}"),
    KeyFormat("Supabase", b"sb", r"\bsb[ps]_[a-z]*_?[A-Za-z0-9]{20,}"),
    KeyFormat("PlanetScale", b"pscale_", r"\bpscale_[a-z]+_[A-Za-z0-9_.-]{20,}"),
    KeyFormat("Pulumi", b"pul-", r"\bpul-[a-f0-9]{30,}"),
    KeyFormat("Doppler", b"dp.", r"\bdp\.[a-z]{2,8}\.[A-Za-z0-9.]{30,}"),
    KeyFormat("Entra client secret", b"Q~", r"\b[A-Za-z0-9_~.]{3}\dQ~[A-Za-z0-9_~.-]{31,}"),
    KeyFormat("Alibaba Cloud", b"LTAI", r"\bLTAI[A-Za-z0-9]{12,}\b"),
    KeyFormat("Tencent Cloud", b"AKID", r"\bAKID[A-Za-z0-9]{28,}"),
    KeyFormat("Yandex Cloud", b"AQVN", r"\bAQVN[A-Za-z0-9_-]{30,}"),
    KeyFormat("Scaleway", b"SCW", r"\bSCW[A-Z0-9]{17}\b"),
    KeyFormat("Cloudflare origin", b"v1.0-", r"\bv1\.0-[0-9a-f]{24}-[0-9a-f]{100,}"),
    KeyFormat("Netlify, Neon, Render and Vercel", b"_", r"\b(?:nfp|napi|rnd|vc[a-z])_[A-Za-z0-9]{24,}"),
    KeyFormat("Vercel Blob", b"vercel_blob_rw_", r"\bvercel_blob_rw_[A-Za-z0-9]{10,}_[A-Za-z0-9]{20,}"),
    KeyFormat("Confluent", b"cflt", r"\bcflt[A-Za-z0-9/+]{50,}"),
    KeyFormat("Tailscale", b"tskey-", r"\btskey-[a-z]+-[A-Za-z0-9-]{20,}"),
    KeyFormat("Dynatrace", b"dt0", r"\bdt0[a-z]\d{2}\.[A-Z0-9]{20,}\.[A-Z0-9]{40,}"),
    KeyFormat("1Password service account", b"ops_", r"\bops_eyJ[A-Za-z0-9_-]{60,}"),
    KeyFormat("1Password secret key", b"A3-", r"\bA3-[A-Z0-9]{6}(?:-[A-Z0-9]{5,6}){4,5}"),
    # Chat, mail, payment, monitoring.
    KeyFormat("Slack token", b"xox", r"\bxox[a-z](?:\.xox[a-z])?-[A-Za-z0-9-]{10,}"),
    KeyFormat("Slack app token", b"xapp-", r"\bxapp-[A-Za-z0-9-]{20,}"),
    KeyFormat("Slack webhook", b"hooks.slack.com/", r"hooks\.slack\.com/[a-z]+/([A-Za-z0-9/_+-]{20,})"),
    KeyFormat("Discord webhook", b"/webhooks/", r"/api/(?:v\d+/)?webhooks/\d{15,}/([A-Za-z0-9_-]{30,})"),
    KeyFormat("Telegram bot", b":AA", r"\b\d{8,10}:AA[A-Za-z0-9_-]{30,}"),
    KeyFormat("Twilio", b"SK", r"\bSK[0-9a-f]{32}\b"),
    KeyFormat("SendGrid", b"SG.", r"\bSG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"),
    KeyFormat("Mailgun", b"key-", r"\bkey-[0-9a-f]{32}\b"),
    KeyFormat("Mailchimp", b"-us", r"\b[0-9a-f]{32}-us\d{1,2}\b"),
    KeyFormat("Brevo", b"xkeysib-", r"\bxkeysib-[a-f0-9]{40,}-[A-Za-z0-9]{10,}"),
    KeyFormat("Stripe", b"_", r"\b[srp]k_(?:live|test|org)_[A-Za-z0-9]{16,}"),
    KeyFormat("Stripe and standard webhooks", b"whsec_", r"\bwhsec_[A-Za-z0-9+/=_-]{20,}"),
    KeyFormat("Square", b"sq0", r"\bsq0[a-z]{3}-[A-Za-z0-9_-]{20,}"),
    KeyFormat("Shopify", b"shp", r"\bshp[a-z]{2}_[a-fA-F0-9]{32,}"),
    KeyFormat("New Relic", b"NRAK-", r"\bNRAK-[A-Z0-9]{20,}"),
    KeyFormat("Grafana", b"gl", r"\bgl(?:sa|c)_[A-Za-z0-9+/=_-]{30,}"),
    KeyFormat("Sentry token", b"sntry", r"\bsntry[a-z]_[A-Za-z0-9+/=_-]{30,}"),
    KeyFormat("Sentry DSN", b"sentry", r"https?://([0-9a-f]{32})(?::[0-9a-f]{32})?@[A-Za-z0-9.-]*sentry"),
    KeyFormat("Linear", b"lin_", r"\blin_(?:api|oauth)_[A-Za-z0-9]{30,}"),
    KeyFormat("Notion", b"ntn_", r"\bntn_[A-Za-z0-9]{30,}"),
    KeyFormat("Figma", b"figd_", r"\bfigd_[A-Za-z0-9_-]{30,}"),
    KeyFormat("Postman", b"PMAK-", r"\bPMAK-[a-f0-9]{24}-[a-f0-9]{30,}"),
    KeyFormat("PagerDuty", b"u+", r"\bu\+[A-Za-z0-9_+-]{18}\b"),
    KeyFormat(
        "Teams webhook",
        b"webhook.office.com/",
        r"webhook\.office\.com/webhookb2/[A-Za-z0-9@-]+/IncomingWebhook/([A-Za-z0-9/_-]{20,})",
    ),
    KeyFormat("Zapier webhook", b"hooks.zapier.com/", r"hooks\.zapier\.com/hooks/catch/\d+/([a-z0-9]{6,})"),
    KeyFormat("Discord bot", b".", r"\b[MNO][A-Za-z0-9_-]{23,27}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,}"),
    KeyFormat("Mailgun key of 2024", b"-", r"\b[0-9a-f]{32}-[0-9a-f]{8}-[0-9a-f]{8}\b"),
    KeyFormat("Resend", b"re_", r"\bre_[A-Za-z0-9]{8}_[A-Za-z0-9]{20,}"),
    KeyFormat("MailerSend", b"mlsn.", r"\bmlsn\.[0-9a-f]{40,}"),
    KeyFormat("Klaviyo and ClickUp", b"pk_", r"\bpk_(?:[0-9a-f]{34}\b|\d{6,}_[A-Z0-9]{28,})"),
    KeyFormat(
        "HubSpot, Plaid and LaunchDarkly",
        b"-",
        r"\b(?:pat-[a-z]{2}\d|access-[a-z]+|sdk|api)-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b",
    ),
    KeyFormat("PayPal and Braintree", b"access_token$", r"access_token\$[a-z]+\$[a-z0-9]+\$[0-9a-f]{20,}"),
    KeyFormat(
        "Razorpay, Shippo and Duffel",
        b"_",
        r"\b(?:rzp|shippo|duffel)_(?:live|test)_[A-Za-z0-9_-]{14,}",
    ),
    KeyFormat("Mollie and Lob", b"live_", r"\blive_[A-Za-z0-9]{28,}"),
    KeyFormat("Paddle", b"pdl_", r"\bpdl_[a-z]+_apikey_[A-Za-z0-9_]{30,}"),
    KeyFormat("Flutterwave", b"FLWSECK", r"\bFLWSECK(?:_TEST)?-[0-9A-Za-z]{12,}-X"),
    KeyFormat("Adyen", b"AQE", r"\bAQE[A-Za-z0-9]{3}[A-Za-z0-9+/=.-]{70,}"),
    KeyFormat("EasyPost", b"EZ", r"\bEZ[AT]K[A-Za-z0-9]{50,}"),
    KeyFormat("Airtable", b"pat", r"\bpat[A-Za-z0-9]{14}\.[0-9a-f]{40,}"),
    KeyFormat("Contentful", b"CFPAT-", r"\bCFPAT-[A-Za-z0-9_-]{30,}"),
    KeyFormat(
        "Typeform, Honeycomb, ReadMe, Retool and Zuplo",
        b"_",
        r"\b(?:tfp|hcai[km]|rdme|retool|zpka)_[A-Za-z0-9]{24,}[A-Za-z0-9_]*",
    ),
    KeyFormat("Dropbox", b"sl.", r"\bsl\.(?:u\.)?[A-Za-z0-9_-]{100,}"),
    KeyFormat("Frame.io", b"fio-u-", r"\bfio-u-[A-Za-z0-9_-]{40,}"),
    KeyFormat("MaxMind", b"_mmk", r"\b[A-Za-z0-9]{6}_[A-Za-z0-9]{29}_mmk\b"),
    KeyFormat("Facebook", b"EAA", r"\bEAA[A-Za-z0-9]{80,}"),
    # Formats of no single vendor.
    KeyFormat(
        "JSON web token", b"eyJ", r"\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}(?:\.[A-Za-z0-9_-]*){0,3}"
    ),
    KeyFormat(
        "signature of an address that was signed",
        b"=",
        r"[?&](?:sig|X-Amz-Signature|X-Amz-Security-Token|X-Goog-Signature)=([A-Za-z0-9%+/=_-]{20,})",
    ),
    KeyFormat(
        "hash of a password",
        b"$",
        r"\$(?:2[abxy]\$\d\d\$[./A-Za-z0-9]{50,}|(?:1|5|6|y|apr1)\$[./A-Za-z0-9=,]+\$[./A-Za-z0-9$]{20,})",
    ),
    KeyFormat("age secret key", b"AGE-SECRET-KEY-", r"AGE-SECRET-KEY-[A-Z0-9]{40,}"),
    KeyFormat("Django's generated secret key", b"django-insecure-", r"django-insecure-[^\s\"'`]{20,}"),
    # SEQUENCE { INTEGER 0 or 1, ...: the beginning of a private key in DER, as base64. Certificates
    # begin otherwise.
    KeyFormat("private key in DER", b"M", r"\bMII[A-Za-z0-9+/]{3}IBA[A-Za-z0-9+/=]{30,}"),
    KeyFormat(
        "short private key in DER", b"M", r"\bM(?:HcCAQEE|IGHAgEA|IGkAgEB|IHcAgEB|C4CAQAw)[A-Za-z0-9+/=]{30,}"
    ),
    KeyFormat("private key in PEM, as base64", b"LS0tLS1CRUdJTi", r"LS0tLS1CRUdJTi(?:[A-Za-z0-9+/=_-]{40,})"),
)
_COMPILED: Final = tuple((known.literal, re2.compile(known.pattern.encode())) for known in KEY_FORMATS)

# A password in an address. The authority ends at the first slash, and a password may have been written with
# an unescaped slash or at sign; so the whole run is taken, and what it means is decided piece by piece
# below.
_ADDRESS: Final = re2.compile(rb"[A-Za-z][A-Za-z0-9+.-]+://([^\s\"'`<>|\\]+)")
_REFERENCES: Final = (b"$", b"{", b"<", b"%(")
# What documentation writes in the place of a password.
_STAND_INS: Final = frozenset({b"password", b"passwd", b"pass", b"pw", b"pwd", b"secret", b"token"})


def find_known_formats(data: bytes) -> Iterator[Span]:
    """Every secret of a known format in ``data``, and every password in an address."""
    for literal, pattern in _COMPILED:
        if literal in data:
            for match in pattern.finditer(data):
                yield Span(*match.span(1 if pattern.groups else 0))
    if b"://" in data:
        for match in _ADDRESS.finditer(data):
            yield from _find_password(match.group(1), match.start(1))


def _find_password(rest: bytes, offset: int) -> Iterator[Span]:
    """The password in ``rest``, what follows ``scheme://``; ``offset`` is where that begins."""
    authority_end = min((place for sign in b"/?#" if (place := rest.find(sign)) >= 0), default=len(rest))
    at = rest.rfind(b"@", 0, authority_end)
    if at < 0:
        # An unescaped slash inside the password. A port before a slash, as in host:8080/users/@me,
        # is not a password.
        at = rest.rfind(b"@")
        host, _, port = rest[:authority_end].partition(b":")
        if at < 0 or not port or port.isdigit() or b"." in host:
            return
    user, colon, password = rest[:at].partition(b":")
    if not colon:
        return
    start = offset + len(user) + 1
    stands_in = password.lower() in _STAND_INS or not password.strip(b"*xX.")
    if not stands_in and not password.startswith(_REFERENCES):
        yield Span(start, offset + at)
