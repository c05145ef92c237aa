"""The profile of a run's factories as lines of text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from testkit.factories.profile import HOWS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["profile_lines"]

_MOST_NAMED: Final = 10
_MILLISECONDS_BELOW: Final = 0.1


def profile_lines(facts: Mapping[str, Any], *, wall: float, verbose: bool) -> list[str]:
    """Return the profile of factories that worked in processes which ran for ``wall`` seconds.

    At most ten factories and ten tests are named unless ``verbose``.
    """
    factories = facts.get("factories", {})
    if not factories:
        return ["testkit: no factory made anything"]
    names = _short(factories)
    lines = [_share(facts, wall), *_cascade(facts.get("cascades", {}), names)]
    lines += _table(factories, names, most=None if verbose else _MOST_NAMED)
    lines += _unread(facts.get("unread", []), most=None if verbose else _MOST_NAMED)
    if unclear := facts.get("unclear", 0):
        lines.append(
            f"testkit: {_number(unclear, 'test')} not judged: what else may have read"
            " the rows cannot be seen"
        )
    return lines


def _share(facts: Mapping[str, Any], wall: float) -> str:
    rows = facts["factories"].values()
    top, cascade = (sum(row[kind] for row in rows) for kind in ("top", "cascade"))
    share = f" ({facts['seconds'] / wall:.0%})" if wall else ""
    return (
        f"testkit: factories took {_shown(facts['seconds'])} of {_shown(wall)}{share}:"
        f" {_number(top + cascade, 'object')}, {top:,} at the top level and {cascade:,} in cascades"
    )


def _cascade(cascades: Mapping[str, Any], names: Mapping[str, str]) -> list[str]:
    made = {name: each for name, each in cascades.items() if each["below"]}
    if not made:
        return []
    name, cascade = max(made.items(), key=lambda item: (item[1]["seconds"], item[0]))
    each = 1 + sum(cascade["below"].values()) / cascade["top"]
    others = ", ".join(sorted(names[below] for below in cascade["below"]))
    rows = f"{each:.1f}".removesuffix(".0")
    line = (
        f"testkit:   the costliest cascade: for each row asked for {names[name]} makes {rows}:"
        f" its own, and by {others} ({_shown(cascade['seconds'])})"
    )
    return [line]


def _table(
    factories: Mapping[str, Any], names: Mapping[str, str], *, most: int | None
) -> list[str]:
    ranked = sorted(factories, key=lambda name: (-factories[name]["seconds"], name))
    heads = ("made", "top", "cascade", *HOWS, "time", "own time")
    cells = [heads, *(_cells(factories[name]) for name in ranked[:most])]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    ends = ["factory", *(names[name] for name in ranked[:most])]
    lines = [
        "testkit:   " + "  ".join([*map(str.rjust, row, widths), end])
        for row, end in zip(cells, ends, strict=True)
    ]
    return lines + _rest(len(ranked), most)


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    counts = (row["top"] + row["cascade"], row["top"], row["cascade"], *(row[h] for h in HOWS))
    return (*(f"{count:,}" for count in counts), _shown(row["seconds"]), _shown(row["own"]))


def _unread(tests: Sequence[Sequence[Any]], *, most: int | None) -> list[str]:
    if not tests:
        return []
    ranked = sorted(tests, key=lambda test: (-test[0], test[2]))
    head = f"testkit: {_number(len(tests), 'test')} wrote rows that no query read; build() may do:"
    rows = [
        f"testkit:   {_shown(seconds):>8}  {_number(rows, 'row')}  {who}"
        for seconds, rows, who in ranked[:most]
    ]
    return [head, *rows, *_rest(len(ranked), most)]


def _rest(count: int, most: int | None) -> list[str]:
    left = 0 if most is None else count - most
    return [f"testkit:   … and {left:,} more with -v"] if left > 0 else []


def _short(names: Iterable[str]) -> dict[str, str]:
    """Return each name without its module, where that is enough to tell it from the others."""
    last = {name: name.rpartition(":")[2].rpartition(".")[2] for name in names}
    return {
        name: short if list(last.values()).count(short) == 1 else name
        for name, short in last.items()
    }


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _shown(seconds: float) -> str:
    if seconds < _MILLISECONDS_BELOW:
        return f"{max(seconds, 0.0) * 1000:.0f} ms"
    return f"{seconds:.1f} s"
