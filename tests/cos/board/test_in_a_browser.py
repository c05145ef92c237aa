"""The journeys of a person, in a real Chromium."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func

from cos.models import HealthState
from tests.cos.commands import Served, serving
from tests.cos.factories import ApiTokenFactory, DeadLetterFactory, ModuleFactory, text_of

playwright = pytest.importorskip("playwright.async_api")
Error = playwright.Error

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page, Route
    from sqlalchemy.orm import Session

    from testkit.core.naming import UniqueNames

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]


async def _live(page: Page) -> None:
    """Return when the page says that it is live; tell what it says otherwise."""
    told = page.locator("#connection.live")
    try:
        await told.wait_for()
    except Error as error:
        words = await page.locator("#connection").inner_text()
        facts = await page.evaluate(
            "[document.readyState, typeof htmx, !!document.querySelector('#board')._htmx?.sse,"
            " performance.getEntriesByType('resource').map(e => [e.name, e.responseStatus])]"
        )
        raise AssertionError(f"{words!r}, {facts}") from error


async def test_a_person_sees_changes_as_they_happen(
    served: Served, page: Page, unique: UniqueNames
) -> None:
    name = unique("module")
    await page.goto(served.url)
    await _live(page)
    made = served.ask("POST", "/cc/modules", {"name": name, "version": "7.1"})[2]
    row = page.locator(f"#module-{made['id']}")
    await row.wait_for()
    seen = await row.inner_text()
    served.ask("POST", f"/cc/modules/{made['id']}/heartbeat", {"status": "degraded"})
    await row.get_by_text("degraded").wait_for()
    await page.locator("#events").get_by_text(f"{name}: unknown → degraded").wait_for()
    await page.locator("#summary .state.degraded").wait_for()
    served.ask("DELETE", f"/cc/modules/{made['id']}")
    await row.wait_for(state="detached")

    assert seen.split("\t") == [name, "unknown", "7.1", "never"]


async def test_the_page_is_live_in_whatever_order_its_scripts_arrive(
    served: Served, page: Page
) -> None:
    async def last(route: Route) -> None:
        """Hold back the part that connects until htmx has had its chance to begin without it."""
        while await page.evaluate("typeof htmx") == "undefined":
            pass
        await page.evaluate("new Promise(done => setTimeout(done, 100))")
        await route.continue_()

    await page.route("**/hx-sse.min.js", last)
    await page.goto(served.url)
    await _live(page)

    assert await page.locator("#connection").inner_text() == "Live"


async def test_a_person_finds_a_module_and_its_address_can_be_sent(
    served: Served, page: Page, unique: UniqueNames
) -> None:
    name, other = unique("wanted"), unique("other")
    ModuleFactory.create(name=name, state=HealthState.OFFLINE, active=False)
    ModuleFactory.create(name=other)
    await page.goto(served.url)
    await _live(page)
    await page.get_by_label("Name").press_sequentially(name[:-2])
    await page.get_by_text(other).first.wait_for(state="detached")
    await page.get_by_label("State").select_option("offline")
    await page.wait_for_url(re.compile(r"state=offline"))
    typed = await page.get_by_label("Name").input_value()
    focused = await page.evaluate("document.activeElement.name")
    sent = page.url
    await page.goto("about:blank")
    await page.goto(sent)
    shown = await page.locator("#modules tbody tr").all_inner_texts()

    assert (typed, focused) == (name[:-2], "search")
    assert [row.split("\t")[0] for row in shown] == [f"{name} inactive"]


async def test_typing_goes_on_while_the_list_changes(
    served: Served, page: Page, unique: UniqueNames
) -> None:
    await page.goto(served.url)
    await _live(page)
    await page.get_by_label("Name").press_sequentially("m")
    for _ in range(3):
        name = unique("m")
        served.ask("POST", "/cc/modules", {"name": name, "version": "1"})
        await page.locator("#modules").get_by_text(name).wait_for()
    await page.keyboard.type("-")

    assert await page.get_by_label("Name").input_value() == "m-"
    assert await page.evaluate("document.activeElement.name") == "search"


async def test_without_scripts_the_board_works_too(
    served: Served, browser: Browser, unique: UniqueNames
) -> None:
    name, other = unique("wanted"), unique("other")
    ModuleFactory.create(name=name)
    ModuleFactory.create(name=other)
    context = await browser.new_context(java_script_enabled=False)
    page = await context.new_page()
    await page.goto(served.url)
    await page.get_by_label("Name").fill(name)
    await page.get_by_role("button", name="Show").click()
    shown = await page.locator("#modules tbody tr").all_inner_texts()
    told = await page.locator("#connection").inner_text()
    await context.close()

    assert len(shown) == 1
    assert told == "Not live: reload the page to see changes."


async def test_everything_is_reached_by_the_keyboard_and_named_for_screen_readers(
    served: Served, page: Page
) -> None:
    ModuleFactory.create()
    await page.goto(served.url)
    stops = []
    for _ in range(8):
        await page.keyboard.press("Tab")
        stops.append(await page.evaluate("document.activeElement.textContent.trim().slice(0, 20)"))
    regions = await page.get_by_role("region").all()
    names = [await region.get_attribute("aria-labelledby") for region in regions]

    assert stops[0] == "Skip to the modules"
    assert names == ["summary-title", "modules-title", "dead-title", "events-title"]
    assert await page.get_by_role("search").count() == 1
    assert await page.get_by_role("columnheader").all_inner_texts() == [
        "Name",
        "State",
        "Version",
        "Last beat",
    ]
    assert await page.get_by_role("status").inner_text() in {"Live", "Connecting…"}


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_text_stands_out_from_its_ground(served: Served, page: Page, scheme: str) -> None:
    for state in HealthState:
        ModuleFactory.create(state=state)
    await page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # one of its literals
    await page.goto(served.url)
    colours = await page.evaluate(
        """() => [...document.querySelectorAll('td, th, dt, dd, .state, .note, .empty, a, h2')]
            .map(e => [getComputedStyle(e).color, getComputedStyle(document.body).backgroundColor])"""
    )
    contrasts = [_contrast(text, ground) for text, ground in colours]

    assert len(contrasts) > 20
    assert min(contrasts) >= 4.5


def _contrast(text: str, ground: str) -> float:
    """Return the contrast of two colours as WCAG 2.2 defines it, 1 to 21."""

    def luminance(colour: str) -> float:
        parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    lighter, darker = sorted((luminance(text), luminance(ground)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


async def test_a_person_signs_in_and_a_revoked_token_leads_back_to_the_login(
    page: Page, db_session: Session
) -> None:
    token = ApiTokenFactory.create()
    with serving() as served:
        await page.goto(served.url)
        at_first = page.url
        await page.get_by_label("Token").fill("not a token")
        await page.get_by_role("button", name="Sign in").click()
        await page.get_by_text("This token is not known").wait_for()
        await page.get_by_label("Token").fill(text_of(token))
        await page.get_by_role("button", name="Sign in").click()
        await _live(page)
        token.revoked_at = func.now()
        db_session.commit()
        await page.wait_for_url(re.compile("/login$"))

    assert at_first == f"{served.url}/login"
    assert page.url == f"{served.url}/login"


async def test_a_person_signs_out(page: Page) -> None:
    token = ApiTokenFactory.create()
    with serving() as served:
        await page.goto(served.url)
        await page.get_by_label("Token").fill(text_of(token))
        await page.get_by_role("button", name="Sign in").click()
        await page.get_by_role("button", name="Sign out").click()
        await page.get_by_label("Token").wait_for()
        await page.goto(served.url)

        assert page.url == f"{served.url}/login"


async def test_an_open_page_does_not_hold_up_the_end_and_says_that_it_is_not_live(
    page: Page,
) -> None:
    with serving() as served:
        await page.goto(served.url)
        await _live(page)
        code = served.stop()
        await page.get_by_text("Not live: the connection is lost").wait_for()

    assert code == 0
    assert "Cancel" not in served.log
    assert "did not stop" not in served.log


async def test_a_person_asks_for_the_replay_of_a_dead_letter(
    served: Served, page: Page, db_session: Session
) -> None:
    letter = DeadLetterFactory.create()
    await page.goto(served.url)
    await _live(page)
    button = page.get_by_role("button", name=f"Replay health.changed 1 for {letter.group_name}")
    await button.focus()
    await page.keyboard.press("Enter")
    await page.get_by_text("replay asked for").wait_for()
    db_session.refresh(letter)

    assert letter.replay_requested_at is not None
    assert await button.count() == 0
