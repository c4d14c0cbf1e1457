"""What a request to the provider holds besides tokens: forms, queries, headers, parameters that are documents of their own."""

from datetime import UTC, datetime
from functools import cache
from typing import Final

import orjson
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from starlette.requests import Request

from idp.authentication.enrolment import activation_code_hash, device_name, device_public_jwk
from idp.authentication.limits import normalised_national_id
from idp.authentication.pin import is_pin, is_right_pin
from idp.authentication.places import Places
from idp.authentication.refusal import AuthenticationRefused
from idp.authentication.user_code import hash_user_code
from idp.authorization.check_claims import check_claims
from idp.authorization.request import AuthorizationRequest
from idp.authorization_details import DetailType, DetailTypes, narrowed
from idp.client_auth import client_secret_basic, client_secret_post
from idp.endpoints.pages import preferences
from idp.errors import InvalidClient, OAuthError
from idp.explanation.facts import authorization_facts, back_channel_facts, logout_facts, named_client
from idp.http import ForwardedCertificates, Sources, counted_network, parse_parameters
from idp.model import Client
from idp.pkce import check_challenge
from idp.sessions import user_agent
from idp.tokens.certificate import NAME_MEMBERS, has_name, is_name, read_certificate
from idp.tokens.resources import asked_resources
from tests.fuzz.provider_tokens import ISSUER, KEY, PUBLIC
from tests.fuzz.target import Shape, Target, document, text, words
from vocabulary.identifiers import Adeli, Finess, IdentifierError, IdNatStruct, Ins, InsOid, PsIdNat, Rpps, RppsRang, Siren, Siret

_SOURCES: Final = Sources(["10.0.0.0/8", "fd00::/8"])
_CERTIFICATES: Final = ForwardedCertificates(_SOURCES, "X-SSL-Cert", "X-SSL-Verify")
_PLACES: Final = Places()
_PEPPER: Final = b"p" * 32
_DETAILS: Final = DetailTypes(
    [
        DetailType(
            "prescription",
            {
                "type": "object",
                "properties": {"type": {"const": "prescription"}, "drugs": {"type": "array", "items": {"type": "string"}, "maxItems": 5}},
                "required": ["type", "drugs"],
                "additionalProperties": False,
            },
            {"fr": "prescrire {drugs}", "en": "prescribe {drugs}"},
        )
    ]
)
_CLIENT: Final = Client(client_id="c", client_name="C", resources=("https://api.example",), authorization_details_types=("prescription",))


def _request(*headers: tuple[str, bytes], query: bytes = b"") -> Request:
    named = [(name.lower().encode(), value) for name, value in headers]
    return Request({"type": "http", "method": "GET", "path": "/", "query_string": query, "headers": named, "client": ("10.0.0.1", 1)})


def _form(data: bytes) -> object:
    """A form or a query, and what is read of it before anybody has proved anything."""
    form = parse_parameters(data)
    client_secret_post.present("", form)
    return named_client(form, ""), authorization_facts(form), back_channel_facts(form, "", None, proof=False), logout_facts(form)


def _basic(data: bytes) -> object:
    header = text(data)
    named_client({}, header)
    return client_secret_basic.present(header, {})


def _forwarded_for(data: bytes) -> object:
    found = _SOURCES(_request(("X-Forwarded-For", data)))
    return counted_network(found), _PLACES(found), counted_network(text(data))


def _certificate(data: bytes) -> object:
    forwarded = _CERTIFICATES(_request(("X-SSL-Cert", data), ("X-SSL-Verify", b"SUCCESS")))
    if forwarded is None:
        return None
    try:
        read = read_certificate(forwarded.value, verified=forwarded.verified)
    except ValueError as error:
        raise InvalidClient("as the endpoint says it") from error
    names = [has_name(read, member, "CN=client" if member.endswith("_dn") else "client.example") for member in NAME_MEMBERS]
    return names, read.fits("t"), read.current(_AT), back_channel_facts({}, "", read, proof=True)


_AT: Final = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)


@cache
def _made_certificate(subject: str) -> x509.Certificate:
    name = x509.Name.from_rfc4514_string(subject)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(KEY.public_key()).serial_number(1)
    builder = builder.not_valid_before(datetime(2026, 1, 1, tzinfo=UTC)).not_valid_after(datetime(2027, 1, 1, tzinfo=UTC))
    names = x509.SubjectAlternativeName([x509.DNSName("client.example"), x509.UniformResourceIdentifier("urn:a")])
    return builder.add_extension(names, critical=False).sign(KEY, hashes.SHA256())


def _certificate_seeds() -> tuple[bytes, ...]:
    import base64
    from urllib.parse import quote

    made = _made_certificate("CN=client,OU=318751275100020")
    return (
        quote(made.public_bytes(Encoding.PEM).decode()).encode(),
        b":" + base64.b64encode(made.public_bytes(Encoding.DER)) + b":",
        b"::",
        b":AA:",
        b"-----BEGIN CERTIFICATE-----%0AAAAA%0A-----END CERTIFICATE-----",
    )


def _claims(data: bytes) -> object:
    request = AuthorizationRequest(parameters={"claims": words(data)}, issuer=ISSUER, now=_AT, found_client=_CLIENT, best_acr="eidas2")
    check_claims(request)
    return request.id_token_claims


def _authorization_details(data: bytes) -> object:
    asked = words(data)
    found = _DETAILS.check(asked, ["prescription"])
    return narrowed(found, asked), _DETAILS.read_out(found, "fr")


