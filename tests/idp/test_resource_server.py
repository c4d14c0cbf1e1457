"""Tokens of the provider, checked by the module that knows nothing of it."""

import base64
import hashlib
from datetime import timedelta
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.resource_server import Interface, Needs, Presented, Refused, check, fits_certificate, is_address_of, normalised
from tests.idp.dpop_proofs import ClientKey
from tests.idp.wire import CONNECT, ISSUER, VERIFIER, Wire, client

API = "https://medicaments.example/fhir"
URL = f"{API}/Medication"
SERVED = Interface(issuer=ISSUER, audience=API)


class _Api:
    """An interface for medicines behind the running provider."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        members: dict[str, Any] = {"resources": (API,), "scope": frozenset({"openid", "drugs:read"})}
        wire.call(lambda provider: provider.store.clients.put(client("prescriber", **members)))
        self.keys = jwt.PyJWKSet.from_dict(wire.http.get(f"{CONNECT}/certs").json())

    def token(self, **parameters: Any) -> str:
        tokens = self.wire.tokens("prescriber", resource=API, scope="openid drugs:read", **parameters)
        return str(tokens["access_token"])

    def check(self, token: str, *, needs: Needs = Needs(), interface: Interface = SERVED, scheme: str = "Bearer", **shown: Any) -> Any:  # noqa: B008
        presented = Presented(**{"scheme": scheme, "token": token, "method": "GET", "url": URL, **shown})
        return check(presented, interface, self.keys, needs=needs, now=self.wire.wall())

    def refused(self, token: str, **given: Any) -> Refused:
        with pytest.raises(Refused) as caught:
            self.check(token, **given)
        return caught.value


@pytest.fixture
def api(wire: Wire) -> _Api:
    return _Api(wire)


@pytest.mark.spec("RFC9068-4", "RFC6750-3.1", "RFC9700-4.9.3", "RFC9700-4.10.2")
def test_a_token_for_this_interface_counts_and_no_other(api: _Api) -> None:
    claims = api.check(api.token(), needs=Needs(scope=frozenset({"drugs:read"})))
    assert (claims["client_id"], claims["aud"]) == ("prescriber", API)
    plain = api.wire.tokens("prescriber")
    for other in (plain["access_token"], plain["id_token"], "x", "e30.e30.e30", "x" * 9000):
        refused = api.refused(other)
        assert (refused.status, refused.challenge) == (401, 'Bearer error="invalid_token"')
    assert api.refused(plain["id_token"], interface=Interface(issuer=ISSUER, audience="prescriber")).status == 401
    assert api.refused(api.token(), interface=Interface(issuer="https://other.example", audience=API)).status == 401
    assert api.refused(api.token(), needs=Needs(scope=frozenset({"drugs:write"}))).challenge.endswith('scope="drugs:write"')


@pytest.mark.spec("RFC9068-4", "RFC7519-4.1.4")
def test_a_token_ends_with_its_life_and_a_forged_one_never_began(api: _Api) -> None:
    token = api.token()
    header, payload, signature = token.split(".")
    assert api.refused(f"{header}.{payload}.{signature[:-6]}AAAAAA").status == 401
    none = base64.urlsafe_b64encode(b'{"alg":"none","typ":"at+jwt"}').rstrip(b"=").decode()
    assert api.refused(f"{none}.{payload}.").status == 401
    secret = jwt.encode({"iss": ISSUER, "aud": API, "sub": "x", "exp": 9e9, "client_id": "c"}, "k" * 64, "HS256", {"typ": "at+jwt"})
    assert api.refused(secret).status == 401
    api.wire.wall.advance(131)
    assert "expired" in str(api.refused(token))


@pytest.mark.spec("RFC9470-3")
def test_a_better_or_fresher_login_is_asked_for(api: _Api) -> None:
    token = api.token()
    assert api.check(token, needs=Needs(acr_values=("eidas3", "eidas2"), max_age=timedelta(minutes=1)))["acr"] == "eidas2"
    refused = api.refused(token, needs=Needs(acr_values=("eidas3",), max_age=timedelta(minutes=1)))
    assert refused.challenge == 'Bearer error="insufficient_user_authentication", acr_values="eidas3", max_age="60"'
    api.wire.wall.advance(61)
    assert 'max_age="60"' in api.refused(token, needs=Needs(max_age=timedelta(minutes=1))).challenge


@pytest.mark.spec("RFC8705-3.1", "PSC-8.1")
def test_both_ways_to_write_a_certificate_s_thumbprint_are_understood_and_no_third() -> None:
    certificate = b"a certificate in DER"
    digest = hashlib.sha256(certificate)
    standard = base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode()
    ans = base64.b64encode(digest.hexdigest().encode()).decode()
    assert (len(standard), len(ans)) == (43, 88)
    assert fits_certificate(standard, certificate) and fits_certificate(ans, certificate)
    for wrong in ("", standard[:-1], digest.hexdigest(), f"{standard}=", base64.b64encode(digest.digest()).decode(), "é"):
        assert not fits_certificate(wrong, certificate)
    assert not fits_certificate(standard, b"another")


@pytest.mark.spec("RFC9449-7.1", "RFC9449-4.3", "RFC9700-4.9.3", "RFC9700-4.10.1")
def test_a_token_bound_to_a_key_needs_a_proof_of_it_for_this_very_request(api: _Api) -> None:
    key, thief = ClientKey(), ClientKey()
    code = api.wire.code("prescriber", resource=API, scope="openid drugs:read")
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": "https://service.example/retour", "code_verifier": VERIFIER}
    answer = api.wire.http.post(f"{CONNECT}/token", data=form, auth=("prescriber", "s" * 43), headers={"DPoP": key.proof(api.wire)})
    token, seen = answer.json()["access_token"], set[str]()

    def seen_before(text: str) -> bool:
        known = text in seen
        seen.add(text)
        return known

    def proof(made_with: ClientKey = key, **changed: Any) -> str:
        made = {"url": URL, "method": "GET", "token": token, **changed}
        return made_with.proof(api.wire, **made)

    good = proof()
    shown: dict[str, Any] = {"scheme": "DPoP", "seen_before": seen_before}
    assert api.check(token, proof=good, **shown)["cnf"] == {"jkt": key.jkt}
    assert "used before" in str(api.refused(token, proof=good, **shown))
    assert api.refused(token).challenge.startswith("Bearer error=")
    assert api.refused(token, **shown).challenge.startswith('DPoP algs="ES256 PS256", error="invalid_token"')
    spelt_otherwise = proof(url=URL.replace("https://medicaments", "HTTPS://Medicaments").replace("/fhir", ":443/./fhir") + "?_id=1")
    assert api.check(token, proof=spelt_otherwise, **shown)
    wrong = (proof(thief), proof(method="POST"), proof(url=f"{API}/Patient"), proof(token="other"), proof(iat=1), proof(jti=None))
    assert all(api.refused(token, proof=one, **shown).status == 401 for one in wrong)
    assert "scheme" in str(api.refused(api.token(), proof=good, **shown))


_SEGMENT = st.text(st.sampled_from("aZ0-._~:@!$+=é/?#% "), min_size=1, max_size=6).filter(lambda text: text not in (".", ".."))
_PLAIN = "-._~:@!$+="


@st.composite
def _spelling(draw: st.DrawFn, segments: list[str]) -> str:
    """One of the many ways to write ``https://service.example`` and these segments."""

    def escaped(character: str) -> str:
        if character.isascii() and (character.isalnum() or character in _PLAIN) and (character in ":@!$+=" or draw(st.booleans())):
            return character
        triplets = "".join(f"%{byte:02X}" for byte in character.encode())
        return draw(st.sampled_from([triplets, triplets.lower()]))

    host = "".join(draw(st.sampled_from([letter, letter.upper()])) for letter in "https://service.example")
    path = [draw(st.sampled_from(["", "/.", "/x/..", "/%2e", "/x/%2E."])) + "/" + "".join(map(escaped, part)) for part in segments]
    return host + draw(st.sampled_from(["", ":", ":443"])) + "".join(path) + draw(st.sampled_from(["", "?a=1", "#b", "?a/../b#c"]))


