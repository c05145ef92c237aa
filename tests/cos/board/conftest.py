"""A real browser, and a control center that it looks at."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tests.cos.commands import Served, serving
from tests.support.browsing import chromium

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from playwright.async_api import Browser, Page


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """An installed Chromium, without a window; skips where there is none."""
    async with chromium() as browser:
        yield browser


@pytest.fixture
def served() -> Iterator[Served]:
    """A served control center, on the test's own database and Redis."""
    with serving() as served:
        yield served


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Browser) -> AsyncIterator[Page]:
    """A page without a past; what it complains of fails the test."""
    complaints: list[str] = []
    context = await browser.new_context()
    page = await context.new_page()
    page.set_default_timeout(15_000)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "console",
        lambda line: complaints.append(line.text) if "Content Security" in line.text else None,
    )
    yield page
    await context.close()

    assert complaints == []
