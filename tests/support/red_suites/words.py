"""Names of a generated suite: drawn from its seed, each given once."""

from __future__ import annotations

import keyword
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from random import Random

__all__ = ["Words"]

_NOUNS: Final = [
    "account",
    "anchor",
    "basket",
    "beacon",
    "bridge",
    "budget",
    "bundle",
    "camera",
    "canvas",
    "carrier",
    "castle",
    "catalog",
    "channel",
    "charter",
    "clinic",
    "cluster",
    "coupon",
    "courier",
    "course",
    "crate",
    "crew",
    "customer",
    "dealer",
    "deposit",
    "desk",
    "device",
    "dossier",
    "drawer",
    "engine",
    "envelope",
    "factory",
    "ferry",
    "festival",
    "folder",
    "forest",
    "freight",
    "gallery",
    "garden",
    "grant",
    "guest",
    "harbor",
    "hotel",
    "invoice",
    "island",
    "kitchen",
    "ladder",
    "lantern",
    "ledger",
    "lesson",
    "letter",
    "library",
    "license",
    "locker",
    "machine",
    "market",
    "meadow",
    "member",
    "meter",
    "mission",
    "mortgage",
    "museum",
    "notice",
    "orchard",
    "order",
    "outlet",
    "package",
    "parcel",
    "patient",
    "payment",
    "permit",
    "pilot",
    "pipeline",
    "planet",
    "policy",
    "portal",
    "printer",
    "profile",
    "project",
    "quarry",
    "quote",
    "railway",
    "recipe",
    "refund",
    "region",
    "rental",
    "reservation",
    "river",
    "rocket",
    "route",
    "sample",
    "scanner",
    "season",
    "sensor",
    "shelf",
    "shipment",
    "signal",
    "station",
    "stock",
    "studio",
    "supplier",
    "survey",
    "tariff",
    "tenant",
    "terminal",
    "ticket",
    "tower",
    "tractor",
    "trailer",
    "tunnel",
    "vehicle",
    "vendor",
    "vessel",
    "village",
    "voucher",
    "wallet",
    "warehouse",
]
_COLUMNS: Final = [
    "active",
    "amount",
    "area",
    "balance",
    "capacity",
    "category",
    "city",
    "code",
    "color",
    "comment",
    "country",
    "currency",
    "depth",
    "discount",
    "duty",
    "email",
    "floor",
    "grade",
    "group_code",
    "height",
    "label",
    "length",
    "level",
    "limit_value",
    "locale",
    "lot",
    "mode",
    "motto",
    "number",
    "origin",
    "owner",
    "phase",
    "phone",
    "pin",
    "place",
    "points",
    "priority",
    "quality",
    "quota",
    "rank",
    "rate",
    "reference",
    "retries",
    "score",
    "sector",
    "serial",
    "shade",
    "shape",
    "side",
    "size",
    "slot",
    "source",
    "stage",
    "state",
    "street",
    "tags",
    "target",
    "tier",
    "timezone",
    "tone",
    "topic",
    "total",
    "unit",
    "volume",
    "weight",
    "width",
    "zone",
]
_SYLLABLES: Final = [
    "ba",
    "bel",
    "cor",
    "dan",
    "el",
    "fin",
    "gor",
    "hal",
    "ik",
    "jo",
    "kal",
    "lum",
    "mor",
    "nev",
    "or",
    "pel",
    "quin",
    "ras",
    "sol",
    "tor",
    "ul",
    "vek",
    "wen",
    "yar",
    "zim",
]


class Words:
    """Gives names, when none is left pairs of them; none twice.

    Half the seeds draw real nouns, half words that no dictionary has: what sorts failures by words
    that it knows must not be the better for it.
    """

    def __init__(self, draw: Random) -> None:
        self.draw = draw
        self._given = {*keyword.kwlist, "app", "tests", "conftest"}
        invented = draw.random() < 0.5
        self._parts = self._invented(120) if invented else _NOUNS
        self._nouns = self._invented(120) if invented else draw.sample(_NOUNS, len(_NOUNS))
        self._columns = draw.sample(_COLUMNS, len(_COLUMNS))

    def noun(self) -> str:
        """Return a name of a thing, lower case: a module, a table, a fixture."""
        return self._next(self._nouns)

    def column(self) -> str:
        """Return a name of a column, lower case."""
        return self._next(self._columns)

    def number(self) -> int:
        """Return a number that a test can store or compare."""
        return self.draw.randint(11, 9999)

    def _next(self, names: list[str]) -> str:
        while True:
            name = names.pop() if names else "".join(self.draw.sample(self._parts, 2))
            if name not in self._given:
                self._given.add(name)
                return name

    def _invented(self, count: int) -> list[str]:
        return [
            "".join(self.draw.choices(_SYLLABLES, k=self.draw.randint(2, 4))) for _ in range(count)
        ]