@pytest.mark.spec("RFC9449-4.3")
@given(st.data(), st.lists(_SEGMENT, min_size=1, max_size=3), st.lists(_SEGMENT, min_size=1, max_size=3))
def test_every_spelling_of_an_address_is_the_same_and_of_another_is_not(data: st.DataObject, path: list[str], other: list[str]) -> None:
    one, again = data.draw(_spelling(path)), data.draw(_spelling(path)).partition("#")[0].partition("?")[0]
    assert is_address_of(one, (again,))
    assert is_address_of(data.draw(_spelling(other)), (again,)) == (path == other)


@pytest.mark.spec("RFC9449-4.3")
@pytest.mark.parametrize(
    ("address", "normal"),
    [
        ("https://h", "https://h/"),
        ("HTTP://H:80/", "http://h/"),
        ("http://h:443/", "http://h:443/"),
        ("https://[::1]:9443/a/../../b/.", "https://[::1]:9443/b/"),
        ("https://h/%7ea%2fb/..", "https://h/"),
        *((wrong, None) for wrong in ("", "/a", "ftp://h/", "https:/h/", "https://h/%4", "https://h/%", "https://h/a b", "https://h/a\n")),
        *(
            (wrong, None)
            for wrong in ("https://own@evil/", "https://evil\\@own/", "https://h:x/", "https://é/", " https://h/", "https://h/?a")
        ),
    ],
)
def test_an_address_has_one_normal_form_and_what_is_none_has_none(address: str, normal: str | None) -> None:
    assert normalised(address) == normal
