"""An authorization request with what was loaded for it, and the decisions a walk can end in."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple

from idp.authorization_details import Detail, DetailTypes
from idp.model import Account, Client, Consent, Interaction, PushedRequest, Session
from idp.model.quick import quick

#: What the steps and the login pages read of a request; nothing else is stored while its person logs in, so that an unknown
#: parameter costs nothing.
KEPT_PARAMETERS: Final = frozenset(
    {
        *("client_id", "redirect_uri", "response_type", "response_mode", "scope", "state", "nonce", "code_challenge"),
        *("code_challenge_method", "prompt", "max_age", "acr_values", "id_token_hint", "login_hint", "ui_locales"),
        *("claims", "resource", "authorization_details"),
        "dpop_jkt",
    }
)


class ResponseMode(NamedTuple):
    """How an answer travels: as a ``form`` or in the query, and whether ``signed`` (JARM §2.3) or as plain parameters."""

    form: bool
    signed: bool


#: Every ``response_mode`` offered; discovery lists them from here. ``jwt`` stands for the usual one of the code flow (JARM §2.3.4).
RESPONSE_MODES: Final[Mapping[str, ResponseMode]] = {
    "query": ResponseMode(form=False, signed=False),
    "form_post": ResponseMode(form=True, signed=False),
    "jwt": ResponseMode(form=False, signed=True),
    "query.jwt": ResponseMode(form=False, signed=True),
    "form_post.jwt": ResponseMode(form=True, signed=True),
}
#: Longest value of a parameter, in characters; a request is a URL after all.
MAX_VALUE_LENGTH = 2048


class ObjectId(NamedTuple):
    """Identifies one request object until it expires."""

    jti: str
    expires_at: datetime


def _not_ours(token: str) -> None:
    return None


def _public_subject(client: Client, account: Account) -> str:
    return account.id


@dataclass(slots=True, kw_only=True)
class AuthorizationRequest:
    """Input of the steps above the line, what they find out below it."""

    #: Query or form as sent, each parameter once, empty ones dropped (RFC 6749 §3.1); what a request object or a pushed
    #: request holds takes its place (check_request_object).
    parameters: Mapping[str, str]
    now: datetime
    #: Our own identifier, which a request object must name.
    issuer: str
    #: The registered client of ``client_id``, if there is one.
    found_client: Client | None
    #: The live session of this browser and its person.
    session: Session | None = None
    account: Account | None = None
    #: What this person has agreed to give this client, where it registered itself.
    consent: Consent | None = None
    #: Set when this walk resumes a stored request.
    interaction: Interaction | None = None
    #: The pushed request that ``request_uri`` stands for, if it does.
    pushed: PushedRequest | None = None
    #: The request object that was fetched from a registered ``request_uri``.
    fetched_object: str | None = None
    #: Set while a client pushes: nobody is there yet.
    pushing: bool = False
    #: Claims of a token that we signed, None for any other text.
    read_token: Callable[[str], Mapping[str, object] | None] = _not_ours
    #: ``sub`` of a person at a client.
    subject_of: Callable[[Client, Account], str] = _public_subject
    #: Types of authorization details that this provider knows (RFC 9396).
    detail_types: DetailTypes = field(default_factory=DetailTypes)
    #: Level of the best means of login we offer.
    best_acr: str

    #: The parameters as the browser sent them, whatever takes their place.
    sent: Mapping[str, str] = field(default_factory=dict)

    # -- found out by the steps
    client: Client | None = None
    #: Of the request object, which counts once; the endpoint sees to that.
    object_id: ObjectId | None = None
    redirect_uri: str | None = None
    scope: frozenset[str] = frozenset()
    code_challenge: str | None = None
    #: Resource servers that the tokens are asked for (RFC 8707).
    resources: frozenset[str] = frozenset()
    authorization_details: tuple[Detail, ...] = ()
    #: What ``claims`` asks of the ID token and of userinfo: member name to its conditions (OpenID Connect Core §5.5.1).
    id_token_claims: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    userinfo_claims: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    #: The level to tell the client where it is not the session's own: an essential one that the session reaches.
    acr: str | None = None
    prompt: frozenset[str] = frozenset()
    #: Why the session, if any, is not enough; empty when it is.
    login_reasons: list[str] = field(default_factory=list)

    def get(self, name: str) -> str | None:
        """A parameter, or None."""
        return self.parameters.get(name)

    @property
    def pushed_hash(self) -> str | None:
        """The pushed request that this is the walk of, brought now or before the login."""
        if self.pushed is not None:
            return self.pushed.request_hash
        return self.interaction.pushed_hash if self.interaction else None

    @property
    def proved_here(self) -> bool:
        """Whether the person at hand proved who they are in this very interaction.

        The session that this browser shows now must be the one that began then: else someone could log in as themselves,
        keep the older session of the person who sat here before, and pass for a fresh login of theirs.
        """
        proved_at = self.interaction.authenticated_at if self.interaction else None
        return proved_at is not None and self.session is not None and self.session.auth_time >= proved_at

    @property
    def proved_client(self) -> Client:
        """The client, once ``check_client`` has passed."""
        if self.client is None:
            raise AssertionError("check_client comes first")
        return self.client


@dataclass(frozen=True, slots=True)
class Login:
    """The person must prove who they are; the request waits meanwhile."""

    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AskConsent:
    """The person must be shown who asks for what; the request waits meanwhile."""


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A code may be issued."""

    client: Client
    account: Account
    session: Session
    redirect_uri: str
    scope: frozenset[str]
    nonce: str | None
    state: str | None
    code_challenge: str | None
    #: Thumbprint of the key whose proof must come with the code (RFC 9449 §10).
    dpop_jkt: str | None
    resources: frozenset[str]
    id_token_claims: frozenset[str]
    userinfo_claims: frozenset[str]
    authorization_details: tuple[Detail, ...]
    acr: str
    #: The first level of ``acr_values``, as sent.
    acr_requested: str | None


Decision = Login | AskConsent | Grant
