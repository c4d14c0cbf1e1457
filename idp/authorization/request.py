"""An authorization request with what was loaded for it, and the decisions a walk can end in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from idp.model import Account, Client, Interaction, Session

#: Longest value of a parameter, in characters; a request is a URL after all.
MAX_VALUE_LENGTH = 2048


@dataclass(slots=True, kw_only=True)
class AuthorizationRequest:
    """Input of the steps above the line, what they find out below it."""

    #: Query or form as sent, each parameter once, empty ones dropped (RFC 6749 §3.1).
    parameters: Mapping[str, str]
    now: datetime
    #: The registered client of ``client_id``, if there is one.
    found_client: Client | None
    #: The live session of this browser and its person.
    session: Session | None = None
    account: Account | None = None
    #: Set when this walk resumes a stored request.
    interaction: Interaction | None = None
    #: ``sub`` that a verified ``id_token_hint`` names; empty when the hint is not ours.
    hinted_subject: str | None = None
    #: ``sub`` of ``account`` at this client.
    subject: str | None = None
    #: Level of the best means of login we offer.
    best_acr: str = "eidas1"

    # -- found out by the steps
    client: Client | None = None
    redirect_uri: str | None = None
    scope: frozenset[str] = frozenset()
    code_challenge: str | None = None
    prompt: frozenset[str] = frozenset()
    #: Why the session, if any, is not enough; empty when it is.
    login_reasons: list[str] = field(default_factory=list)

    def get(self, name: str) -> str | None:
        """A parameter, or None."""
        return self.parameters.get(name)

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


Decision = Login | Grant
