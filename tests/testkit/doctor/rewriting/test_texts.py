"""Texts with edits: what stands around them stays, imports are added, clashes wait."""

from __future__ import annotations

from testkit.doctor.finding import Edit, Finding
from testkit.doctor.rewriting.texts import rewritten


def finding(*edits: tuple[int, int, str], imports: tuple[str, ...] = ()) -> Finding:
    made = tuple(Edit(*edit) for edit in edits)
    return Finding("TD201", "error", "/x.py", 1, 1, "", "", "", "", made, imports)


def test_what_stands_around_an_edit_stays_as_it_is() -> None:
    text = "x  =  1 # one\n\n\ny = [ 2,3 ]\n"

    assert rewritten(text, [finding((6, 7, "11"))])[0] == "x  =  11 # one\n\n\ny = [ 2,3 ]\n"


def test_imports_are_added_behind_the_docstring_and_into_what_is_there() -> None:
    text = '"""It."""\nfrom __future__ import annotations\n\nfrom uuid import uuid4\n\nx = 1\n'
    at = text.index("1\n")
    new, _ = rewritten(text, [finding((at, at + 1, "UUID(int=1)"), imports=("uuid.UUID", "os"))])

    assert new == (
        '"""It."""\nfrom __future__ import annotations\n\nfrom uuid import UUID, uuid4\nimport os\n\n'
        "x = UUID(int=1)\n"
    )


def test_an_import_for_types_alone_is_not_taken_for_one() -> None:
    text = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from uuid import UUID\nx = 1\n"
    at = text.index("1\n")
    new, _ = rewritten(text, [finding((at, at + 1, "UUID(int=1)"), imports=("uuid.UUID",))])

    compile(new, "x", "exec")
    space: dict[str, object] = {}
    exec(new, space)
    assert str(space["x"]) == "00000000-0000-0000-0000-000000000001"


def test_of_two_that_touch_the_second_waits() -> None:
    first, second, third = finding((0, 4, "a")), finding((2, 6, "b")), finding((6, 7, "c"))

    assert rewritten("xxxxxxx\n", [first, second, third]) == ("axxc\n", [first, third])


def test_the_same_edit_of_two_is_made_once() -> None:
    one, other = finding((2, 2, "u"), (6, 7, "u")), finding((2, 2, "u"), (9, 10, "u"))

    assert rewritten("f()\nx=1\n\n2\n", [one, other])[0] == "f(u)\nx=u\n\nu\n"


def test_a_rewrite_that_python_cannot_read_is_not_made_and_others_are() -> None:
    bad, good = finding((4, 5, "((")), finding((10, 11, "3"))

    assert rewritten("x = 1\ny = 2\n", [bad, good]) == ("x = 1\ny = 3\n", [good])
    assert rewritten("x = 1\n", [bad]) == ("x = 1\n", [])
