"""The code flow of OpenID Connect: django-allauth walks it, and this module adds what it leaves open.

1. The person presses a button (a POST with the form's token). State, nonce and PKCE verifier are made and
   kept in the session; the browser goes to the provider.
2. The provider sends it back with a code. The state is used up first, so a second call with it is refused,
   also where this one fails.
3. The code is exchanged with the PKCE verifier. The ID token is checked against the provider's keys, although
   it came over TLS: issuer, audience, times, algorithm. Its nonce must be the one of the session.
4. What the user information adds counts only where it is about the same subject.
5. The e-mail address must be verified and of one of our domains. An account is known by issuer and subject.
   At the first sign-in it is tied to the one account that has the address already; superusers are left out,
   because somebody who may set addresses at the provider could become one of them.
6. Roles follow the groups, each time.
"""

import secrets
from collections.abc import Mapping
from functools import cache
from typing import Any, Final, NoReturn
from urllib.parse import urlsplit

import jwt
import requests
from allauth.account.adapter import DefaultAccountAdapter
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialApp, SocialLogin, SocialToken
from allauth.socialaccount.providers.base import AuthError, AuthProcess
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from orchestrator.core import audit
from orchestrator.web.sign_in import group_roles
from orchestrator.web.sign_in.errors import SignInProviderAway, SignInRefused

CALLBACK: Final = "openid-callback"
_REASON: Final = "what the OpenID provider says at the sign-in"
# Never one with a shared secret: the public key would do as the secret.
_ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "ES512", "EdDSA")
_LEEWAY_SECONDS: Final = 30
_ENDPOINTS: Final = ("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri")
_KEPT_CLAIMS: Final = ("sub", "email", "email_verified", "name", "given_name", "family_name", "nonce")


def is_configured() -> bool:
    """Whether people can sign in by an OpenID provider."""
    return bool(settings.OIDC_ISSUER)


def begin(request: HttpRequest, next_page: str) -> str:
    """The address at the provider to which the browser goes; raises ``SignInProviderAway``.

    ``next_page`` is where the person goes afterwards, a page of this service.
    """
    provider = CompanyAccounts(request).get_provider(request, settings.OIDC_ISSUER)
    nonce = secrets.token_urlsafe(24)
    answer = provider.redirect(
        request,
        process=AuthProcess.LOGIN,
        next_url=next_page,
        auth_params={"nonce": nonce},
        # Anything else that is named goes into the state, which stays in the session.
        nonce=nonce,
    )
    return str(answer.url)


def finish(request: HttpRequest) -> HttpResponse:
    """Sign in whom the provider has sent back; raises ``SignInRefused`` and ``SignInProviderAway``."""
    view = OAuth2CallbackView.adapter_view(CodeFlow(request, settings.OIDC_ISSUER))
    answer: HttpResponse = view(request)
    return answer


