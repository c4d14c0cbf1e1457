"""Identifiers of French health: what each is made of, whether its key holds, and how it is shown in a log.

Each class has ``parse(text)``, which raises :class:`IdentifierError` and never echoes the value, and ``mask()``.
``repr`` is masked too, so that a traceback tells nobody's number. ``key_checked`` is false where no published
rule gives the key (ADELI, FINESS with a letter): such a number is accepted by its form alone.

    Rpps · Adeli · RppsRang    a professional, and one of their places of practice
    PsIdNat                    the national identifier of a person: type digit + one of the above, or an employer's number
    Finess · Siren · Siret     an establishment, a legal entity, its site
    IdNatStruct                the national identifier of a structure: type digit + one of the above
    Ins                        a patient: matricule (NIR or NIA) with its key and OID

Sources: ANS, Modèle des objets de santé (identifiers of persons and structures); décret 82-103 (NIR);
CSP art. R.1111-8-1 and following (INS); ISO/IEC 7812-1 annex B (the Luhn key).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Final, Self


class IdentifierError(ValueError):
    """A text is not the identifier it should be. ``kind`` names the identifier, ``problem`` what was expected."""

    def __init__(self, kind: str, problem: str) -> None:
        super().__init__(f"{kind}: {problem}")
        self.kind = kind
        self.problem = problem


def luhn_key(digits: str) -> str:
    """The digit to append to ``digits`` so that :func:`luhn_holds`."""
    return str(-_luhn_sum(digits + "0") % 10)


def luhn_holds(digits: str) -> bool:
    """Whether the last digit is the Luhn key of the others.

    One changed digit is always seen; two neighbours swapped nearly always (not 09 and 90).
    """
    return _luhn_sum(digits) % 10 == 0


def _luhn_sum(digits: str) -> int:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        weighted = int(digit) * (1 + place % 2)
        total += weighted - 9 if weighted > 9 else weighted
    return total


def nir_key(matricule: str) -> str:
    """The two-digit key of a 13-character matricule: 97 minus its remainder by 97, where 2A counts as 19 and 2B as 18."""
    department = {"2A": "19", "2B": "18"}.get(matricule[5:7], matricule[5:7])
    return f"{97 - int(matricule[:5] + department + matricule[7:]) % 97:02d}"


def _compact(text: str) -> str:
    """Without the spaces and dots that people type to read a number, in upper case."""
    return re.sub(r"[\s.\u00a0\u202f]", "", text).upper()


@dataclass(frozen=True, slots=True, repr=False)
class _Identifier:
    """One number. ``value`` has neither space nor dot."""

    value: str
    kind: ClassVar[str] = ""

    def __str__(self) -> str:
        return self.value

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.mask()})"

    @property
    def key_checked(self) -> bool:
        """Whether a key was there to check, and held."""
        return True

    def mask(self) -> str:
        """For a log: the first three and last two characters."""
        return self.value[:3] + "*" * (len(self.value) - 5) + self.value[-2:]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what a person or a file gives; spaces and dots between digits are allowed."""
        value = _compact(text)
        cls._check(value)
        return cls(value)

    @classmethod
    def _check(cls, value: str) -> None:
        raise NotImplementedError

    @classmethod
    def _expect_digits(cls, value: str, length: int) -> None:
        if not (value.isascii() and value.isdigit()):
            found = "another character found" if value else "nothing given"
            raise IdentifierError(cls.kind, f"{length} digits expected, {found}")
        if len(value) != length:
            raise IdentifierError(cls.kind, f"{length} digits expected, {len(value)} given")

    @classmethod
    def _expect_luhn(cls, value: str) -> None:
        if not luhn_holds(value):
            raise IdentifierError(cls.kind, "the key (last digit) does not match the others: one of them is mistyped")


class Rpps(_Identifier):
    """Number of a professional in the répertoire partagé (RPPS): ten digits and a Luhn key, for life."""

    __slots__ = ()
    kind = "RPPS"

    @property
    def national_id(self) -> str:
        """The person's PS_IdNat: type digit 8 and the number."""
        return f"8{self.value}"

    @classmethod
    def _check(cls, value: str) -> None:
        cls._expect_digits(value, 11)
        cls._expect_luhn(value)


class RppsRang(_Identifier):
    """A place of practice: the professional's RPPS, a rank of two digits, and a Luhn key over the whole."""

    __slots__ = ()
    kind = "RPPS-rang"

    @property
    def rpps(self) -> Rpps:
        """The professional who practises there."""
        return Rpps(self.value[:11])

    @property
    def rank(self) -> int:
        """Which of their places, counted by the directory."""
        return int(self.value[11:13])

    @classmethod
    def _check(cls, value: str) -> None:
        cls._expect_digits(value, 14)
        cls._expect_luhn(value)
        if not luhn_holds(value[:11]):
            raise IdentifierError(cls.kind, "its first eleven digits are not an RPPS: their key does not match")


