"""The forms of a report about causes; the module of a form is loaded when it is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

if TYPE_CHECKING:
    from collections.abc import Callable

    from testkit.core.runs.causes import Triage

__all__ = ["FORMS", "Form", "render"]

Form = Literal["text", "json", "markdown", "github", "html", "agent"]
FORMS: Final[tuple[Form, ...]] = get_args(Form)


def render(
    triage: Triage,
    *,
    format: Form,  # noqa: A002 - the option that chooses it has this name
    width: int = 80,
    colour: bool = False,
    limit: int | None = None,
) -> str:
    """Return the report in that form, its last line ended.

    ``width`` and ``colour`` are those of a terminal. ``limit`` is how many causes are shown, all
    with 0; with None the form shows what its readers can take: a screen, a page, a budget.
    """
    form: Callable[..., str] = import_module(f"testkit.reports.as_{format}").render
    options: dict[str, Any] = {"limit": limit}
    if format == "text":
        options |= {"width": width, "colour": colour}
    text = form(triage, **options)
    return text if text.endswith("\n") else f"{text}\n"