class CodeFlow(OpenIDConnectOAuth2Adapter):  # type: ignore[misc]
    """allauth's code flow with an ID token that is checked."""

    # Also where the provider is the one that OIDC_ISSUER names is asked of itself: a document of another
    # issuer would send secrets elsewhere.
    @property
    def openid_config(self) -> dict[str, Any]:
        """The provider's description of itself, fetched once for a request."""
        if not hasattr(self, "_openid_config"):
            try:
                described = super().openid_config
            except requests.RequestException as error:
                raise SignInProviderAway from error
            issuer = described.get("issuer") if isinstance(described, dict) else None
            if not isinstance(issuer, str) or issuer.rstrip("/") != settings.OIDC_ISSUER:
                raise SignInProviderAway("The sign-in service names another issuer than itself.")
            if not all(_is_safe_address(described.get(name)) for name in _ENDPOINTS):
                raise SignInProviderAway("The sign-in service names no safe address for one of its parts.")
        return dict(self._openid_config)

    def get_callback_url(self, request: HttpRequest, *_: Any) -> str:
        """Where the provider sends the browser back to."""
        return request.build_absolute_uri(reverse(CALLBACK))

    def complete_login(
        self, request: HttpRequest, app: SocialApp, token: SocialToken, **kwargs: Any
    ) -> SocialLogin:
        """What the provider says of the person."""
        signed = self._read_id_token(app, kwargs["response"].get("id_token"))
        told = self._fetch_user_info(token.token)
        if not isinstance(told, dict) or told.get("sub") != signed["sub"]:
            _refuse("it is about two different people")
        claims = {**told, **signed}
        kept = {name: claims[name] for name in (*_KEPT_CLAIMS, settings.OIDC_GROUPS_CLAIM) if name in claims}
        return self.get_provider().sociallogin_from_response(request, {"id_token": kept})

    def _read_id_token(self, app: SocialApp, id_token: Any) -> dict[str, Any]:
        described = self.openid_config
        if not isinstance(id_token, str):
            _refuse("it has no ID token")
        try:
            key = _find_key(described["jwks_uri"], id_token)
            claims: dict[str, Any] = jwt.decode(
                id_token,
                key,
                algorithms=[name for name in _ALGORITHMS if name == key.algorithm_name],
                audience=app.client_id,
                issuer=described["issuer"],
                leeway=_LEEWAY_SECONDS,
                options={"require": ["iss", "sub", "aud", "iat", "exp", "nonce"]},
            )
        except jwt.PyJWKClientConnectionError as error:
            raise SignInProviderAway("The keys of the sign-in service cannot be fetched.") from error
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            _refuse(
                f"the ID token of the sign-in service does not hold ({type(error).__name__})", error=error
            )
        if claims.get("azp", app.client_id) != app.client_id:
            _refuse("its ID token was made for another service")
        return claims


class CompanyProvider(OpenIDConnectProvider):  # type: ignore[misc]
    """The provider of the settings."""

    oauth2_adapter_class = CodeFlow


class CompanyAccounts(DefaultSocialAccountAdapter):  # type: ignore[misc]
    """Who may sign in, and which account it is."""

    def list_apps(self, *_: Any, provider: str | None = None, **__: Any) -> list[SocialApp]:
        """The one provider of the settings; none comes from the database."""
        if not is_configured() or provider not in (None, settings.OIDC_ISSUER):
            return []
        app = SocialApp(
            provider="openid_connect",
            # An account is known by this and its subject: another issuer's subjects are other people.
            provider_id=settings.OIDC_ISSUER,
            name=settings.OIDC_NAME[:40],
            client_id=settings.OIDC_CLIENT_ID,
            secret=settings.OIDC_CLIENT_SECRET,
            settings={
                "server_url": settings.OIDC_ISSUER,
                "oauth_pkce_enabled": True,
                "scope": list(settings.OIDC_SCOPES),
            },
        )
        return [app]

    def get_provider(self, request: HttpRequest, provider: str, **_: Any) -> CompanyProvider:
        """The one provider; raises ``SocialApp.DoesNotExist`` for every other one."""
        apps = self.list_apps(provider=provider)
        if not apps:
            raise SocialApp.DoesNotExist
        return CompanyProvider(request, app=apps[0])

    def on_authentication_error(
        self, *_: Any, error: Any = None, exception: Exception | None = None, **__: Any
    ) -> NoReturn:
        """Say why, in place of allauth's own page."""
        if error == AuthError.CANCELLED:
            raise SignInRefused("You have not signed in.", cure="Sign in again, and agree.")
        if isinstance(exception, requests.RequestException):
            raise SignInProviderAway from exception
        raise SignInRefused(
            "This sign-in is not the one that was begun here, is used up, or has taken more than ten minutes."
        ) from exception

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Refuse who may not, tie an account to its person, and let the roles follow the groups."""
        claims = sociallogin.account.extra_data["id_token"]
        expected = sociallogin.state.get("nonce")
        if not expected or not secrets.compare_digest(str(claims["nonce"]), expected):
            _refuse("it is for another sign-in")
        email = _read_email(claims)
        if not sociallogin.is_existing:
            self._tie_known_account(request, sociallogin, email)
        if not sociallogin.is_existing:
            sociallogin.user.username = sociallogin.user.email = email
            return
        user = User.objects.get(pk=sociallogin.user.pk)
        if not user.is_active:
            _refuse("this account is switched off", "Ask an SRE to switch it on again.")
        with audit.act_as(user.get_username(), _REASON):
            _follow_address(user, email)
            group_roles.follow_groups(user, group_roles.read_groups(claims))
        sociallogin.user = user

    def save_user(self, request: HttpRequest, sociallogin: SocialLogin, form: Any = None) -> User:
        """Make the account at somebody's first sign-in."""
        claims = sociallogin.account.extra_data["id_token"]
        try:
            with audit.act_as(_read_email(claims), _REASON):
                user: User = super().save_user(request, sociallogin, form)
                group_roles.follow_groups(user, group_roles.read_groups(claims))
        except IntegrityError as error:
            # Two first sign-ins at the same moment: the other one has made the account.
            raise SignInRefused("You sign in twice at the same moment.") from error
        return user

    def _tie_known_account(self, request: HttpRequest, sociallogin: SocialLogin, email: str) -> None:
        known = list(User.objects.filter(email__iexact=email)[:2])
        if not known:
            return
        if len(known) > 1:
            _refuse(f"several accounts have the address {email}", "Ask an SRE to correct the accounts.")
        if known[0].is_superuser:
            _refuse("the account of this address is an administrator's", "Sign in with its password.")
        try:
            with audit.act_as(email, _REASON):
                sociallogin.connect(request, known[0])
        except IntegrityError as error:
            raise SignInRefused("You sign in twice at the same moment.") from error


