"""Bearer tokens: how the header is read, and what a caller may do.

Who a token belongs to, ``orchestrator.repos`` knows.
"""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from orchestrator.rest.problems import Problem
from orchestrator.rest.throttles import WrongTokenThrottle

if TYPE_CHECKING:  # views import the classes named in settings, this one among them
    from rest_framework.views import APIView

_CURE = (
    "Send `Authorization: Bearer blk_...`; "
    "an operator makes tokens in the admin or with `manage.py create_token NAME --repo REPO`."
)


class BearerAuthentication(BaseAuthentication, ABC):
    """``Authorization: Bearer <secret>``; a subclass says whose secret it is."""

    @abstractmethod
    def owner(self, secret: str, request: Request) -> tuple[Any, Any] | None:
        """The user and the token behind ``secret``, which came with ``request``; or nothing."""

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        """The caller; nothing where no bearer token was sent; a problem where a wrong one was."""
        scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
        # Another scheme is not an error here: the permission answers that a token is missing.
        if scheme.lower() != "bearer":
            return None
        # Asked before the look-up, so that guessing costs the database nothing. Only failures count.
        throttle = WrongTokenThrottle()
        throttle.refuse_too_many(request)
        found = self.owner(secret.strip(), request)
        if found is None:
            throttle.count(request)
            raise Problem(
                401,
                "auth:unknown-token",
                "The token is unknown or was revoked.",
                cure=_CURE,
                headers={"WWW-Authenticate": "Bearer"},
            )
        return found

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002 - DRF's signature
        """What WWW-Authenticate says."""
        return "Bearer"


class TokenRequired(BasePermission):
    """A token must have been sent."""

    message = "No token was sent."

    def has_permission(self, request: Request, view: "APIView") -> bool:  # noqa: ARG002 - DRF's signature
        """Whether the request carries a token that is known."""
        return request.auth is not None
