"""Texts that look real to a reader, by what the column is called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

__all__ = ["by_name", "is_email", "is_url", "letters", "phrase", "pick"]


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


ADJECTIVES: Final = _words(
    """
    amber brave bright calm clear cold cosy early fresh gentle golden grand green happy keen late
    light lively lucky mellow modern narrow neat noble open plain proud quick quiet rapid red
    round sharp silent small smooth soft steady sunny swift tall tidy warm wide wild wise young
    """
)
NOUNS: Final = _words(
    """
    anchor apple arrow basket beacon bridge canyon castle cedar cloud comet coral desert engine
    falcon feather forest garden harbor island jacket kettle ladder lantern market meadow mirror
    mountain needle ocean orchard paper pebble pencil planet river rocket saddle shadow signal
    spring stone summit temple thunder timber tunnel valley violin window winter
    """
)
FIRST_NAMES: Final = _words(
    """
    Ada Amir Anna Ben Clara Daniel Elif Emma Felix Grace Hana Ivan Jonas Julia Kofi Lena Lucas
    Maria Mei Nadia Noah Olga Omar Paul Priya Rosa Samuel Sofia Tariq Yuki
    """
)
LAST_NAMES: Final = _words(
    """
    Adams Becker Chen Costa Dubois Evans Fischer Garcia Haddad Ito Jensen Kaya Kim Larsen Lopez
    Mensah Moreau Nowak Okafor Patel Reed Rossi Sato Silva Smith Tanaka Weber Wilson Young Zhang
    """
)
CITIES: Final = _words(
    """
    Accra Athens Berlin Boston Cairo Dublin Geneva Hanoi Helsinki Istanbul Kyoto Lagos Lima Lisbon
    London Madrid Milan Montreal Mumbai Nairobi Oslo Paris Porto Prague Quito Seoul Tokyo Vienna
    """
)
COUNTRIES: Final = _words(
    """
    Austria Brazil Canada Denmark Egypt France Germany Ghana Greece India Ireland Italy Japan
    Kenya Mexico Norway Peru Poland Portugal Spain Sweden Vietnam
    """
)
COUNTRY_CODES: Final = _words(
    """
    AT BR CA DE DK EG ES FR GB GH GR IE IN IT JP KE MX NO PL PT SE US VN
    """
)
CURRENCIES: Final = _words(
    """
    AUD BRL CAD CHF DKK EUR GBP INR JPY KES MXN NOK PLN SEK USD
    """
)
LANGUAGES: Final = _words(
    """
    da de en es fr it ja nl no pl pt sv tr vi
    """
)
LOCALES: Final = _words(
    """
    da_DK de_DE en_GB en_US es_ES fr_FR it_IT ja_JP pl_PL pt_BR sv_SE
    """
)
TIME_ZONES: Final = _words(
    """
    America/Lima Asia/Tokyo Europe/Berlin Europe/London Europe/Paris UTC
    """
)
MIME_TYPES: Final = _words(
    """
    application/json application/pdf image/png text/csv text/html text/plain
    """
)


def pick(random: Random, words: Sequence[str]) -> str:
    """Return one of the words."""
    return words[int(random.random() * len(words))]  # three times as fast as choice


def phrase(random: Random) -> str:
    """Return two words."""
    return f"{pick(random, ADJECTIVES)} {pick(random, NOUNS)}"


def letters(random: Random, size: int) -> str:
    """Return so many small letters."""
    return "".join(pick(random, "abcdefghijklmnopqrstuvwxyz") for _ in range(size))


def _number(random: Random, low: int, high: int) -> int:
    return low + int(random.random() * (high - low))


def _sentence(random: Random) -> str:
    return f"The {phrase(random)} is near the {phrase(random)}."


def _slug(random: Random) -> str:
    return f"{pick(random, ADJECTIVES)}-{pick(random, NOUNS)}"


def _email(random: Random) -> str:
    return f"{pick(random, FIRST_NAMES)}.{pick(random, LAST_NAMES)}@example.com".lower()


def _url(random: Random) -> str:
    return f"https://example.com/{_slug(random)}"


def _person(random: Random) -> str:
    return f"{pick(random, FIRST_NAMES)} {pick(random, LAST_NAMES)}"


def _one_of(words: Sequence[str]) -> Callable[[Random], str]:
    return lambda random: pick(random, words)


def _hexadecimal(size: int) -> Callable[[Random], str]:
    return lambda random: f"{random.getrandbits(4 * size):0{size}x}"


_MAKERS: Final[dict[str, Callable[[Random], str]]] = {
    "email mail email_address mail_address": _email,
    "url uri website homepage link href": _url,
    "phone telephone mobile phone_number": lambda random: f"+1555{_number(random, 0, 10**7):07d}",
    "first_name given_name firstname forename": _one_of(FIRST_NAMES),
    "last_name family_name lastname surname": _one_of(LAST_NAMES),
    "full_name display_name author": _person,
    "username user_name login nickname": (
        lambda random: f"{pick(random, FIRST_NAMES).lower()}{_number(random, 1, 1000)}"
    ),
    "name title label subject": lambda random: phrase(random).capitalize(),
    "slug": _slug,
    "city town": _one_of(CITIES),
    "country": _one_of(COUNTRIES),
    "country_code": _one_of(COUNTRY_CODES),
    "currency currency_code": _one_of(CURRENCIES),
    "language lang language_code": _one_of(LANGUAGES),
    "locale": _one_of(LOCALES),
    "timezone time_zone tz": _one_of(TIME_ZONES),
    "street address": (
        lambda random: f"{_number(random, 1, 200)} {pick(random, NOUNS).capitalize()} Street"
    ),
    "zip zip_code zipcode postcode postal_code": lambda random: str(_number(random, 10000, 99999)),
    "description body text content summary comment comments note notes bio message": _sentence,
    "uuid guid": lambda random: str(UUID(int=random.getrandbits(128), version=4)),
    "color colour": lambda random: f"#{random.getrandbits(24):06x}",
    "host hostname domain": lambda random: f"{_slug(random)}.example.com",
    "mac mac_address": lambda random: random.randbytes(6).hex(":"),
    "ip ip_address": lambda random: f"192.0.2.{_number(random, 1, 255)}",
    "path filename file_name": lambda random: f"{_slug(random)}.txt",
    "mime_type content_type media_type": _one_of(MIME_TYPES),
    "version": lambda random: f"{_number(random, 1, 9)}.{_number(random, 0, 30)}.0",
    "hash checksum digest sha256 token": _hexadecimal(64),
    "md5": _hexadecimal(32),
    "code sku": lambda random: f"{letters(random, 2).upper()}{_number(random, 10, 100)}",
}
_BY_NAME: Final = {name: make for names, make in _MAKERS.items() for name in names.split()}


def by_name(name: str) -> Callable[[Random], str]:
    """Return what makes texts for a column of that name: two words where it says nothing.

    ``billing_country_code`` is known by its last words.
    """
    words = name.lower().split("_")
    for start in range(len(words)):
        if make := _BY_NAME.get("_".join(words[start:])):
            return make
    return phrase


def is_email(name: str) -> bool:
    """Say whether a column of that name has addresses of mail."""
    return by_name(name) is _email


def is_url(name: str) -> bool:
    """Say whether a column of that name has addresses of pages."""
    return by_name(name) is _url
