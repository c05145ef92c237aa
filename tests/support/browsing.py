"""A real browser, for the tests that look at pages."""

from __future__ import annotations

import shutil
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Browser

__all__ = ["chromium"]

# Without them Chromium looks for things on the network, at every start.
_SWITCHES: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_PROGRAMS: Final = ("chromium", "chromium-browser", "google-chrome")


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Give an installed Chromium, without a window; skip the test where there is none."""
    async_api = pytest.importorskip("playwright.async_api")
    program = next(filter(None, map(shutil.which, _PROGRAMS)), None)
    if program is None:
        pytest.skip(f"no browser here: none of {', '.join(_PROGRAMS)} is installed")
    async with async_api.async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=list(_SWITCHES))
        try:
            yield browser
        finally:
            await browser.close()