class Adeli(_Identifier):
    """Number of a professional in ADELI, which RPPS replaces: department, then seven digits. No published rule gives a key."""

    __slots__ = ()
    kind = "ADELI"

    @property
    def key_checked(self) -> bool:
        """Never: the rule is not published."""
        return False

    @classmethod
    def _check(cls, value: str) -> None:
        if re.fullmatch(r"2[AB]\d{7}", value, re.ASCII) is None:
            cls._expect_digits(value, 9)


class Finess(_Identifier):
    """Number of an establishment, geographic or legal: nine characters, the last a Luhn key.

    A letter in second place marks Corsica (2A, 2B) or, in the test data of ANS, an establishment that does not exist
    (0B…, 1B…); the key of those follows no published rule and is not checked.
    """

    __slots__ = ()
    kind = "FINESS"

    @property
    def key_checked(self) -> bool:
        """True for nine digits."""
        return self.value.isdigit()

    @property
    def fictitious(self) -> bool:
        """Whether the number can only be one of the test data (a letter that is no department)."""
        return not self.value.isdigit() and self.value[:2] not in {"2A", "2B"}

    def mask(self) -> str:
        """As it is: an establishment is no person."""
        return self.value

    @classmethod
    def _check(cls, value: str) -> None:
        if re.fullmatch(r"\d[A-Z]\d{7}", value, re.ASCII):
            return
        if re.search(r"[A-Z]", value):
            raise IdentifierError(cls.kind, "9 characters expected, with a letter only in second place")
        cls._expect_digits(value, 9)
        cls._expect_luhn(value)


class Siren(_Identifier):
    """Number of a legal entity: nine digits, the last a Luhn key."""

    __slots__ = ()
    kind = "SIREN"

    def mask(self) -> str:
        """As it is: the register of companies is public."""
        return self.value

    @classmethod
    def _check(cls, value: str) -> None:
        cls._expect_digits(value, 9)
        cls._expect_luhn(value)


#: La Poste, whose sites outgrew the Luhn key: the sum of their SIRET's digits is a multiple of five instead.
_LA_POSTE: Final = "356000000"


class Siret(_Identifier):
    """Number of a site of a legal entity: SIREN, four digits of rank, and a Luhn key over the whole."""

    __slots__ = ()
    kind = "SIRET"

    @property
    def siren(self) -> Siren:
        """The legal entity."""
        return Siren(self.value[:9])

    def mask(self) -> str:
        """As it is: the register of companies is public."""
        return self.value

    @classmethod
    def _check(cls, value: str) -> None:
        cls._expect_digits(value, 14)
        if value.startswith(_LA_POSTE) and sum(map(int, value)) % 5 == 0:
            return
        cls._expect_luhn(value)
        if not luhn_holds(value[:9]):
            raise IdentifierError(cls.kind, "its first nine digits are not a SIREN: their key does not match")


class PsIdNatType(StrEnum):
    """Type digit of a person's national identifier (TRE_G08); EDIT marks the test identities that have none."""

    ADELI = "0"
    ADELI_EMPLOYEE = "1"
    FINESS_EMPLOYEE = "3"
    SIREN_EMPLOYEE = "4"
    SIRET_EMPLOYEE = "5"
    RPPS_EMPLOYEE = "6"
    RPPS = "8"
    EDIT = "EDIT"


#: What precedes the stroke in an employee's identifier.
#: Its key is not checked: the test identities of ANS carry structures whose key does not hold.
_EMPLOYERS: Final[Mapping[PsIdNatType, tuple[str, str]]] = {
    PsIdNatType.ADELI_EMPLOYEE: (r"(?:\d{2}|2[AB])\d{9}", "ADELI-rang (11 characters)"),
    PsIdNatType.FINESS_EMPLOYEE: (r"\d[0-9A-Z]\d{7}", "FINESS (9 characters)"),
    PsIdNatType.SIREN_EMPLOYEE: (r"\d{9}", "SIREN (9 digits)"),
    PsIdNatType.SIRET_EMPLOYEE: (r"\d{14}", "SIRET (14 digits)"),
    PsIdNatType.RPPS_EMPLOYEE: (r"\d{14}", "RPPS-rang (14 digits)"),
}


