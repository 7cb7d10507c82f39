"""Which files exist to hold secrets, by their names: they are not sent, not shown to models, and not
given to the gates.

One rule for the command line, which leaves such files out before anything is sent, and for the service,
which gets files in other ways too: from a clone, and from callers who make their own requests.
"""

from pathlib import PurePosixPath

# Files that tools write their credentials to, by the names that those tools give them.
_NAMES = frozenset(
    {
        ".dockercfg",
        ".env",
        ".git-credentials",
        ".htpasswd",
        ".netrc",
        ".npmrc",
        ".pgpass",
        ".pypirc",
        "_netrc",
        "client_secret.json",
        "credentials",
        "credentials.json",
        "id_dsa",
        "id_ecdsa",
        "id_ed25519",
        "id_rsa",
        "kubeconfig",
        "secrets.json",
        "secrets.toml",
        "secrets.yaml",
        "secrets.yml",
    }
)
# `.env.production`; Google's keys are saved as `service-account-<project>.json`.
_BEGINNINGS = (".env.", "service-account")
_ENDINGS = (
    ".env",
    ".jks",
    ".kdbx",
    ".key",
    ".keystore",
    ".ovpn",
    ".p12",
    ".pem",
    ".pfx",
    ".ppk",
    ".tfstate",
    ".tfvars",
)
# Folders where tools keep credentials.
_FOLDERS = frozenset({".aws", ".docker", ".gnupg", ".kube", ".ssh"})


def is_secret_file(path: str) -> bool:
    """Whether the file at ``path`` exists to hold secrets, as far as names tell. Case does not matter."""
    lowered = PurePosixPath(path.lower())
    # Without the last part: a plain file named `.docker` is not a folder of credentials.
    if not _FOLDERS.isdisjoint(lowered.parts[:-1]):
        return True
    name = lowered.name
    return name in _NAMES or name.startswith(_BEGINNINGS) or name.endswith(_ENDINGS)
