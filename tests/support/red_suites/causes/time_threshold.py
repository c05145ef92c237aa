"""Tests compare a measured time with a limit that this machine does not keep."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.red_suites.planted import Form, Planted, fill

if TYPE_CHECKING:
    from tests.support.red_suites.words import Words

__all__ = ["plant"]

_MODULE = """
    RECORDED = {"read": $read, "write": $write, "scan": $scan}


    def seconds_of(what):
        return RECORDED[what]


    def timings():
        return list(RECORDED.values())
"""


def plant(words: Words) -> Planted:
    name = words.noun()
    spent = {one: round(words.draw.uniform(0.2, 4), 6) for one in ("read", "write", "scan")}
    return Planted(
        label="time threshold",
        modules={f"app/{name}.py": fill(_MODULE, **spent)},
        imports=f"from app import {name}\n",
        red=(
            Form(f"elapsed = {name}.seconds_of('read')\nassert elapsed < 0.05"),
            Form(
                f"duration = {name}.seconds_of('write')\nassert duration <= 0.1, f'took {{duration:.3f}} s'"
            ),
            Form(f"elapsed_ms = {name}.seconds_of('scan') * 1000\nassert elapsed_ms < 100"),
            Form(f"took = max({name}.timings())\nassert took < 0.15, 'too slow'"),
        ),
        green=(Form(f"assert len({name}.timings()) == 3"),),
    )
