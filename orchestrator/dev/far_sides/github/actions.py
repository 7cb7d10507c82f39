"""Secrets and variables of Actions."""

import base64
import binascii
import re
from typing import Final

from nacl.exceptions import CryptoError
from nacl.public import SealedBox

from orchestrator.dev.far_sides.github.description import API, make_instance
from orchestrator.dev.far_sides.github.state import GitHubCall, GitHubRefusal, GitHubState
from orchestrator.dev.far_sides.server import Answer

_SECRET_NAME: Final = re.compile(r"(?!GITHUB_)[A-Za-z_][A-Za-z0-9_]*")


def _give_key(github: GitHubState, call: GitHubCall) -> Answer:
    github.need(call, "secrets")
    key = base64.b64encode(bytes(call.repository.key.public_key)).decode()
    return Answer(200, {"key_id": call.repository.key_id, "key": key})


def _give_secret(github: GitHubState, call: GitHubCall) -> Answer:
    github.need(call, "secrets")
    name = call.variables["secret_name"].upper()
    if name not in call.repository.secrets:
        raise GitHubRefusal(404, "Not Found")
    return Answer(200, make_instance(API["operations"][call.operation]["answers"]["200"], {"name": name}))


def _put_secret(github: GitHubState, call: GitHubCall) -> Answer:
    github.need(call, "secrets")
    name = call.variables["secret_name"]
    # Names that begin with GITHUB_ are its own.
    if not _SECRET_NAME.fullmatch(name):
        raise GitHubRefusal(422, "Secret names can only contain alphanumeric characters.")
    # A value that was sealed for an older key could not be opened.
    if call.asked.body.get("key_id") != call.repository.key_id:
        raise GitHubRefusal(422, "The key_id is not that of the call.repository's public key.")
    try:
        sealed = base64.b64decode(call.asked.body["encrypted_value"], validate=True)
        value = SealedBox(call.repository.key).decrypt(sealed).decode()
    except (binascii.Error, CryptoError, ValueError) as error:
        raise GitHubRefusal(422, "The value was not encrypted with the call.repository's key.") from error
    # GitHub says whether it made or replaced the secret, and never shows it again.
    is_new = name.upper() not in call.repository.secrets
    call.repository.secrets[name.upper()] = value
    return Answer(201, {}) if is_new else Answer(204, None)


def _delete_secret(github: GitHubState, call: GitHubCall) -> Answer:
    github.need(call, "secrets")
    if call.repository.secrets.pop(call.variables["secret_name"].upper(), None) is None:
        raise GitHubRefusal(404, "Not Found")
    return Answer(204, None)


def _create_variable(github: GitHubState, call: GitHubCall) -> Answer:
    github.need(call, "variables")
    name = call.asked.body["name"].upper()
    # Unlike a secret, a variable is made once.
    if name in call.repository.variables:
        raise GitHubRefusal(409, "Already exists - Variable already exists")
    call.repository.variables[name] = call.asked.body["value"]
    return Answer(201, {})


def _give_variable(github: GitHubState, call: GitHubCall) -> Answer:
    github.need(call, "variables")
    name = call.variables["name"].upper()
    if name not in call.repository.variables:
        raise GitHubRefusal(404, "Not Found")
    known = {"name": name, "value": call.repository.variables[name]}
    return Answer(200, make_instance(API["operations"][call.operation]["answers"]["200"], known))


def _change_variable(github: GitHubState, call: GitHubCall) -> Answer:
    github.need(call, "variables")
    name = call.variables["name"].upper()
    if name not in call.repository.variables:
        raise GitHubRefusal(404, "Not Found")
    call.repository.variables[name] = call.asked.body["value"]
    return Answer(204, None)


def _delete_variable(github: GitHubState, call: GitHubCall) -> Answer:
    github.need(call, "variables")
    if call.repository.variables.pop(call.variables["name"].upper(), None) is None:
        raise GitHubRefusal(404, "Not Found")
    return Answer(204, None)


OPERATIONS: Final = {
    "GET /actions/secrets/public-key": _give_key,
    "GET /actions/secrets/{secret_name}": _give_secret,
    "PUT /actions/secrets/{secret_name}": _put_secret,
    "DELETE /actions/secrets/{secret_name}": _delete_secret,
    "POST /actions/variables": _create_variable,
    "GET /actions/variables/{name}": _give_variable,
    "PATCH /actions/variables/{name}": _change_variable,
    "DELETE /actions/variables/{name}": _delete_variable,
}
