"""Against a real SoftHSM2: keys that cannot be taken out, tokens that go away and come back, PINs that are wrong."""

import asyncio
import threading
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from idp.errors import OperationError
from idp.keys.security_module import ModuleAlgorithm, ModuleKey, PublicNumbers, SecurityModule, Token
from tests.idp.keys.softhsm import LABEL, LIBRARY, SoftHsm, softhsm

pytestmark = pytest.mark.service("softhsm2-util")


class Seconds:
    """A clock of seconds that a test moves."""

    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def hsm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SoftHsm:
    return softhsm(tmp_path, monkeypatch)


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def token(hsm: SoftHsm, seconds: Seconds) -> Token:
    return Token(LIBRARY, LABEL, hsm.pin_file, monotonic=seconds)


def _verifies(alg: ModuleAlgorithm, numbers: PublicNumbers, signature: bytes, data: bytes) -> bool:
    first, second = int.from_bytes(numbers.first), int.from_bytes(numbers.second)
    try:
        if alg == "ES256":
            point = ec.EllipticCurvePublicNumbers(first, second, ec.SECP256R1()).public_key()
            r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
            point.verify(encode_dss_signature(r, s), data, ec.ECDSA(hashes.SHA256()))
        else:
            scheme = padding.PSS(padding.MGF1(hashes.SHA256()), 32) if alg == "PS256" else padding.PKCS1v15()
            rsa.RSAPublicNumbers(second, first).public_key().verify(signature, data, scheme, hashes.SHA256())
    except InvalidSignature:
        return False
    return True


@pytest.mark.spec("RFC7518-3.3", "RFC7518-3.4", "RFC7518-3.5")
@pytest.mark.parametrize("alg", ["RS256", "PS256", "ES256"])
def test_another_implementation_verifies_what_the_token_signs(token: Token, alg: ModuleAlgorithm) -> None:
    key, numbers = token.generate(alg)
    signature = token.sign(alg, key, b"signed")
    assert _verifies(alg, numbers, signature, b"signed")
    assert not _verifies(alg, numbers, signature, b"other")
    assert token.object_ids() == {key.object_id}


def test_the_private_half_cannot_be_read(token: Token) -> None:
    from pkcs11 import Attribute, ObjectClass
    from pkcs11.exceptions import PKCS11Error

    key, _ = token.generate("ES256")
    assert token._session is not None
    [private] = list(token._session.get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY, Attribute.ID: key.object_id}))
    assert private[Attribute.NEVER_EXTRACTABLE] and private[Attribute.ALWAYS_SENSITIVE] and private[Attribute.LOCAL]
    for secret in (Attribute.VALUE, Attribute.PRIVATE_EXPONENT):
        with pytest.raises(PKCS11Error):
            private[secret]
    with pytest.raises(PKCS11Error):
        private[Attribute.EXTRACTABLE] = True


def test_a_token_that_was_taken_out_fails_clearly_and_works_when_it_is_back(token: Token, hsm: SoftHsm, seconds: Seconds) -> None:
    key, numbers = token.generate("ES256")
    token.sign("ES256", key, b"before")
    hsm.take_out()
    with pytest.raises(OperationError, match="signing with ES256.*token 'veilleur'") as told:
        token.sign("ES256", key, b"during")
    assert told.value.retry_helps
    with pytest.raises(OperationError, match="a moment ago"):
        token.sign("ES256", key, b"at once")
    hsm.put_back()
    seconds.at += 1
    assert _verifies("ES256", numbers, token.sign("ES256", key, b"after"), b"after")


def test_a_module_that_was_restarted_is_opened_anew_within_the_same_call(token: Token) -> None:
    import pkcs11

    key, numbers = token.generate("ES256")
    token.sign("ES256", key, b"before")
    pkcs11.lib(str(LIBRARY)).reinitialize()
    assert _verifies("ES256", numbers, token.sign("ES256", key, b"after"), b"after")
    pkcs11.lib(str(LIBRARY)).finalize()
    assert _verifies("ES256", numbers, token.sign("ES256", key, b"again"), b"again")
    token.close()
    token.close()
    assert _verifies("ES256", numbers, token.sign("ES256", key, b"later"), b"later")


def test_a_key_that_is_gone_is_named_and_keeps_no_other_from_signing(token: Token) -> None:
    key, numbers = token.generate("ES256")
    with pytest.raises(OperationError, match="not on the token"):
        token.sign("ES256", ModuleKey(b"nobody"), b"x")
    assert _verifies("ES256", numbers, token.sign("ES256", key, b"x"), b"x")
    token.destroy(key)
    token.destroy(key)
    with pytest.raises(OperationError, match="not on the token"):
        token.sign("ES256", key, b"x")
    assert token.object_ids() == frozenset()


def test_a_pin_that_was_refused_is_not_shown_again_until_the_file_changes(hsm: SoftHsm, seconds: Seconds) -> None:
    right = hsm.pin_file.read_text().strip()
    token = Token(LIBRARY, LABEL, hsm.pin_file, monotonic=seconds)
    hsm.write_pin("0000-wrong")
    with pytest.raises(OperationError, match="PinIncorrect") as told:
        token.object_ids()
    assert "0000-wrong" not in str(told.value) and not told.value.retry_helps
    for _ in range(20):
        seconds.at += 2
        with pytest.raises(OperationError, match="was refused: correct the file"):
            token.object_ids()
    seconds.at += 2
    hsm.write_pin(right)
    assert token.object_ids() == frozenset()


def test_a_pin_that_others_can_read_or_that_is_not_there_is_refused(hsm: SoftHsm, seconds: Seconds) -> None:
    token = Token(LIBRARY, LABEL, hsm.pin_file, monotonic=seconds)
    for prepare, expected in (
        (lambda: hsm.pin_file.chmod(0o640), "chmod 600"),
        (lambda: hsm.write_pin(""), "empty"),
        (lambda: hsm.pin_file.unlink(), "FileNotFoundError"),
    ):
        prepare()
        seconds.at += 2
        with pytest.raises(OperationError, match=expected):
            token.object_ids()


def test_a_library_or_a_token_that_is_not_there_is_named(hsm: SoftHsm, tmp_path: Path) -> None:
    with pytest.raises(OperationError, match="nowhere"):
        Token(LIBRARY, "nowhere", hsm.pin_file).object_ids()
    with pytest.raises(OperationError, match=r"missing\.so"):
        Token(tmp_path / "missing.so", LABEL, hsm.pin_file).object_ids()


def test_the_loop_goes_on_while_the_token_signs(token: Token) -> None:
    async def sign_while_the_loop_works() -> bytes:
        module, worked = SecurityModule(token), threading.Event()
        key, _ = await module.run(lambda used: used.generate("ES256"))

        def sign(used: Token) -> bytes:
            assert worked.wait(10), "what the loop does meanwhile would never come"
            return used.sign("ES256", key, b"x")

        signing = asyncio.ensure_future(module.run(sign))
        await asyncio.sleep(0)
        worked.set()
        signature = await signing
        module.close()
        return signature

    assert len(asyncio.run(sign_while_the_loop_works())) == 64