class QuietAccounts(DefaultAccountAdapter):  # type: ignore[misc]
    """allauth's accounts without its pages and messages."""

    def is_open_for_signup(self, *_: Any) -> bool:
        """Whom the provider vouches for gets an account; there is no form for one."""
        return is_configured()

    def add_message(self, *_args: Any, **_named: Any) -> None:
        """Say nothing: the page that comes next shows who is signed in."""

    def send_notification_mail(self, *_args: Any, **_named: Any) -> None:
        """Send nothing."""


def _read_email(claims: Mapping[str, Any]) -> str:
    """The address, in lower case; refused unless it is verified and of one of our domains."""
    email = claims.get("email")
    # Some providers send the flag as a text.
    if not isinstance(email, str) or claims.get("email_verified") not in (True, "true"):
        _refuse("your e-mail address is not verified there", "Let your directory verify the address.")
    _, _, domain = email.lower().rpartition("@")
    if domain not in settings.OIDC_EMAIL_DOMAINS:
        _refuse(
            f"addresses of {domain[:100]} may not sign in here", "Sign in with the account of your company."
        )
    return email.lower()


def _follow_address(user: User, email: str) -> None:
    """Keep the address that the provider has now: requests are shown to whom their address names."""
    if user.email == email:
        return
    if User.objects.filter(email__iexact=email).exclude(pk=user.pk).exists():
        _refuse(f"another account has the address {email}", "Ask an SRE to correct the accounts.")
    user.email = email
    user.save(update_fields=["email"])


def _is_safe_address(address: Any) -> bool:
    """Whether it is https, or http where the issuer is on this machine."""
    if not isinstance(address, str):
        return False
    return urlsplit(address).scheme in ("https", urlsplit(settings.OIDC_ISSUER).scheme)


def _find_key(address: str, id_token: str) -> jwt.PyJWK:
    """The key that the token names; it may name none where there is one only (OpenID Connect Core, 10.1)."""
    keys = _keys_at(address)
    if jwt.get_unverified_header(id_token).get("kid") is None:
        listed = keys.get_signing_keys()
        if len(listed) == 1:
            return listed[0]
    return keys.get_signing_key_from_jwt(id_token)


@cache
def _keys_at(address: str) -> jwt.PyJWKClient:
    """The provider's public keys. The client keeps them for five minutes; an unknown one is asked for."""
    return jwt.PyJWKClient(address, timeout=5)


def _refuse(why: str, cure: str | None = None, error: Exception | None = None) -> NoReturn:
    raise SignInRefused(f"The answer of the sign-in service is refused: {why}.", cure=cure) from error