class PsIdNat(_Identifier):
    """National identifier of a professional (PS_IdNat, ``SubjectNameID``, ``preferred_username``).

    A type digit and an identifier: ``899700000005`` (RPPS), ``0012600631`` (ADELI), ``500000000000005/CPAT00045`` (the
    number an employer gave). A bare RPPS of eleven digits, as people type it, gets its type digit.
    """

    __slots__ = ()
    kind = "PS_IdNat"

    @property
    def type(self) -> PsIdNatType:
        """What the identifier is."""
        return PsIdNatType.EDIT if self.value.startswith("ANS") else PsIdNatType(self.value[0])

    @property
    def rpps(self) -> Rpps | None:
        """The RPPS, where it is one."""
        return Rpps(self.value[1:]) if self.type is PsIdNatType.RPPS else None

    @property
    def key_checked(self) -> bool:
        """Only the key of an RPPS is."""
        return self.type is PsIdNatType.RPPS

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a national identifier, or a bare RPPS."""
        value = _compact(text)
        if re.fullmatch(r"\d{11}", value, re.ASCII):
            value = f"8{value}"
        cls._check(value)
        return cls(value)

    @classmethod
    def _check(cls, value: str) -> None:
        if re.fullmatch(r"ANS\d{14}", value, re.ASCII):
            return
        if not value or value[0] not in "0134568":
            raise IdentifierError(cls.kind, "a type digit expected first: 8 (RPPS), 0 (ADELI), or 1, 3, 4, 5, 6 (given by an employer)")
        kind, rest = PsIdNatType(value[0]), value[1:]
        if kind is PsIdNatType.RPPS:
            Rpps._check(rest)
        elif kind is PsIdNatType.ADELI:
            Adeli._check(rest)
        else:
            pattern, employer = _EMPLOYERS[kind]
            if re.fullmatch(rf"{pattern}/[0-9A-Z_-]{{1,40}}", rest, re.ASCII) is None:
                raise IdentifierError(cls.kind, f"after type digit {kind}, {employer}, a stroke and the employer's own number expected")


class IdNatStruct(_Identifier):
    """National identifier of a structure: 0 ADELI cabinet, 1 FINESS, 2 SIREN, 3 SIRET, 4 RPPS-rang, then the number."""

    __slots__ = ()
    kind = "idNatStruct"

    @property
    def structure(self) -> _Identifier:
        """The number itself, as its own type."""
        return _STRUCTURES[self.value[0]](self.value[1:])

    @property
    def key_checked(self) -> bool:
        """As the number it holds."""
        return self.structure.key_checked

    @classmethod
    def _check(cls, value: str) -> None:
        if value[:1] not in _STRUCTURES:
            raise IdentifierError(cls.kind, "a type digit expected first: 0 (ADELI), 1 (FINESS), 2 (SIREN), 3 (SIRET) or 4 (RPPS-rang)")
        _STRUCTURES[value[0]]._check(value[1:])


_STRUCTURES: Final[Mapping[str, type[_Identifier]]] = {"0": Adeli, "1": Finess, "2": Siren, "3": Siret, "4": RppsRang}


class InsOid(StrEnum):
    """Which register a matricule comes from. Nothing invented may carry one of the first two."""

    NIR = "1.2.250.1.213.1.4.8"
    NIA = "1.2.250.1.213.1.4.9"
    NIR_TEST = "1.2.250.1.213.1.4.10"
    NIR_DEMO = "1.2.250.1.213.1.4.11"


#: Sex, year, month (20, 30-42 and 50+ stand for an unknown one), department (2A, 2B: Corsica; 99: abroad), commune, order.
_MATRICULE: Final = re.compile(r"[123478]\d{2}(?:0[1-9]|1[0-2]|20|3\d|4[0-2]|[5-9]\d)(?:\d{2}|2[AB])\d{3}\d{3}", re.ASCII)


@dataclass(frozen=True, slots=True, repr=False)
class Ins:
    """Identity number of a patient: matricule of 13 characters, its two-digit key, and the OID that says which register.

    It is never a ``sub``, a login, a log key or a part of a URL; :meth:`mask` therefore shows nothing of it.
    """

    matricule: str
    key: str
    oid: InsOid

    def __str__(self) -> str:
        return self.matricule + self.key

    def __repr__(self) -> str:
        return f"Ins({self.mask()})"

    def mask(self) -> str:
        """The register's name alone."""
        return f"INS-{self.oid.name}"

    @classmethod
    def parse(cls, text: str, oid: InsOid | str) -> Self:
        """Read 15 characters (spaces allowed) under an OID of :class:`InsOid`."""
        try:
            register = InsOid(oid)
        except ValueError:
            raise IdentifierError("INS", f"unknown OID {oid}; one of {', '.join(InsOid)} expected") from None
        value = _compact(text)
        if len(value) != 15:
            raise IdentifierError("INS", f"15 characters expected (matricule of 13 and key of 2), {len(value)} given")
        matricule, key = value[:13], value[13:]
        if _MATRICULE.fullmatch(matricule) is None:
            raise IdentifierError("INS", "the matricule is not made of sex, year, month, place of birth and order number")
        if key != nir_key(matricule):
            raise IdentifierError("INS", "the key (last two digits) does not match the matricule: a character is mistyped")
        return cls(matricule, key, register)
