"""The project's own line behind a call, past libraries and across greenlets."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click
from sqlalchemy.util import greenlet_spawn

from testkit.system.calling_site import CallingSite, calling_site

ROOT = f"{Path(__file__).parents[3]}/"
FILE = str(Path(__file__).relative_to(ROOT))


def here() -> CallingSite | None:
    return calling_site(ROOT)


async def across_a_greenlet() -> CallingSite | None:
    return await greenlet_spawn(calling_site, ROOT)


def through_a_library() -> CallingSite | None:
    found: CallingSite | None = click.Context(click.Command("x")).invoke(
        calling_site, ROOT, otherwise_library=True
    )
    return found


def test_the_caller_is_named_with_file_line_and_function() -> None:
    line = here.__code__.co_firstlineno + 1

    assert here() == CallingSite(FILE, line, "here")
    assert str(here()) == f"{FILE}:{line} in here"


def test_what_does_not_lie_below_the_root_has_its_whole_path() -> None:
    site = calling_site("/elsewhere/")

    assert site is not None
    assert site.file == __file__


def test_libraries_are_passed_by() -> None:
    site = through_a_library()

    assert site is not None
    assert (site.file, site.function) == (FILE, "through_a_library")


def test_who_waits_for_a_greenlet_is_found() -> None:
    site = asyncio.run(across_a_greenlet())

    assert site is not None
    assert (site.file, site.function) == (FILE, "across_a_greenlet")


def test_a_thread_in_which_no_code_of_the_project_runs_has_none() -> None:
    with ThreadPoolExecutor() as threads:
        assert threads.submit(calling_site, ROOT).result() is None


def test_where_no_code_of_the_project_runs_the_nearest_library_will_do() -> None:
    context = click.Context(click.Command("x"))
    with ThreadPoolExecutor() as threads:
        asked = threads.submit(context.invoke, calling_site, ROOT, otherwise_library=True)
    site = asked.result()

    assert site is not None
    assert (site.file, site.function) == ("click/core.py", "Context.invoke")