def _languages(data: bytes) -> object:
    return preferences(_request(("Accept-Language", data), ("Cookie", b"veilleur_lang=" + data), query=b"lang=" + data), words(data))


def _typed(data: bytes) -> object:
    """What a person types, or a phone sends: identifiers, codes, PIN, the name of a phone."""
    typed = words(data)
    found: list[object] = [normalised_national_id(typed), activation_code_hash(typed), hash_user_code(_PEPPER, typed), is_pin(typed)]
    found.append(is_right_pin(_PEPPER, "d", typed, "m"))
    for parse in (Rpps.parse, RppsRang.parse, Adeli.parse, PsIdNat.parse, Finess.parse, Siren.parse, Siret.parse, IdNatStruct.parse):
        try:
            found.append(parse(typed).mask())
        except IdentifierError:
            continue
    for name in NAME_MEMBERS:
        found.append(is_name(name, typed))
    for oid in InsOid:
        try:
            found.append(Ins.parse(typed, oid).mask())
        except IdentifierError:
            continue
    return found, device_name(typed)


def _enrolment_key(data: bytes) -> object:
    try:
        return device_public_jwk(orjson.loads(data))
    except orjson.JSONDecodeError:
        return None


def _parameters(data: bytes) -> object:
    """Single parameters whose form is checked wherever they come from."""
    value = words(data)
    check_challenge(value, "S256", required=False)
    return asked_resources(_CLIENT, value, issuer=ISSUER)


TARGETS: Final = (
    Target(
        name="form",
        parse=_form,
        refusals=(OAuthError,),
        shape=Shape.FORM,
        reads=("idp/http.py", "idp/client_auth/client_secret_post.py", "idp/explanation/facts.py"),
        seeds=(
            b"grant_type=authorization_code&code=abc&redirect_uri=https%3A%2F%2Fservice.example%2F&client_id=c&client_secret=s",
            b"client_id=c&response_type=code&scope=openid+profile&resource=https%3A%2F%2Fa.example&resource=https%3A%2F%2Fb.example",
            b"client_assertion=e30.e30.AA&client_assertion_type=x&id_token_hint=e30.e30.AA&request=e30.e30.AA",
        ),
    ),
    Target(
        name="basic-credentials",
        parse=_basic,
        refusals=(OAuthError,),
        reads=("idp/client_auth/client_secret_basic.py", "idp/explanation/facts.py"),
        seeds=(b"Basic YzpzZWNyZXQ=", b"basic Yy0xOmElM0Ff", b"Basic /w==", b"Basic YQ"),
    ),
    Target(
        name="forwarded-for",
        parse=_forwarded_for,
        reads=("idp/http.py", "idp/authentication/places.py"),
        seeds=(b"192.0.2.1, 10.0.0.2", b"2001:db8::1%eth0", b"::ffff:192.0.2.1", b"unknown, _hidden, 10.0.0.3", b"fe80::1%25"),
    ),
    Target(
        name="client-certificate",
        parse=_certificate,
        refusals=(InvalidClient,),
        reads=("idp/http.py", "idp/tokens/certificate.py", "idp/endpoints/sender.py"),
        seeds=_certificate_seeds(),
    ),
    Target(
        name="claims-parameter",
        parse=_claims,
        refusals=(OAuthError,),
        shape=Shape.JSON,
        reads=("idp/authorization/check_claims.py",),
        seeds=document(
            {"id_token": {"acr": {"essential": True, "values": ["eidas2"]}, "sub": {"value": "s"}}, "userinfo": {"name": None}},
            {"userinfo": {"given_name": {"essential": False, "value": 1}}},
        ),
    ),
    Target(
        name="authorization-details",
        parse=_authorization_details,
        refusals=(OAuthError,),
        shape=Shape.JSON,
        reads=("idp/authorization_details.py",),
        seeds=document([{"type": "prescription", "drugs": ["paracétamol", "{0}"]}], [{"type": "other"}]),
    ),
    Target(
        name="languages",
        parse=_languages,
        reads=("idp/endpoints/pages.py",),
        seeds=(b"fr-FR,fr;q=0.9,en;q=0.8", b"en;q=1.000, *;q=0", b"fr;q=1e3", b"en_GB fr"),
    ),
    Target(
        name="user-agent",
        parse=lambda data: user_agent(_request(("User-Agent", data))),
        reads=("idp/sessions.py",),
        seeds=(b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", b"\xff\xfe"),
    ),
    Target(
        name="typed",
        parse=_typed,
        refusals=(AuthenticationRefused,),
        reads=(
            "vocabulary/identifiers.py",
            "idp/authentication/enrolment.py",
            "idp/authentication/pin.py",
            "idp/authentication/user_code.py",
        ),
        seeds=(b"899700000005", b"99700000005", b"0B0000005", b"2 69 05 49 588 157 80", b"7K3D-9QXA-0000-1111", b"BCDF-GHJK", b"1234"),
    ),
    Target(
        name="phone-key",
        parse=_enrolment_key,
        refusals=(AuthenticationRefused,),
        shape=Shape.JSON,
        reads=("idp/authentication/enrolment.py",),
        seeds=document(PUBLIC, {**PUBLIC, "y": PUBLIC["x"]}, {**PUBLIC, "d": PUBLIC["x"]}),
    ),
    Target(
        name="parameters",
        parse=_parameters,
        refusals=(OAuthError,),
        reads=("idp/tokens/resources.py", "idp/pkce.py"),
        seeds=(b"https://api.example", b"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", b"https://api.example https://other.example"),
    ),
)
