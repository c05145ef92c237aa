"""What is drawn of frames, with the stand-ins and without: the same."""

from __future__ import annotations

import linecache
import sys
import textwrap
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import declarative_base, relationship

from testkit.tracebacks.drawing import Drawing, stood_in
from testkit.tracebacks.drawing import drawing as of_this_run
from testkit.tracebacks.versions import FORMS, form_of, unknown_among

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def drawing() -> Iterator[Drawing]:
    drawing = Drawing()
    # A failure before this test has put the stand-ins of the run itself in place.
    with of_this_run.suspended():
        yield drawing
        while drawing.is_on:
            drawing.end()


pytest_code: Any = import_module("_pytest._code.code")


def raised_by(function: Callable[[], object]) -> pytest.ExceptionInfo[BaseException]:
    with pytest.raises(BaseException) as caught:  # noqa: PT011 - any will do
        function()
    return caught


def drawn(caught: pytest.ExceptionInfo[BaseException]) -> list[str]:
    return [str(caught.getrepr(style=style)) for style in ("long", "short")]


def compared(caught: pytest.ExceptionInfo[BaseException], drawing: Drawing) -> list[str]:
    """Return what the stand-ins draw, having asserted that pytest itself draws the same."""
    pytests = drawn(caught)

    assert drawing.begin() == []
    assert drawn(caught) == pytests
    # Again, from what is known of the files by now.
    assert drawn(caught) == pytests
    return pytests


def module_of(folder: Path, text: str) -> Any:
    path = folder / "module.py"
    path.write_text(textwrap.dedent(text))
    spec = spec_from_file_location("module", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def unmapped() -> object:
    base = declarative_base()
    attributes = {
        "__tablename__": "orders",
        "id": sa.Column(sa.Integer, primary_key=True),
        "lines": relationship("Missing"),
    }
    return type("Order", (base,), attributes)()


def nested() -> None:
    try:
        dict[str, int]()["missing"]
    except KeyError as error:
        # A comment in between.

        raise ValueError(
            "several",
            "lines",
        ) from error


def in_a_group() -> None:
    raise ExceptionGroup("two", [ValueError("one"), TypeError("other")])


def in_text_without_a_file() -> None:
    exec("def f():\n    1 / 0\nf()")


@pytest.mark.parametrize("function", [unmapped, nested, in_a_group, in_text_without_a_file])
def test_a_traceback_is_what_pytest_draws(function: Callable[[], object], drawing: Drawing) -> None:
    assert compared(raised_by(function), drawing)


def test_a_statement_over_several_lines_ends_where_it_does(
    tmp_path: Path, drawing: Drawing
) -> None:
    module = module_of(
        tmp_path,
        """
        def deco(f):
            return f

        @deco
        def f(a,
              b=1):
            '''A text
            of two lines.'''
            try:
                if a:
                    return [
                        1 / x
                        for x in (0,)
                    ]
                # nothing else
            finally:
                # at the end

                b = 2


        # behind the function
        """,
    )
    texts = compared(raised_by(lambda: module.f(True)), drawing)

    assert "1 / x" in texts[0]


def test_a_file_that_was_changed_and_does_not_compile_is_drawn_as_pytest_does(
    tmp_path: Path, drawing: Drawing
) -> None:
    module = module_of(tmp_path, "def f():\n    return 1 / 0\n")
    caught = raised_by(module.f)
    (tmp_path / "module.py").write_text("def f(:\n    return 1 / 0\n")
    linecache.clearcache()

    assert compared(caught, drawing)


def test_a_file_that_is_changed_between_two_failures_is_read_again(
    tmp_path: Path, drawing: Drawing
) -> None:
    drawing.begin()
    first = drawn(raised_by(module_of(tmp_path, "def f():\n    return 1 / 0\n").f))
    linecache.clearcache()
    second = drawn(raised_by(module_of(tmp_path, "def f():\n\n\n    return 2 / 0\n").f))

    assert "1 / 0" in first[0]
    assert "2 / 0" in second[0]
    assert "1 / 0" not in second[0]


def test_a_file_that_is_gone_is_drawn_as_pytest_does(tmp_path: Path, drawing: Drawing) -> None:
    module = module_of(tmp_path, "def f():\n    return 1 / 0\n")
    caught = raised_by(module.f)
    (tmp_path / "module.py").unlink()
    linecache.clearcache()

    assert compared(caught, drawing)


def test_pytest_has_its_own_functions_back_behind_the_last_end(drawing: Drawing) -> None:
    own = stood_in(), pytest_code.findsource, pytest_code.getstatementrange_ast
    drawing.begin()
    drawing.begin()
    drawing.end()
    within = pytest_code.findsource
    drawing.end()

    assert within != own[1]
    assert (stood_in(), pytest_code.findsource, pytest_code.getstatementrange_ast) == own
    assert not drawing.is_on


def test_nothing_differs_in_what_was_compared(drawing: Drawing) -> None:
    drawing.begin()

    assert drawing.differs(raised_by(nested).traceback) == ""
    assert drawing.is_on


def test_this_pytest_is_known(drawing: Drawing) -> None:
    assert not drawing.is_on
    assert unknown_among(stood_in()) == []
    assert set(stood_in()) == set(FORMS)


def test_a_function_of_another_form_or_none_is_named() -> None:
    functions: dict[str, Any] = dict.fromkeys(FORMS, nested) | {"findsource": None}

    assert unknown_among(functions) == sorted(FORMS, key=list(FORMS).index)
    assert form_of(sys.intern) == ""
