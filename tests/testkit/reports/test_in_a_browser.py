"""The page in Chromium, opened from a file: search, filters, folding, keyboard, policy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
import pytest_asyncio

from testkit.reports.rendering import render
from tests.support.browsing import chromium
from tests.support.causes_told import many_causes, some_causes
from tests.support.red_suites.hostile import TEXTS, hostile_triage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from playwright.async_api import Browser, Page

    from testkit.core.runs.causes import Triage

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]
VISIBLE: Final = "#causes > details:not([hidden])"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """An installed Chromium, without a window; skips where there is none."""
    async with chromium() as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Browser) -> AsyncIterator[Page]:
    """A page; an error, a dialog, a request or a broken policy fails the test."""
    complaints: list[str] = []
    context = await browser.new_context()
    page = await context.new_page()
    page.set_default_timeout(15_000)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: complaints.append(dialog.message))
    page.on("console", lambda line: complaints.append(line.text))
    page.on(
        "request",
        lambda request: None if request.url.startswith("file:") else complaints.append(request.url),
    )
    yield page
    await context.close()

    assert complaints == []


async def opened(page: Page, folder: Path, triage: Triage) -> None:
    path = folder / "a report.html"
    path.write_text(render(triage, format="html"), "utf-8")
    await page.goto(path.as_uri())


async def test_causes_unfold_with_their_evidence(page: Page, tmp_path: Path) -> None:
    await opened(page, tmp_path, some_causes())
    first = page.locator(VISIBLE).first
    before = await first.locator("pre").count()
    await first.locator("summary").click()
    text = await first.inner_text()

    assert before == 0
    assert "POST http://test/modules → 409: active is None" in text
    assert "ValueError: active is None" in text
    assert "tests/test_api.py::test_created[26]" in text
    assert await page.inner_text("#headline") == "30 failures, 3 causes (1 of them unknown)"


async def test_search_and_filters_leave_what_fits(page: Page, tmp_path: Path) -> None:
    await opened(page, tmp_path, some_causes())
    await page.keyboard.press("/")
    await page.keyboard.type("active is NONE")
    await page.locator("#shown", has_text="1 of 3").wait_for()
    found = await page.locator(VISIBLE).all_inner_texts()
    await page.fill("#search", "")
    await page.select_option("#file", "tests/test_events.py")
    of_file = await page.locator(VISIBLE).all_inner_texts()
    await page.select_option("#file", "")
    await page.select_option("#cause", "2")
    of_cause = await page.locator(VISIBLE).all_inner_texts()

    assert ["Defaults of Module" in text for text in found] == [True]
    assert ["Nothing listens" in text for text in of_file] == [True]
    assert ["unknown" in text for text in of_cause] == [True]


async def test_all_can_be_unfolded_from_the_keyboard(page: Page, tmp_path: Path) -> None:
    await opened(page, tmp_path, some_causes())
    await page.focus("#unfold")
    await page.keyboard.press("Enter")
    unfolded = await page.locator("#causes > details[open]").count()
    await page.keyboard.press("Enter")

    assert unfolded == 3
    assert await page.locator("#causes > details[open]").count() == 0


async def test_what_the_run_said_is_text(page: Page, tmp_path: Path) -> None:
    await opened(page, tmp_path, hostile_triage())
    await page.click("#unfold")
    elements = await page.evaluate(
        "[...new Set([...document.querySelectorAll('#causes *')].map(e => e.localName))].sort()"
    )

    assert await page.locator("#causes > details").count() == len(TEXTS)
    assert set(elements) <= {
        *("button", "code", "details", "div", "h2", "li", "p", "pre", "span", "summary", "ul"),
    }


async def test_ten_thousand_failures_open(page: Page, tmp_path: Path) -> None:
    await opened(page, tmp_path, many_causes(1000, each=10))
    await page.locator(VISIBLE).last.locator("summary").click()

    assert await page.inner_text("#shown") == "1,000 of 1,000 causes, 10,000 failures"
    assert await page.locator("#causes > details[open] pre").count() == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_no_mark_is_told_by_colour_alone(page: Page, tmp_path: Path, scheme: str) -> None:
    await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    await opened(page, tmp_path, some_causes())
    unknown = await page.locator(VISIBLE).last.inner_text()
    colours = await page.evaluate(
        "[...document.querySelectorAll('#causes summary *')].map(e => getComputedStyle(e).color)"
    )

    assert "? unknown" in unknown
    assert len(set(colours)) == 1
